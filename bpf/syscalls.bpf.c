// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * System calls of the watched threads, to the ring buffer. What memory goes with a call is told
 * by its plan (struct chop_plan), which the tool makes from the tables: no call is special here
 * but execve, whose old memory is gone when it returns.
 */
#include "tasks.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define X86_USER32_CS	0x23
#define NR_RT_SIGRETURN 15
#define NR_EXECVE	59
#define NR_EXECVEAT	322

/* Set before loading. */
const volatile bool summary = false; /* times only, one record a call */
const volatile __u32 text_limit = 33;  /* bytes of a text in a vector of texts */
const volatile __u32 texts_limit = 32; /* texts of a vector */

/* Set by the tool: which calls are wanted, and which of them have a plan. */
__u64 wanted[CHOP_CALLS / 64] = {};
__u64 planned[CHOP_CALLS / 64] = {};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CHOP_CALLS);
	__type(key, u32);
	__type(value, struct chop_plan);
} plans SEC(".maps");

/*
 * Where records grow, one for each processor: these programs are not preempted. The room past
 * CHOP_PIECES_SIZE takes the last piece.
 */
struct work {
	struct chop_event_call call;
	u8 pieces[CHOP_PIECES_SIZE + sizeof(struct chop_piece) + 2 * CHOP_READ_MAX];
	/* Here and not on the stack, so that the verifier does not follow every value they take. */
	u32 used, again, cut, fetch;
	u32 at, end, item; /* walking the elements of an earlier fetch */
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* set to the number of processors */
	__type(key, u32);
	__type(value, struct work);
} scratches SEC(".maps");

/*
 * A value that is known to be below a power of two, told in a way the verifier sees: the
 * compiler must not know what it knows, or it drops the mask.
 */
static __always_inline u64 below(u64 value, u64 power)
{
	asm volatile("" : "+r"(value));
	return value & (power - 1);
}

static __always_inline bool in_set(const __u64 *set, u32 number)
{
	u32 word = number / 64;

	if (number >= CHOP_CALLS)
		return false;
	return set[below(word, CHOP_CALLS / 64)] >> (number % 64) & 1;
}

/*
 * The functions below that are not static are checked by the verifier once, not at every
 * place they are called from; that is why they are not, and why they look for NULL.
 */

/* -- pieces ------------------------------------------------------------------------------------ */

static __always_inline struct chop_piece *piece_at(struct work *work, u32 at)
{
	if (at > CHOP_PIECES_SIZE)
		return NULL;
	return (struct chop_piece *)(work->pieces + below(at, 2 * CHOP_PIECES_SIZE));
}

/* The next piece, its head filled in; it counts once finish() is called. */
static __always_inline struct chop_piece *piece_begin(struct work *work, u64 address, u32 kind)
{
	struct chop_piece *piece = piece_at(work, work->used);

	if (!piece) {
		work->cut = 1;
		return NULL;
	}
	piece->address = address;
	piece->kind = (u8)kind;
	piece->fetch = (u8)work->fetch;
	piece->pad = 0;
	return piece;
}

static __always_inline void piece_finish(struct work *work, struct chop_piece *piece, u32 size)
{
	piece->size = size;
	work->used += sizeof(*piece) + ((size + 7) & ~7u);
}

__noinline int take_bytes(struct work *work, u64 address, u64 size)
{
	u64 first = 4096 - (address & 4095);
	struct chop_piece *piece;

	if (!work || !address || !size)
		return 0;
	piece = piece_begin(work, address, CHOP_PIECE_MEMORY);
	if (!piece)
		return 0;
	if (size > CHOP_READ_MAX)
		size = CHOP_READ_MAX;
	if (bpf_probe_read_user(piece + 1, below(size, 2 * CHOP_READ_MAX), (void *)address)) {
		/* Only what lies on the first page, if that is there. */
		if (first >= size ||
		    bpf_probe_read_user(piece + 1, below(first, 8192), (void *)address))
			return -1;
		size = first;
	}
	piece_finish(work, piece, (u32)size);
	return 0;
}

__noinline int take_text(struct work *work, u64 address, u32 max)
{
	struct chop_piece *piece;
	long size;

	if (!work || !address)
		return 0;
	piece = piece_begin(work, address, CHOP_PIECE_MEMORY);
	if (!piece)
		return 0;
	if (max > 4096)
		max = 4096;
	size = bpf_probe_read_user_str(piece + 1, (u32)below(max, 8192), (void *)address);
	if (size < 0 || size > 4096)
		return -1;
	piece_finish(work, piece, (u32)size);
	return 0;
}

/* -- vectors of texts ---------------------------------------------------------------------------- */

#define POINTERS_MAX 4096

struct vector {
	struct work *work;
	u64 address;
};

static long vector_pointer(u32 i, struct vector *vector)
{
	struct work *work = vector->work;
	u32 used = work->used;
	u64 *pointer;

	if (used > CHOP_PIECES_SIZE) {
		work->cut = 1;
		return 1;
	}
	pointer = (u64 *)(work->pieces + below(used, 2 * CHOP_PIECES_SIZE));
	if (bpf_probe_read_user(pointer, 8, (void *)(vector->address + (u64)i * 8)))
		return 1;
	work->used = used + 8;
	return *pointer ? 0 : 1;
}

struct texts {
	struct work *work;
	u32 start, count;
};

static long vector_text(u32 i, struct texts *texts)
{
	u32 at = texts->start + i * 8;
	u64 pointer;

	if (i >= texts->count || at > CHOP_PIECES_SIZE)
		return 1;
	pointer = *(u64 *)(texts->work->pieces + below(at, 2 * CHOP_PIECES_SIZE));
	if (!pointer)
		return 1;
	if (take_text(texts->work, pointer, text_limit))
		texts->work->again |= 1u << (texts->work->fetch & 31);
	return 0;
}

__noinline int take_strings(struct work *work, u64 address, u32 with_texts)
{
	struct vector vector = { .work = work, .address = address };
	struct texts texts = { .work = work };
	struct chop_piece *piece;
	u32 head;

	if (!work || !address)
		return 0;
	head = work->used;
	if (!piece_begin(work, address, CHOP_PIECE_MEMORY))
		return 0;
	texts.start = work->used + sizeof(*piece);
	work->used = texts.start;
	bpf_loop(POINTERS_MAX, vector_pointer, &vector, 0);
	piece = piece_at(work, head);
	if (!piece)
		return 0;
	piece->size = work->used - texts.start;
	if (!piece->size) {
		work->used = head;
		return -1;
	}
	texts.count = piece->size / 8;
	if (texts.count > texts_limit)
		texts.count = texts_limit;
	if (with_texts)
		bpf_loop(256, vector_text, &texts, 0);
	return 0;
}

/* -- paths of descriptors -------------------------------------------------------------------------- */

#define PATH_ROOM  4096
#define COMPONENTS 96

struct walk {
	struct chop_piece_path *out;
	struct dentry *dentry;
	struct mount *mount;
	u32 at; /* the path so far starts here, counted from the end of its room */
	u32 flags;
};

/* One component, from the file up to the root: written backwards. */
static long path_component(u32 i, struct walk *walk)
{
	struct dentry *dentry = walk->dentry, *parent = BPF_CORE_READ(dentry, d_parent);
	struct mount *mount = walk->mount;
	struct dentry *top = BPF_CORE_READ(mount, mnt.mnt_root);
	u32 length, at;

	if (dentry == top || dentry == parent) {
		struct mount *above = BPF_CORE_READ(mount, mnt_parent);

		if (dentry != top || above == mount)
			return 1;
		walk->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
		walk->mount = above;
		return 0;
	}
	length = BPF_CORE_READ(dentry, d_name.len) & 255;
	if (walk->at < length + 1) {
		walk->flags |= CHOP_PATH_CUT;
		return 1;
	}
	at = walk->at - length - 1;
	if (at >= PATH_ROOM)
		return 1;
	walk->out->path[below(at, PATH_ROOM)] = '/';
	if (length)
		bpf_probe_read_kernel(&walk->out->path[below(at, PATH_ROOM) + 1],
				      (u32)below(length, 256),
				      BPF_CORE_READ(dentry, d_name.name));
	walk->at = at;
	walk->dentry = parent;
	if (i == COMPONENTS - 1)
		walk->flags |= CHOP_PATH_CUT;
	return 0;
}

static __noinline int take_path(struct work *work, int fd, struct path *path)
{
	struct chop_piece *piece = piece_begin(work, (u64)(s64)fd, CHOP_PIECE_PATH);
	struct walk walk = { .at = PATH_ROOM };
	struct chop_piece_path *out;
	struct dentry *dentry;
	struct inode *inode;
	struct vfsmount *mnt;
	u32 size, at;

	if (!piece)
		return 0;
	out = (struct chop_piece_path *)(piece + 1);
	walk.out = out;
	dentry = walk.dentry = BPF_CORE_READ(path, dentry);
	mnt = BPF_CORE_READ(path, mnt);
	walk.mount = (void *)mnt - bpf_core_field_offset(struct mount, mnt);
	inode = BPF_CORE_READ(dentry, d_inode);
	out->inode = BPF_CORE_READ(inode, i_ino);
	out->magic = (u32)BPF_CORE_READ(inode, i_sb, s_magic);
	/* What has no name any more: out of its directory, and not a root. */
	if (!BPF_CORE_READ(dentry, d_hash.pprev) && dentry != BPF_CORE_READ(dentry, d_parent))
		walk.flags |= CHOP_PATH_UNLINKED;
	bpf_loop(COMPONENTS, path_component, &walk, 0);
	out->flags = walk.flags;
	at = walk.at;
	size = PATH_ROOM - at;
	/* Move it to the front; the pieces keep no holes. */
	if (at < PATH_ROOM && size <= PATH_ROOM)
		bpf_probe_read_kernel(out->path, (u32)below(size, 8192),
				      &out->path[below(at, PATH_ROOM)]);
	else
		size = 0;
	piece_finish(work, piece, sizeof(*out) + size);
	return 0;
}

__noinline int take_fd(struct work *work, int fd)
{
	struct task_struct *self = (void *)bpf_get_current_task();
	struct fdtable *table;
	struct file **files, *file = NULL;

	if (!work)
		return 0;
	if (fd == -100 /* AT_FDCWD */)
		return take_path(work, fd, &BPF_CORE_READ(self, fs)->pwd);
	table = BPF_CORE_READ(self, files, fdt);
	if (fd < 0 || (u32)fd >= BPF_CORE_READ(table, max_fds))
		return 0;
	files = BPF_CORE_READ(table, fd);
	bpf_probe_read_kernel(&file, sizeof(file), files + fd);
	return file ? take_path(work, fd, &file->f_path) : 0;
}

/* -- fetches ---------------------------------------------------------------------------------------- */

static __always_inline u64 argument(struct work *work, u32 n)
{
	switch (n) {
	case 0:
		return work->call.args[0];
	case 1:
		return work->call.args[1];
	case 2:
		return work->call.args[2];
	case 3:
		return work->call.args[3];
	case 4:
		return work->call.args[4];
	case 5:
		return work->call.args[5];
	default:
		return work->call.result;
	}
}

static __always_inline u64 fetch_size(struct work *work, const struct chop_fetch *fetch)
{
	u64 count = argument(work, fetch->count);
	u32 pointed = 0;

	switch (fetch->count_from) {
	case CHOP_COUNT_ARG:
		return (count > 1 << 20 ? 0 : count) * fetch->element;
	case CHOP_COUNT_RESULT:
		count = work->call.result;
		return (s64)count < 0 || count > 1 << 20 ? 0 : count * fetch->element;
	case CHOP_COUNT_POINTED:
		bpf_probe_read_user(&pointed, sizeof(pointed), (void *)count);
		return pointed * fetch->element;
	case CHOP_COUNT_BITS:
		return ((count & 0xffffff) + 63) / 64 * 8;
	case CHOP_COUNT_PAGES:
		return (count + 4095) / 4096;
	default:
		return fetch->element;
	}
}

/* One element of an earlier fetch, or nothing when all were seen. */
struct element {
	struct work *work;
	const struct chop_fetch *fetch;
};

static __always_inline u64 field(struct work *work, u32 at, u32 size)
{
	u8 *data;

	if (at > CHOP_PIECES_SIZE)
		return 0;
	data = work->pieces + below(at, 2 * CHOP_PIECES_SIZE);
	if (size == 2)
		return *(u16 *)data;
	if (size == 4)
		return *(u32 *)data;
	return *(u64 *)data;
}

static long next_element(u32 i, struct element *e)
{
	const struct chop_fetch *fetch = e->fetch;
	struct chop_piece *piece;
	u64 pointer, size;
	u32 data;

	if (e->work->at >= e->work->end)
		return 1;
	piece = piece_at(e->work, e->work->at);
	if (!piece)
		return 1;
	data = e->work->at + sizeof(*piece) + e->work->item * fetch->stride;
	if (piece->fetch != fetch->parent || piece->kind != CHOP_PIECE_MEMORY ||
	    (e->work->item + 1) * (u32)fetch->stride > piece->size) {
		e->work->at += sizeof(*piece) + ((piece->size + 7) & ~7u);
		e->work->item = 0;
		return 0;
	}
	e->work->item++;
	if (fetch->what == CHOP_FETCH_FDS) {
		take_fd(e->work, (int)field(e->work, data + fetch->pointer_at, 4));
		return 0;
	}
	pointer = field(e->work, data + fetch->pointer_at, 8);
	size = fetch->length_size ? field(e->work, data + fetch->length_at, fetch->length_size) *
					    fetch->element
				  : fetch->element;
	if (size > fetch->max)
		size = fetch->max;
	if (take_bytes(e->work, pointer, size))
		e->work->again |= 1u << (e->work->fetch & 31);
	return 0;
}

__noinline int take_elements(struct work *work, const struct chop_fetch *fetch)
{
	struct element e = { .work = work, .fetch = fetch };

	if (!work || !fetch)
		return 0;
	work->at = work->item = 0;
	work->end = work->used;
	bpf_loop(512, next_element, &e, 0);
	return 0;
}

static __always_inline int take(struct work *work, const struct chop_fetch *fetch)
{
	u64 address = argument(work, fetch->arg) + fetch->pointer_at, size;

	switch (fetch->what) {
	case CHOP_FETCH_TEXT:
		return take_text(work, address, fetch->max);
	case CHOP_FETCH_BYTES:
		size = fetch_size(work, fetch);
		return take_bytes(work, address, size < fetch->max ? size : fetch->max);
	case CHOP_FETCH_STRINGS:
		return take_strings(work, address, fetch->max);
	case CHOP_FETCH_FD:
		return take_fd(work, (int)address);
	default:
		return take_elements(work, fetch);
	}
}

struct fetching {
	struct work *work;
	struct chop_plan *plan;
	u32 enter; /* a bit for each fetch of the entry that is wanted */
	u32 exit;  /* those of the exit: how many */
};

/* Those of the entry come first, then those of the exit. */
static long next_fetch(u32 i, struct fetching *f)
{
	bool exiting = i >= CHOP_FETCHES;
	u32 at = (u32)below(exiting ? i - CHOP_FETCHES : i, 16);
	struct chop_fetch *fetch;

	if (at >= CHOP_FETCHES)
		return 1;
	if (exiting ? at >= f->exit : !(f->enter >> at & 1))
		return 0;
	fetch = exiting ? &f->plan->exit[at] : &f->plan->enter[at];
	f->work->fetch = at;
	if (take(f->work, fetch))
		f->work->again |= 1u << at;
	return 0;
}

static __noinline void take_all(struct work *work, struct chop_plan *plan, u32 enter, u32 exit)
{
	struct fetching fetching = { .work = work, .plan = plan, .enter = enter, .exit = exit };

	bpf_loop(exit ? 2 * CHOP_FETCHES : CHOP_FETCHES, next_fetch, &fetching, 0);
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
		work->call.head.flags |= CHOP_EVENT_CUT;
	if (size > CHOP_PIECES_SIZE + CHOP_READ_MAX)
		size = CHOP_PIECES_SIZE + CHOP_READ_MAX;
	put(work, sizeof(work->call) + size);
}

static __always_inline void fill_args(struct chop_event_call *call, struct pt_regs *regs,
				      u32 number)
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
	struct chop_event_call record;

	fill_head(&record.head, CHOP_EVENT_ENTER, number);
	record.result = 0;
	fill_args(&record, regs, number);
	put(&record, sizeof(record));
}

static __always_inline void tell_enter(struct task *task, struct pt_regs *regs, u32 number)
{
	struct chop_plan *plan = bpf_map_lookup_elem(&plans, &number);
	struct work *work = begin_work();

	if (!plan || !work)
		return;
	fill_head(&work->call.head, CHOP_EVENT_ENTER, number);
	work->call.result = 0;
	fill_args(&work->call, regs, number);
	take_all(work, plan, (1u << plan->enter_count) - 1, 0);
	task->again = work->again;
	task->path = work->call.args[number == NR_EXECVEAT];
	if (work->again)
		work->call.head.flags |= CHOP_EVENT_AGAIN;
	send(work);
}

static __always_inline bool entering(struct task *task, u32 number)
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
	struct task *task;

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
	return 0;
}

static __always_inline void tell_plain_exit(struct pt_regs *regs, u32 kind, u32 number, u64 result)
{
	struct chop_event_call record;

	fill_head(&record.head, kind, number);
	record.result = result;
	if (kind == CHOP_EVENT_EXIT) {
		put(&record, __builtin_offsetof(struct chop_event_call, args));
		return;
	}
	fill_args(&record, regs, number);
	put(&record, sizeof(record));
}

static __always_inline void tell_exit(struct task *task, struct pt_regs *regs, u32 kind, u32 number,
				      u64 result)
{
	struct chop_plan *plan = bpf_map_lookup_elem(&plans, &number);
	struct work *work = begin_work();
	u32 again;

	if (!plan || !work)
		return;
	fill_head(&work->call.head, kind, number);
	work->call.result = result;
	fill_args(&work->call, regs, number);
	if (kind == CHOP_EVENT_CALL)
		again = (1u << plan->enter_count) - 1;
	else if (number == NR_EXECVE || number == NR_EXECVEAT)
		again = 0;
	else
		again = task->again;
	take_all(work, plan, again, plan->exit_count);
	send(work);
}

static __always_inline void tell_summary(struct task *task, u32 number, u64 result)
{
	struct chop_event_summary record;

	fill_head(&record.head, CHOP_EVENT_SUMMARY, number);
	record.wall = record.head.time - task->entered;
	record.cpu = record.wall - task->off_cpu;
	record.result = result;
	put(&record, sizeof(record));
}

static __always_inline int leave(struct pt_regs *regs, u64 result)
{
	struct task *task = current_task();
	u32 number, kind = CHOP_EVENT_EXIT;

	if (!task || (task->flags & TASK_WAIT_EXEC))
		return 0;
	if (task->flags & TASK_IN_CALL) {
		number = task->number;
	} else {
		/* Refused by a seccomp filter, or begun before we came. */
		number = (u32)regs->orig_ax;
		kind = CHOP_EVENT_CALL;
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
	else if (in_set(planned, number))
		tell_exit(task, regs, kind, number, result);
	else
		tell_plain_exit(regs, kind, number, result);
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
	struct task *task;
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
	struct chop_event_signal record;
	struct task *task = current_task();

	if (!task || (task->flags & TASK_WAIT_EXEC))
		return 0;
	fill_head(&record.head, CHOP_EVENT_SIGNAL, (u32)ctx->args[0]);
	record.handler = 0;
	bpf_probe_read_kernel(&record.handler, 8, (void *)ctx->args[2]);
	__builtin_memset(record.info, 0, sizeof(record.info));
	bpf_probe_read_kernel(record.info, sizeof(record.info), (void *)ctx->args[1]);
	put(&record, sizeof(record));
	return 0;
}

#define SIGNAL_IGNORED 1

/* A traced process sees ignored signals too, so a reader of traces expects them. */
SEC("raw_tp/signal_generate")
int on_signal_sent(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *target = (void *)ctx->args[2];
	struct chop_event_signal record;
	struct task *task;
	u32 tid;

	if (ctx->args[4] != SIGNAL_IGNORED)
		return 0;
	tid = BPF_CORE_READ(target, pid);
	task = bpf_map_lookup_elem(&tasks, &tid);
	if (!task || (task->flags & TASK_WAIT_EXEC))
		return 0;
	fill_head(&record.head, CHOP_EVENT_IGNORED, (u32)ctx->args[0]);
	record.head.tid = tid;
	record.head.pid = BPF_CORE_READ(target, tgid);
	record.handler = 1;
	__builtin_memset(record.info, 0, sizeof(record.info));
	/* 0 and 1 stand for a plain kill and for the kernel. */
	if (ctx->args[1] > 1)
		bpf_probe_read_kernel(record.info, sizeof(record.info), (void *)ctx->args[1]);
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
	struct chop_event_task *record;
	struct task *task, moved;
	struct chop_piece *piece;
	u64 start, end;
	long size;

	task = bpf_map_lookup_elem(&tasks, &before);
	if (!task || !work)
		return 0;
	if (before != tid) {
		/* A thread that is not the first takes over the number of the first. */
		moved = *task;
		bpf_map_update_elem(&tasks, &tid, &moved, BPF_ANY);
		bpf_map_delete_elem(&tasks, &before);
	}
	if (!tell_tasks)
		return 0;
	record = (struct chop_event_task *)work;
	__builtin_memset(&work->call, 0, sizeof(work->call));
	fill_head(&record->head, CHOP_EVENT_EXEC, 0);
	record->other = before;
	piece = piece_begin(work, task->path, CHOP_PIECE_MEMORY);
	if (!piece)
		return 0;
	size = bpf_probe_read_kernel_str(piece + 1, 4096, BPF_CORE_READ(program, filename));
	if (size > 0 && size <= 4096)
		piece_finish(work, piece, (u32)size);
	start = BPF_CORE_READ(self, mm, arg_start);
	end = BPF_CORE_READ(self, mm, arg_end);
	work->fetch = 1;
	take_bytes(work, start, end - start < 4096 ? end - start : 4096);
	send(work);
	return 0;
}
