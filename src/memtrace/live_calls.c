// SPDX-License-Identifier: Apache-2.0
/*
 * The system calls of a live program. Most are made as they are; the few that concern what
 * this process shares with the program - signals, the heap's end, thread pointers, the
 * program's name, its children - are seen to here.
 */
#include "memtrace/live_private.h"

#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <chop/arch.h>

#include "arch/arch.h"
#include "base/alloc.h"

#define CHILD_STACK 65536
#define PATH_SIZE   64
#define PAGE_UP(x)  (((x) + CHOP_PAGE_SIZE - 1) & -(uint64_t)CHOP_PAGE_SIZE)

/* Make the call for the program. */
static long make(struct live *live, const struct chop_regs *regs)
{
	const uint64_t args[6] = { regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9 };
	struct turn *turn = &live->process->turn;
	long result;

	live->kicked = false;
	live->in_call = true;
	turn_give(turn);
	result = live_call((long)regs->rax, args, &live->pending);
	turn_take(turn);
	live->in_call = false;
	/* nothing of the program's did that */
	if (result == -EINTR && live->kicked && !live->pending)
		return LIVE_AGAIN;
	return result;
}

/* ---- memory */

static bool in_the_way(const struct live *live, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < live->process->ours.length; i++) {
		if (start < live->process->ours.items[i].end &&
		    end > live->process->ours.items[i].start)
			return true;
	}
	return live_owns(live, start, end);
}

/* The program's own heap end: the kernel's is that of this process. */
static long move_heap_end(struct live *live, uint64_t wanted)
{
	uint64_t have = PAGE_UP(live->process->brk), want = PAGE_UP(wanted);
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;

	if (wanted < live->process->brk_start || wanted > live->process->brk_start + (1UL << 46))
		return (long)live->process->brk;
	if (want > have &&
	    mmap((void *)have, want - have, PROT_READ | PROT_WRITE, flags, -1, 0) != (void *)have)
		return (long)live->process->brk;
	if (want < have)
		munmap((void *)want, have - want);
	live->process->brk = wanted;
	return (long)wanted;
}

/* Before the call: what was translated from there is out of date. */
static bool changes_memory(struct live *live, const struct chop_regs *regs, long *result)
{
	uint64_t start = regs->rdi, size = PAGE_UP(regs->rsi);

	switch (regs->rax) {
	case SYS_brk:
		*result = move_heap_end(live, start);
		return true;
	case SYS_mmap:
		if (!(regs->r10 & MAP_FIXED))
			break;
		/* fall through */
	case SYS_munmap:
	case SYS_mprotect:
	case SYS_pkey_mprotect:
	case SYS_mremap:
	case SYS_remap_file_pages:
		if (start + size < start || in_the_way(live, start, start + size)) {
			*result = -ENOMEM;
			return true;
		}
		live_unguard(live, start, start + size);
		live_forget(live, start, start + size);
		if (regs->rax == SYS_mremap && regs->r10 & MREMAP_FIXED)
			live_forget(live, regs->r8, regs->r8 + PAGE_UP(regs->rdx));
		live->process->checked = live->process->checked_end = 0;
		break;
	case SYS_shmdt:
		live_forget(live, 0, UINT64_MAX / 2);
		live->process->checked = live->process->checked_end = 0;
		break;
	default:
		break;
	}
	return false;
}

/* ---- the program's name */

static bool names_program(const char *path)
{
	char own[PATH_SIZE];

	snprintf(own, sizeof(own), "/proc/%d/exe", getpid());
	return !strcmp(path, "/proc/self/exe") || !strcmp(path, "/proc/thread-self/exe") ||
	       !strcmp(path, own);
}

/* The path an argument points to, as far as it may be one of those. */
static bool read_path(uint64_t from, char path[PATH_SIZE])
{
	struct iovec local = { path, PATH_SIZE - 1 };
	struct iovec remote[2];
	size_t in_page = CHOP_PAGE_SIZE - from % CHOP_PAGE_SIZE;
	ssize_t got;

	memset(path, 0, PATH_SIZE);
	remote[0] = (struct iovec){ (void *)(uintptr_t)from, PATH_SIZE - 1 };
	if (in_page < PATH_SIZE - 1)
		remote[0].iov_len = in_page;
	remote[1] = (struct iovec){ (void *)(uintptr_t)(from + remote[0].iov_len),
				    PATH_SIZE - 1 - remote[0].iov_len };
	got = process_vm_readv(gettid(), &local, 1, remote, remote[1].iov_len ? 2 : 1, 0);
	return got > 0 && path[0] == '/' && path[1] == 'p';
}

/* /proc/self/exe is chop. */
static bool about_program(struct live *live, struct chop_regs *regs, long *result)
{
	bool at = regs->rax == SYS_readlinkat || regs->rax == SYS_openat ||
		  regs->rax == SYS_newfstatat || regs->rax == SYS_statx ||
		  regs->rax == SYS_execveat || regs->rax == SYS_faccessat;
	uint64_t *name = at ? &regs->rsi : &regs->rdi;
	uint64_t before = *name;
	char path[PATH_SIZE];
	size_t length = strlen(live->process->exe);
	uint64_t size;

	switch (regs->rax) {
	case SYS_readlink:
	case SYS_readlinkat:
	case SYS_open:
	case SYS_openat:
	case SYS_stat:
	case SYS_newfstatat:
	case SYS_statx:
	case SYS_access:
	case SYS_faccessat:
		break;
	default:
		return false;
	}
	if (!*name || !read_path(*name, path) || !names_program(path))
		return false;
	if (regs->rax == SYS_readlink || regs->rax == SYS_readlinkat) {
		uint64_t to = at ? regs->rdx : regs->rsi;
		struct iovec local, remote;

		size = at ? regs->r10 : regs->rdx;
		length = length < size ? length : size;
		local = (struct iovec){ live->process->exe, length };
		remote = (struct iovec){ (void *)(uintptr_t)to, length };
		*result = process_vm_writev(gettid(), &local, 1, &remote, 1, 0) < 0 ? -EFAULT
										    : (long)length;
		return true;
	}
	*name = (uintptr_t)live->process->exe;
	*result = make(live, regs);
	*name = before;
	return true;
}

/* ---- processes */

/* What is needed to go on in the child, which shares our memory until then. */
struct child {
	struct live *live;
	struct chop_regs regs;
};

static void in_child(void *argument)
{
	struct child *child = argument;

	child->regs.rax = 0;
	live_child(child->live, &child->regs, false);
}

/*
 * A child with our memory that we wait for: it leaves the program's state to us and runs
 * untranslated on the stack it was given, with what we run on left alone.
 */
static long share_with_child(struct live *live, const struct chop_regs *regs, uint64_t flags,
			     uint64_t stack)
{
	static uint8_t own_stack[CHILD_STACK] __attribute__((aligned(16)));
	struct child child = { live, *regs };

	if (stack)
		child.regs.rsp = stack;
	return live_clone((long)flags, own_stack + CHILD_STACK, (void *)regs->rdx,
			  (void *)regs->r10, regs->r8, in_child, &child);
}

static long copy_to_child(struct live *live, const struct chop_regs *regs, uint64_t flags,
			  uint64_t stack)
{
	long result = syscall(SYS_clone, flags, 0, regs->rdx, regs->r10, regs->r8);
	struct chop_regs child = *regs;

	if (result < 0)
		return -errno;
	if (result)
		return result;
	child.rax = 0;
	if (stack)
		child.rsp = stack;
	live_child(live, &child, true);
}

static long start_child(struct live *live, const struct chop_regs *regs)
{
	uint64_t flags = regs->rax == SYS_clone ? regs->rdi : SIGCHLD, stack = 0;
	long result;

	if (regs->rax == SYS_vfork)
		flags |= CLONE_VM | CLONE_VFORK;
	if (regs->rax == SYS_clone)
		stack = regs->rsi;
	live_signals_block();
	live_unguard(live, 0, UINT64_MAX / 2); /* nobody looks after the child's memory */
	if (flags & CLONE_VM)
		result = share_with_child(live, regs, flags, stack);
	else
		result = copy_to_child(live, regs, flags, stack);
	live_signals_unblock(live);
	return result;
}

static bool starts_thread(const struct live *live, const struct chop_regs *regs)
{
	return regs->rax == SYS_clone && live_is_thread(regs->rdi) &&
	       !live->process->program->one_thread;
}

/* Whatever uses our memory beside us, and is not one of the threads that we follow. */
static bool runs_beside(const struct live *live, const struct chop_regs *regs)
{
	if (regs->rax != SYS_clone || starts_thread(live, regs))
		return false;
	return (regs->rdi & CLONE_VM && !(regs->rdi & CLONE_VFORK)) ||
	       regs->rdi & (CLONE_THREAD | CLONE_SETTLS | CLONE_SIGHAND);
}

struct execution {
	struct live *live;
	struct chop_regs *regs;
};

static long make_execution(void *context)
{
	struct execution *e = context;

	return make(e->live, e->regs);
}

/* It returns only when it failed. */
static long leave_by_exec(struct live *live, struct chop_regs *regs)
{
	struct region_report *report = live->process->report;
	uint64_t *name = regs->rax == SYS_execveat ? &regs->rsi : &regs->rdi;
	uint64_t before = *name;
	char path[PATH_SIZE];
	long result;

	if (read_path(*name, path) && names_program(path))
		*name = (uintptr_t)live->process->exe;
	if (!live_stop(live)) { /* it is made untranslated */
		struct chop_regs again = *regs;

		again.rip -= 2;
		live_left(live, &again);
	}
	live_hand_over(live);
	report->live = LIVE_EXECUTES;
	result = live_signals_execute(live, make_execution, &(struct execution){ live, regs });
	report->live = LIVE_TRACING;
	*name = before;
	return result;
}

static void __attribute__((noreturn)) leave_by_exit(struct live *live, const struct chop_regs *regs)
{
	live_finish(live, "%s", "");
	syscall(SYS_exit_group, (int)regs->rdi);
	__builtin_unreachable();
}

static long set_base(struct chop_regs *regs)
{
	uint64_t *to = (uint64_t *)regs->rsi;

	switch (regs->rdi) {
	case ARCH_SET_FS:
		regs->fs_base = regs->rsi;
		return 0;
	case ARCH_SET_GS:
		regs->gs_base = regs->rsi;
		return 0;
	case ARCH_GET_FS:
		*to = regs->fs_base;
		return 0;
	case ARCH_GET_GS:
		*to = regs->gs_base;
		return 0;
	default:
		return syscall(SYS_arch_prctl, regs->rdi, regs->rsi) ? -errno : 0;
	}
}

/* Calls that end the trace, by name; the program makes them itself. */
static bool cannot_follow(const struct live *live, const struct chop_regs *regs)
{
	switch (regs->rax) {
	case SYS_modify_ldt:
	case SYS_seccomp: /* it would hold for our own calls as well */
	case SYS_mlockall:
		return true;
	case SYS_prctl:
		return regs->rdi == 22 /* PR_SET_SECCOMP */ || regs->rdi == 59 /* user dispatch */;
	default:
		return runs_beside(live, regs);
	}
}

static void __attribute__((noreturn)) leave_at(struct live *live, struct chop_regs *regs)
{
	const char *name = arch_call_name((long)regs->rax);

	regs->rip -= 2;
	if (regs->rax == SYS_clone)
		live_leave(live, regs, LIVE_LEFT,
			   live_is_thread(regs->rdi)
				   ? "the program starts a thread at %#lx: only programs of one "
				     "thread are followed here, others until then"
				   : "the program starts a process that shares its memory at %#lx",
			   regs->rip);
	live_leave(live, regs, LIVE_LEFT, "cannot follow the system call %s at %#lx",
		   name ? name : "?", regs->rip);
}

static long answer(struct live *live, struct chop_regs *regs)
{
	long result;

	switch (regs->rax) {
	case SYS_exit:
		live_thread_exit(live, (int)regs->rdi);
	case SYS_exit_group:
		leave_by_exit(live, regs);
	case SYS_execve:
	case SYS_execveat:
		return leave_by_exec(live, regs);
	case SYS_fork:
	case SYS_vfork:
	case SYS_clone:
		return starts_thread(live, regs) ? live_thread_start(live, regs)
						 : start_child(live, regs);
	case SYS_arch_prctl:
		return set_base(regs);
	case SYS_clone3: /* the C library goes on with clone */
	case SYS_rseq:	 /* its critical sections are not where the kernel looks for them */
		return -ENOSYS;
	default:
		break;
	}
	if (live_signal_call(live, regs, &result) || changes_memory(live, regs, &result) ||
	    about_program(live, regs, &result))
		return result;
	return make(live, regs);
}

enum engine_result live_system_call(void *context, struct chop_regs *regs)
{
	struct live *live = context;
	uint64_t number = regs->rax;
	long result;

	regs->rax = number = (uint32_t)number;
	if (number == SYS_rt_sigreturn) {
		if (!live_frame_pop(live, regs))
			live_leave(live, regs, LIVE_LEFT,
				   "a signal handler returns without a frame at %#lx",
				   regs->rip - 2);
		live_signals_unblock(live);
		return ENGINE_CONTINUE;
	}
	if (cannot_follow(live, regs))
		leave_at(live, regs);
	if (number == SYS_execve && live->process->nthreads == 1 &&
	    live_execute(live, regs) == ENGINE_CONTINUE)
		return ENGINE_CONTINUE;
	result = answer(live, regs);
	if (result == -EFAULT && live->process->guarded.length) { /* ours, perhaps */
		live_unguard(live, 0, UINT64_MAX / 2);
		result = answer(live, regs);
	}
	live_resume(live); /* what changed has changed */
	if (result == LIVE_AGAIN || (result == -EINTR && live_restarts(live, (long)number))) {
		regs->rip -= 2;
		regs->rax = number;
	} else {
		regs->rax = (uint64_t)result;
	}
	return ENGINE_CONTINUE;
}
