// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Probe points: functions and static points of programs (uprobes), of the kernel (kprobes), and
 * the kernel's tracepoints. Programs of one kind do the same for every site: what that is, is
 * told by the site's cookie and plan (chop/probe_event.h).
 *
 * Programs at uprobes can be preempted, so nothing here is kept per processor but counters that
 * are added to atomically.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include <chop/probe_event.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define WAIT_EXEC     1		  /* ours until it runs the command */
#define JOBCTL_TRACED (1ul << 27) /* linux/sched/jobctl.h: it stands still for its tracer */
#define SIGSTOP	      19	  /* no thread can block or ignore it */

/* As the kernel's, where the count of live threads is. */
struct atomic_count {
	int counter;
} __CORE;
struct signal_struct___live {
	struct atomic_count live;
} __CORE;

/* Set before loading. */
const volatile bool everyone = false;	/* all processes */
const volatile bool can_sleep = false;	/* programs at uprobes may fault pages in */
const volatile bool with_text = false;	/* records have room for texts */
const volatile bool with_stack = false; /* and for stacks */
const volatile bool stack_user = false;
const volatile bool stack_kernel = false;
const volatile __u32 mode = CHOP_PROBE_RECORDS;
const volatile __u32 by = CHOP_BY_NOTHING;
const volatile __u32 text_limit = 64; /* bytes of a text, its NUL included */
const volatile bool linear = false;   /* buckets of equal size */
const volatile __s64 linear_low = 0;
const volatile __u64 linear_step = 1;
const volatile __u32 linear_count = 0;
const volatile __u64 wait_full = 0; /* ns to wait for room in the ring before giving up */

/* Read by the tool. */
__u64 lost = 0;	       /* records there was no room for */
__u64 lost_counts = 0; /* counts, starts and processes there was no room for */

/* Set by the tool: the thread that runs code of the tool, which does not count. */
__u32 errand = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, u32);
	__type(value, u32);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 << 20);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct chop_probe_plan);
} plans SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct chop_probe_key);
	__type(value, u64);
} tallies SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct chop_probe_key);
	__type(value, struct chop_probe_sum);
} sums SEC(".maps");

/* Activations that have begun. The stack pointer tells those of a recursive function apart. */
struct activation {
	u32 tid, row;
	u64 sp;
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct activation);
	__type(value, u64);
} activations SEC(".maps");

/* Threads that may have to stop. */
struct thread_stop {
	u32 told; /* a bit for each plan (modulo 32) the tool was told of; the stop is under way */
	u32 in_call;
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, u32);
	__type(value, struct thread_stop);
} stops SEC(".maps");

/* -- who is watched -------------------------------------------------------------------------- */

static __always_inline bool watched(void)
{
	u32 pid = bpf_get_current_pid_tgid() >> 32, *flags;

	if (everyone)
		return true;
	flags = bpf_map_lookup_elem(&processes, &pid);
	return flags && !(*flags & WAIT_EXEC);
}

SEC("raw_tp/sched_process_fork")
int on_fork(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *child = (void *)ctx->args[1];
	u32 pid = bpf_get_current_pid_tgid() >> 32, *flags, fresh;
	u32 child_pid = BPF_CORE_READ(child, tgid);

	flags = bpf_map_lookup_elem(&processes, &pid);
	if (!flags || child_pid == pid)
		return 0;
	fresh = *flags;
	if (bpf_map_update_elem(&processes, &child_pid, &fresh, BPF_ANY))
		__sync_fetch_and_add(&lost_counts, 1);
	return 0;
}

SEC("raw_tp/sched_process_exec")
int on_exec(struct bpf_raw_tracepoint_args *ctx)
{
	u32 pid = bpf_get_current_pid_tgid() >> 32;
	u32 *flags = bpf_map_lookup_elem(&processes, &pid);

	if (flags)
		*flags &= ~WAIT_EXEC;
	return 0;
}

SEC("raw_tp/sched_process_exit")
int on_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *self = (void *)ctx->args[0];
	struct signal_struct___live *signal = (void *)BPF_CORE_READ(self, signal);
	u32 pid = bpf_get_current_pid_tgid() >> 32;

	if (!BPF_CORE_READ(signal, live.counter))
		bpf_map_delete_elem(&processes, &pid);
	return 0;
}

#include "probe_fetch.h"

/* -- counting ------------------------------------------------------------------------------------- */

static __always_inline void add(void *map, struct chop_probe_key *key)
{
	u64 *count = bpf_map_lookup_elem(map, key), one = 1;

	if (count) {
		__sync_fetch_and_add(count, 1);
		return;
	}
	if (!bpf_map_update_elem(map, key, &one, BPF_NOEXIST))
		return;
	/* Another thread was faster, or there is no room. */
	count = bpf_map_lookup_elem(map, key);
	if (count)
		__sync_fetch_and_add(count, 1);
	else
		__sync_fetch_and_add(&lost_counts, 1);
}

static __always_inline u32 id_of(void)
{
	u64 id = bpf_get_current_pid_tgid();

	return by == CHOP_BY_THREAD ? (u32)id : by == CHOP_BY_PROCESS ? (u32)(id >> 32) : 0;
}

static __always_inline void count_hit(u32 row)
{
	u64 *count;

	if (by == CHOP_BY_NOTHING) {
		count = bpf_map_lookup_elem(&counts, &row);
		if (count)
			__sync_fetch_and_add(count, 1);
	} else {
		struct chop_probe_key key = { .row = row, .id = id_of() };

		add(&tallies, &key);
	}
}

static __always_inline u32 bits_of(u64 value)
{
	u32 bits = 0;

	for (int step = 32; step; step /= 2) {
		if (value >> step) {
			value >>= step;
			bits += step;
		}
	}
	return value ? bits + 1 : 0;
}

static __always_inline u32 bucket_of(u64 value, bool is_signed)
{
	if (!linear) {
		if (is_signed && (s64)value < 0)
			return CHOP_BUCKET_ZERO - bits_of(-value);
		return CHOP_BUCKET_ZERO + bits_of(value);
	}
	if ((s64)value < linear_low && (is_signed || linear_low > 0))
		return 0;
	value = (value - linear_low) / (linear_step ? linear_step : 1);
	return value >= linear_count ? linear_count + 1 : (u32)value + 1;
}

static __always_inline void count_value(u32 row, u64 value, bool is_signed)
{
	struct chop_probe_key key = { .row = row, .id = id_of() };
	struct chop_probe_sum fresh = { 0, 0 }, *sum = bpf_map_lookup_elem(&sums, &key);

	if (!sum) {
		bpf_map_update_elem(&sums, &key, &fresh, BPF_NOEXIST);
		sum = bpf_map_lookup_elem(&sums, &key);
	}
	if (!sum) {
		__sync_fetch_and_add(&lost_counts, 1);
		return;
	}
	__sync_fetch_and_add(&sum->count, 1);
	__sync_fetch_and_add(&sum->sum, value);
	key.bucket = bucket_of(value, is_signed);
	add(&tallies, &key);
}

/* -- records ---------------------------------------------------------------------------------------- */

static __always_inline void *reserve_once(void)
{
	if (with_stack)
		return bpf_ringbuf_reserve(&ring, sizeof(struct chop_probe_record_stack), 0);
	if (with_text)
		return bpf_ringbuf_reserve(&ring, sizeof(struct chop_probe_record_text), 0);
	return bpf_ringbuf_reserve(&ring, sizeof(struct chop_probe_record), 0);
}

/* A full ring is waited for a moment: slowing the program down beats losing what it did. */
static __always_inline void *reserve(void)
{
	void *record = reserve_once();
	u64 until;

	if (record)
		return record;
	until = wait_full ? bpf_ktime_get_ns() + wait_full : 0;
	for (int i = 0; i < 256 && until; i++) {
		record = reserve_once();
		if (record)
			return record;
		if (bpf_ktime_get_ns() > until)
			break;
	}
	__sync_fetch_and_add(&lost, 1);
	return NULL;
}

static __always_inline void take_stacks(void *ctx, struct chop_probe_record_stack *full,
					bool user_regs)
{
	u64 sp = 0;

	full->caller = 0;
	full->user_size = full->kernel_size = 0;
	if (stack_user) {
		full->user_size =
			bpf_get_stack(ctx, full->user, sizeof(full->user), BPF_F_USER_STACK);
		if (user_regs && !bpf_probe_read_kernel(&sp, 8, ctx + offsetof(struct pt_regs, sp)))
			bpf_probe_read_user(&full->caller, 8, (void *)sp);
	}
	if (stack_kernel)
		full->kernel_size = bpf_get_stack(ctx, full->kernel, sizeof(full->kernel), 0);
}

static __always_inline bool tell(void *ctx, u64 cookie, const struct chop_probe_plan *plan,
				 const struct values *values, bool user_regs, bool sleeps)
{
	struct chop_probe_record *record = reserve();
	u64 id = bpf_get_current_pid_tgid();

	if (!record)
		return false;
	record->head.time = bpf_ktime_get_ns();
	record->head.tid = (u32)id;
	record->head.pid = id >> 32;
	record->head.kind = CHOP_LIVE_PROBE;
	record->head.flags = 0;
	record->head.number = (u32)cookie;
	record->plan = cookie >> 32;
	record->unread = values->unread;
	record->used = record->pad = 0;
	bpf_get_current_comm(record->comm, sizeof(record->comm));
	for (int i = 0; i < CHOP_PROBE_ARGS; i++)
		record->value[i] = values->value[i];
	if (with_text)
		take_texts(ctx, (void *)record, plan, sleeps);
	if (with_stack)
		take_stacks(ctx, (void *)record, user_regs);
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	return true;
}

/* -- stops -------------------------------------------------------------------------------------- */

static __always_inline void send_stop(u32 tid)
{
	if (!bpf_send_signal_thread(SIGSTOP))
		return;
	__sync_fetch_and_add(&lost, 1);
	bpf_map_delete_elem(&stops, &tid);
}

/*
 * At most one stop of a thread is under way, until the tool has seen it: what the stop itself does
 * - it sends and takes a signal, sleeps, tells its tracer - is no hit that stops it again. In a
 * system call it waits for the call's exit: a signal would interrupt the call.
 */
static __always_inline void stop(void *ctx, u64 cookie, const struct chop_probe_plan *plan,
				 const struct values *values)
{
	struct task_struct *self = (void *)bpf_get_current_task();
	u32 tid = (u32)bpf_get_current_pid_tgid(), bit = 1u << (cookie >> 32 & 31);
	struct thread_stop *known, fresh = { .told = bit };

	if (tid == errand || BPF_CORE_READ(self, jobctl) & JOBCTL_TRACED)
		return;
	known = bpf_map_lookup_elem(&stops, &tid);
	if (known && known->told) {
		if (!(known->told & bit) && tell(ctx, cookie, plan, values, false, false))
			known->told |= bit;
		return;
	}
	if (!tell(ctx, cookie, plan, values, false, false))
		return;
	if (known) {
		known->told = bit;
		if (known->in_call)
			return;
	} else if (bpf_map_update_elem(&stops, &tid, &fresh, BPF_ANY)) {
		__sync_fetch_and_add(&lost, 1);
		return;
	}
	send_stop(tid);
}

SEC("raw_tp/sys_enter")
int on_call_enter(struct bpf_raw_tracepoint_args *ctx)
{
	u32 tid = (u32)bpf_get_current_pid_tgid();
	struct thread_stop *known, fresh = { .in_call = true };

	if (!watched() || tid == errand)
		return 0;
	known = bpf_map_lookup_elem(&stops, &tid);
	if (known)
		known->in_call = true;
	else
		bpf_map_update_elem(&stops, &tid, &fresh, BPF_ANY);
	return 0;
}

SEC("raw_tp/sys_exit")
int on_call_exit(struct bpf_raw_tracepoint_args *ctx)
{
	u32 tid = (u32)bpf_get_current_pid_tgid();
	struct thread_stop *known = bpf_map_lookup_elem(&stops, &tid);

	if (!known || !known->in_call || tid == errand)
		return 0;
	known->in_call = false;
	if (known->told)
		send_stop(tid);
	return 0;
}

/* -- at a site -------------------------------------------------------------------------------------- */

static __always_inline int hit(void *ctx, bool user_regs, bool sleeps)
{
	u64 cookie = bpf_get_attach_cookie(ctx);
	u32 at = cookie >> 32;
	struct chop_probe_plan *plan;
	struct values values;

	if (!watched())
		return 0;
	plan = bpf_map_lookup_elem(&plans, &at);
	if (!plan)
		return 0;
	if (mode == CHOP_PROBE_COUNTS && !plan->test_count) {
		count_hit((u32)cookie);
		return 0;
	}
	if (!take_values(ctx, plan, &values, sleeps))
		return 0;
	if (mode == CHOP_PROBE_COUNTS)
		count_hit((u32)cookie);
	else if (mode == CHOP_PROBE_VALUES && !(values.unread & 1))
		count_value((u32)cookie, values.value[0], plan->fetch[0].is_signed);
	else if (mode == CHOP_PROBE_RECORDS)
		tell(ctx, cookie, plan, &values, user_regs, sleeps);
	else if (mode == CHOP_PROBE_STOPS)
		stop(ctx, cookie, plan, &values);
	return 0;
}

SEC("uprobe")
int uprobe_hit(struct pt_regs *ctx)
{
	return hit(ctx, true, true);
}

SEC("kprobe")
int kprobe_hit(struct pt_regs *ctx)
{
	return hit(ctx, false, false);
}

SEC("tracepoint")
int tracepoint_hit(void *ctx)
{
	return hit(ctx, false, false);
}

/*
 * Time between entry and return. At the entry the return address is on top of the stack; at the
 * return it has been taken off.
 */
static __always_inline void name_activation(struct activation *activation, void *ctx, u32 row,
					    u64 popped, bool user)
{
	activation->tid = (u32)bpf_get_current_pid_tgid();
	activation->row = row;
	activation->sp = 0;
	if (!user)
		return;
	bpf_probe_read_kernel(&activation->sp, 8, ctx + offsetof(struct pt_regs, sp));
	activation->sp -= popped;
}

static __always_inline int begin(void *ctx, bool user)
{
	u64 cookie = bpf_get_attach_cookie(ctx), now;
	u32 at = cookie >> 32;
	struct activation activation;
	struct chop_probe_plan *plan;
	struct values values;

	if (!watched())
		return 0;
	plan = bpf_map_lookup_elem(&plans, &at);
	if (!plan || (plan->test_count && !take_values(ctx, plan, &values, user)))
		return 0;
	name_activation(&activation, ctx, (u32)cookie, 0, user);
	now = bpf_ktime_get_ns();
	if (bpf_map_update_elem(&activations, &activation, &now, BPF_ANY))
		__sync_fetch_and_add(&lost_counts, 1);
	return 0;
}

static __always_inline int end(void *ctx, bool user)
{
	u64 now = bpf_ktime_get_ns(), cookie = bpf_get_attach_cookie(ctx), *began;
	struct activation activation;

	if (!watched())
		return 0;
	name_activation(&activation, ctx, (u32)cookie, sizeof(u64), user);
	began = bpf_map_lookup_elem(&activations, &activation);
	if (!began)
		return 0;
	now -= *began;
	bpf_map_delete_elem(&activations, &activation);
	count_value((u32)cookie, now, false);
	return 0;
}

SEC("uprobe")
int uprobe_begin(struct pt_regs *ctx)
{
	return begin(ctx, true);
}

SEC("uretprobe")
int uprobe_end(struct pt_regs *ctx)
{
	return end(ctx, true);
}

SEC("kprobe")
int kprobe_begin(struct pt_regs *ctx)
{
	return begin(ctx, false);
}

SEC("kretprobe")
int kprobe_end(struct pt_regs *ctx)
{
	return end(ctx, false);
}
