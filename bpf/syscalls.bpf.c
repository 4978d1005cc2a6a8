// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * System calls of the watched threads, to the ring buffer. What memory goes with a call is told
 * by its plan (struct chop_plan), which the tool makes from the tables: no call is special here
 * but execve, whose old memory is gone when it returns.
 */
#include "fetch.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define X86_USER32_CS	0x23
#define NR_RT_SIGRETURN 15
#define NR_EXECVE	59
#define NR_EXECVEAT	322

/* Set before loading. */
const volatile bool summary = false;  /* times only, one record a call */
const volatile bool cpu_time = false; /* of each call, in the record of its exit */
const volatile bool stacks = false;   /* the stack at each exit */

/* Set by the tool: which calls are wanted, and which of them have a plan. */
__u64 wanted[CHOP_CALLS / 64] = {};
__u64 planned[CHOP_CALLS / 64] = {};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CHOP_CALLS);
	__type(key, u32);
	__type(value, struct chop_plan);
} plans SEC(".maps");

static __always_inline bool in_set(const __u64 *set, u32 number)
{
	u32 word = (number < CHOP_CALLS ? number : CHOP_OTHER_CALLS) / 64;

	return set[below(word, CHOP_CALLS / 64)] >>
		       ((number < CHOP_CALLS ? number : CHOP_OTHER_CALLS) % 64) &
	       1;
}

/* Run once, by the tool in its own name. */
SEC("syscall")
int find_root(void *ctx)
{
	struct task_struct *self = (void *)bpf_get_current_task();

	root_dentry = (u64)BPF_CORE_READ(self, fs, root.dentry);
	root_mount = (u64)mount_of(BPF_CORE_READ(self, fs, root.mnt));
	return 0;
}

/* -- records ------------------------------------------------------------------------------------------ */

static __always_inline struct work *begin_work(void)
{
	u32 cpu = bpf_get_smp_processor_id();
	struct work *work = bpf_map_lookup_elem(&scratches, &cpu);

	if (work)
		work->used = work->again = work->cut = work->fetch = 0;
	return work;
}

static __always_inline void send(struct work *work)
{
	u64 size = work->used;

	if (work->cut)
		work->call.head.flags |= CHOP_LIVE_CUT;
	if (size > CHOP_PIECES_SIZE + CHOP_READ_MAX)
		size = CHOP_PIECES_SIZE + CHOP_READ_MAX;
	put(work, sizeof(work->call) + size);
}

static __always_inline void fill_args(struct chop_live_call *call, struct pt_regs *regs, u32 number)
{
	call->args[0] = regs->di;
	call->args[1] = regs->si;
	call->args[2] = regs->dx;
	call->args[3] = regs->r10;
	call->args[4] = regs->r8;
	call->args[5] = regs->r9;
	/* The frame it returns through lies on the stack; it has no arguments of its own. */
	if (number == NR_RT_SIGRETURN)
		call->args[0] = regs->sp;
	if (regs->cs == X86_USER32_CS)
		call->head.flags |= CHOP_EVENT_32;
}

/* An entry without memory to show: most of the time, and short. */
static __always_inline void tell_plain_enter(struct pt_regs *regs, u32 number)
{
	struct chop_live_call record;

	fill_head(&record.head, CHOP_LIVE_ENTER, number);
	record.result = 0;
	fill_args(&record, regs, number);
	put(&record, sizeof(record));
}

static __always_inline void tell_enter(struct chop_task *task, struct pt_regs *regs, u32 number)
{
	struct chop_plan *plan = bpf_map_lookup_elem(&plans, &number);
	struct work *work = begin_work();

	if (!plan || !work)
		return;
	fill_head(&work->call.head, CHOP_LIVE_ENTER, number);
	work->call.result = 0;
	fill_args(&work->call, regs, number);
	take_all(work, plan, (1u << plan->enter_count) - 1, 0);
	task->again = work->again;
	task->path = work->call.args[number == NR_EXECVEAT];
	if (work->again)
		work->call.head.flags |= CHOP_LIVE_AGAIN;
	send(work);
}

static __always_inline bool entering(struct chop_task *task, u32 number)
{
	if (!(task->flags & TASK_WAIT_EXEC)) {
		task->flags &= ~TASK_NEW;
		return true;
	}
	if (number != NR_EXECVE && number != NR_EXECVEAT)
		return false;
	task->flags = 0;
	return true;
}

static __always_inline int enter(struct pt_regs *regs, u32 number)
{
	struct chop_task *task;

	task = current_task();
	if (!task || !entering(task, number) || !in_set(wanted, number))
		return 0;
	task->flags |= TASK_IN_CALL;
	task->number = number;
	task->again = 0;
	if (summary) {
		task->entered = bpf_ktime_get_ns();
		task->off_cpu = 0;
		return 0;
	}
	if (in_set(planned, number))
		tell_enter(task, regs, number);
	else
		tell_plain_enter(regs, number);
	if (cpu_time) {
		task->entered = bpf_ktime_get_ns();
		task->off_cpu = 0;
	}
	return 0;
}

static __always_inline u64 cpu_time_of(struct chop_task *task)
{
	return bpf_ktime_get_ns() - task->entered - task->off_cpu;
}

static __always_inline void tell_plain_exit(struct chop_task *task, struct pt_regs *regs, u32 kind,
					    u32 number, u64 result)
{
	struct chop_live_call record;

	fill_head(&record.head, kind, number);
	record.result = result;
	if (kind == CHOP_LIVE_EXIT && cpu_time) {
		record.args[0] = cpu_time_of(task);
		put(&record, __builtin_offsetof(struct chop_live_call, args[1]));
		return;
	}
	if (kind == CHOP_LIVE_EXIT) {
		put(&record, __builtin_offsetof(struct chop_live_call, args));
		return;
	}
	fill_args(&record, regs, number);
	put(&record, sizeof(record));
}

__noinline int take_stack_part(struct work *work, u64 address, u32 size)
{
	struct chop_piece *piece;

	if (!work || work->used + sizeof(*piece) + 4096 > CHOP_PIECES_SIZE)
		return -1;
	piece = piece_begin(work, address, CHOP_PIECE_STACK);
	if (!piece || size > 4096 ||
	    bpf_probe_read_user(piece + 1, below(size, 8192), (void *)address))
		return -1;
	piece_finish(work, piece, size);
	return 0;
}

/* Page by page: to the end of the stack, or of what is there of it. */
static __always_inline void take_stack(struct work *work, struct pt_regs *regs)
{
	struct chop_piece *piece;
	u64 address = regs->sp;

	work->fetch = 0;
	if (work->used + sizeof(*piece) + CHOP_REGISTERS_SIZE > CHOP_PIECES_SIZE)
		return;
	piece = piece_begin(work, address, CHOP_PIECE_REGISTERS);
	if (!piece || bpf_probe_read_kernel(piece + 1, CHOP_REGISTERS_SIZE, regs))
		return;
	piece_finish(work, piece, CHOP_REGISTERS_SIZE);
	for (u32 i = 0; i < CHOP_STACK_PAGES; i++) {
		u32 size = 4096 - (address & 4095);

		if (take_stack_part(work, address, size))
			break;
		address += size;
	}
}

static __always_inline void tell_exit(struct chop_task *task, struct pt_regs *regs, u32 kind,
				      u32 number, u64 result)
{
	struct chop_plan *plan = bpf_map_lookup_elem(&plans, &number);
	struct work *work = begin_work();
	u32 again;

	if (!plan || !work)
		return;
	fill_head(&work->call.head, kind, number);
	work->call.result = result;
	fill_args(&work->call, regs, number);
	if (kind == CHOP_LIVE_EXIT && cpu_time)
		work->call.args[0] = cpu_time_of(task);
	if (kind == CHOP_LIVE_CALL)
		again = (1u << plan->enter_count) - 1;
	else if (number == NR_EXECVE || number == NR_EXECVEAT)
		again = 0;
	else
		again = task->again;
	take_all(work, plan, again, plan->exit_count);
	if (stacks)
		take_stack(work, regs);
	send(work);
}

static __always_inline void tell_summary(struct chop_task *task, u32 number, u64 result)
{
	struct chop_live_summary record;

	fill_head(&record.head, CHOP_LIVE_SUMMARY, number);
	record.wall = record.head.time - task->entered;
	record.cpu = record.wall - task->off_cpu;
	record.result = result;
	put(&record, sizeof(record));
}

#define SIGKILL 9

static __always_inline bool dying(void)
{
	struct task_struct *self = (void *)bpf_get_current_task_btf();

	return self->pending.signal.sig[0] >> (SIGKILL - 1) & 1;
}

/* What signal_generate is given instead of a siginfo for kill by the kernel and by nobody. */
#define INFO_NONE   0
#define INFO_KERNEL 1
static __always_inline void take_info(u8 *to, u64 info, u32 sig)
{
	u32 *words = (u32 *)to;

	__builtin_memset(to, 0, CHOP_SIGINFO_SIZE);
	if (info > INFO_KERNEL) {
		bpf_probe_read_kernel(to, CHOP_SIGINFO_SIZE, (void *)info);
		return;
	}
	words[0] = sig;
	if (info == INFO_NONE) {
		words[4] = bpf_get_current_pid_tgid() >> 32;
		words[5] = (u32)bpf_get_current_uid_gid();
	}
	words[2] = info == INFO_KERNEL ? 0x80 /* SI_KERNEL */ : 0;
}

static __always_inline int leave(struct pt_regs *regs, u64 result)
{
	struct chop_task *task = current_task();
	u32 number, kind = CHOP_LIVE_EXIT;

	if (!task || (task->flags & TASK_WAIT_EXEC))
		return 0;
	/* Killed with its process, or by SIGKILL: it does not return from this call. */
	if (!task->fatal && dying()) {
		task->flags &= ~TASK_IN_CALL;
		return 0;
	}
	if (task->flags & TASK_IN_CALL) {
		number = task->number;
	} else {
		/* Refused by a seccomp filter, or begun before we came. */
		number = (u32)regs->orig_ax;
		kind = CHOP_LIVE_CALL;
		if ((task->flags & TASK_NEW) || !in_set(wanted, number)) {
			task->flags &= ~TASK_NEW;
			return 0;
		}
		task->entered = bpf_ktime_get_ns();
		task->off_cpu = 0;
	}
	task->flags &= ~TASK_IN_CALL;
	if (summary)
		tell_summary(task, number, result);
	else if (stacks || in_set(planned, number))
		tell_exit(task, regs, kind, number, result);
	else
		tell_plain_exit(task, regs, kind, number, result);
	return 0;
}

/* With types: the registers can be read without a helper's help, ten times a call. */
SEC("tp_btf/sys_enter")
int BPF_PROG(on_enter, struct pt_regs *regs, long number)
{
	return enter(regs, (u32)number);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_exit, struct pt_regs *regs, long result)
{
	return leave(regs, result);
}

/* The same, attached to the tracepoints of single calls: the others then cost nothing. */
struct one_enter {
	struct pt_regs *regs;
	long number;
	unsigned long args[6];
};
SEC("tp")
int on_one_enter(struct one_enter *ctx)
{
	struct task_struct *self = (void *)bpf_get_current_task_btf();

	return enter((struct pt_regs *)bpf_task_pt_regs(self), (u32)ctx->number);
}

struct one_exit {
	struct pt_regs *regs;
	long number, result;
};
SEC("tp")
int on_one_exit(struct one_exit *ctx)
{
	struct task_struct *self = (void *)bpf_get_current_task_btf();

	return leave((struct pt_regs *)bpf_task_pt_regs(self), ctx->result);
}

/* -- time on the processor, for the summary -------------------------------------------------------------- */

SEC("raw_tp/sched_switch")
int on_switch(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *before = (void *)ctx->args[1], *after = (void *)ctx->args[2];
	u64 now = bpf_ktime_get_ns();
	struct chop_task *task;
	u32 tid;

	tid = BPF_CORE_READ(before, pid);
	task = bpf_map_lookup_elem(&tasks, &tid);
	if (task && (task->flags & TASK_IN_CALL))
		task->left = now;
	tid = BPF_CORE_READ(after, pid);
	task = bpf_map_lookup_elem(&tasks, &tid);
	if (task && (task->flags & TASK_IN_CALL) && task->left) {
		task->off_cpu += now - task->left;
		task->left = 0;
	}
	return 0;
}

/* -- signals and programs ----------------------------------------------------------------------------------- */

struct kernel_sigaction {
	u64 handler;
};

SEC("raw_tp/signal_deliver")
int on_signal(struct bpf_raw_tracepoint_args *ctx)
{
	struct chop_live_signal record;
	struct chop_task *task = current_task();

	if (!task || (task->flags & TASK_WAIT_EXEC))
		return 0;
	if (ctx->args[0] == SIGKILL) {
		/* Stands for the signal that really does it; itself it is never seen. */
		if (!task->fatal)
			return 0;
		fill_head(&record.head, CHOP_LIVE_SIGNAL, task->fatal);
		record.handler = 0;
		__builtin_memcpy(record.info, task->fatal_info, sizeof(record.info));
		task->fatal = 0;
		put(&record, sizeof(record));
		return 0;
	}
	fill_head(&record.head, CHOP_LIVE_SIGNAL, (u32)ctx->args[0]);
	record.handler = 0;
	bpf_probe_read_kernel(&record.handler, 8, (void *)ctx->args[2]);
	__builtin_memset(record.info, 0, sizeof(record.info));
	bpf_probe_read_kernel(record.info, sizeof(record.info), (void *)ctx->args[1]);
	put(&record, sizeof(record));
	return 0;
}

#define SIGNAL_SENT    0
#define SIGNAL_IGNORED 1

/* A traced process sees ignored signals too, so a reader of traces expects them. */
SEC("raw_tp/signal_generate")
int on_signal_sent(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *target = (void *)ctx->args[2];
	struct chop_live_signal record;
	struct chop_task *task;
	u32 tid;

	if (ctx->args[4] != SIGNAL_IGNORED && ctx->args[4] != SIGNAL_SENT)
		return 0;
	tid = BPF_CORE_READ(target, pid);
	task = bpf_map_lookup_elem(&tasks, &tid);
	if (!task || (task->flags & TASK_WAIT_EXEC))
		return 0;
	if (ctx->args[4] == SIGNAL_SENT) {
		/* One that kills is never delivered: the kernel makes SIGKILL of it at once. */
		if (ctx->args[0] != SIGKILL && !task->fatal &&
		    BPF_CORE_READ(target, pending.signal.sig[0]) >> (SIGKILL - 1) & 1) {
			task->fatal = (u32)ctx->args[0];
			take_info(task->fatal_info, ctx->args[1], task->fatal);
		}
		return 0;
	}
	fill_head(&record.head, CHOP_LIVE_IGNORED, (u32)ctx->args[0]);
	record.head.tid = tid;
	record.head.pid = BPF_CORE_READ(target, tgid);
	record.handler = 1;
	take_info(record.info, ctx->args[1], (u32)ctx->args[0]);
	put(&record, sizeof(record));
	return 0;
}

/* The memory execve's arguments were in is gone; the new program has copies of them. */
SEC("raw_tp/sched_process_exec")
int on_exec(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *self = (void *)ctx->args[0];
	struct linux_binprm *program = (void *)ctx->args[2];
	u32 before = (u32)ctx->args[1], tid = (u32)bpf_get_current_pid_tgid();
	struct work *work = begin_work();
	struct chop_live_task *record;
	struct chop_task *found, moved;
	struct chop_piece *piece;
	u64 start, end;
	long size;

	found = bpf_map_lookup_elem(&tasks, &before);
	if (!found || !work)
		return 0;
	moved = *found;
	if (before != tid) {
		/* A thread that is not the first takes over the number of the first. */
		bpf_map_update_elem(&tasks, &tid, &moved, BPF_ANY);
		bpf_map_delete_elem(&tasks, &before);
	}
	if (!tell_tasks)
		return 0;
	record = (struct chop_live_task *)work;
	__builtin_memset(&work->call, 0, sizeof(work->call));
	fill_head(&record->head, CHOP_LIVE_EXEC, 0);
	record->other = before;
	piece = piece_begin(work, moved.path, CHOP_PIECE_MEMORY);
	if (!piece)
		return 0;
	size = bpf_probe_read_kernel_str(piece + 1, 4096, BPF_CORE_READ(program, filename));
	if (size > 0 && size <= 4096)
		piece_finish(work, piece, (u32)size);
	start = BPF_CORE_READ(self, mm, arg_start);
	end = BPF_CORE_READ(self, mm, arg_end);
	work->fetch = CHOP_EXEC_ARGUMENTS;
	take_bytes(work, start, end - start);
	start = BPF_CORE_READ(self, mm, env_start);
	end = BPF_CORE_READ(self, mm, env_end);
	work->fetch = CHOP_EXEC_ENVIRONMENT;
	take_bytes(work, start, end - start);
	send(work);
	return 0;
}
