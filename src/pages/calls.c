// SPDX-License-Identifier: Apache-2.0
#include "pages/calls.h"

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "base/alloc.h"
#include "pages/batch.h"

#define ALL_MEMORY (1ULL << 47)

#ifndef SYS_mseal
#define SYS_mseal 462
#endif
#define ADVICE_DONTNEED_LOCKED 24
#define ADVICE_GUARD	       102
#define UFFD_REGISTER	       0xc020aa00ULL

enum call_kind {
	KIND_PLAIN,
	KIND_MMAP,
	KIND_MUNMAP,
	KIND_MREMAP,
	KIND_MPROTECT,
	KIND_PKEY,
	KIND_BRK,
	KIND_MADVISE,
	KIND_SHMAT,
	KIND_LOCK, /* a range goes out of our care: it cannot be moved any more */
	KIND_LOCKALL,
	KIND_UNLOCKALL,
	KIND_IOCTL,
	KIND_CLONE,
	KIND_TID,
};

static enum call_kind kind_of(int number)
{
	switch (number) {
	case SYS_mmap:
		return KIND_MMAP;
	case SYS_munmap:
		return KIND_MUNMAP;
	case SYS_mremap:
		return KIND_MREMAP;
	case SYS_mprotect:
		return KIND_MPROTECT;
	case SYS_pkey_mprotect:
		return KIND_PKEY;
	case SYS_brk:
		return KIND_BRK;
	case SYS_madvise:
		return KIND_MADVISE;
	case SYS_shmat:
		return KIND_SHMAT;
	case SYS_mlock:
	case SYS_mlock2:
	case SYS_mseal:
		return KIND_LOCK;
	case SYS_mlockall:
		return KIND_LOCKALL;
	case SYS_munlockall:
		return KIND_UNLOCKALL;
	case SYS_ioctl:
		return KIND_IOCTL;
	case SYS_fork:
	case SYS_vfork:
	case SYS_clone:
	case SYS_clone3:
		return KIND_CLONE;
	case SYS_set_tid_address:
		return KIND_TID;
	default:
		return KIND_PLAIN;
	}
}

static uint64_t page_down(uint64_t address)
{
	return address & -(uint64_t)CHOP_PAGE_SIZE;
}

static uint64_t page_up(uint64_t address)
{
	return page_down(address + CHOP_PAGE_SIZE - 1);
}

/* Advice that takes contents away. */
static bool empties(uint64_t advice)
{
	return advice == MADV_DONTNEED || advice == MADV_FREE || advice == MADV_REMOVE ||
	       advice == ADVICE_DONTNEED_LOCKED || advice == ADVICE_GUARD;
}

/* Advice that makes a range behave in a fork as its shadow would not. */
static bool changes_fork(uint64_t advice)
{
	return advice == MADV_DONTFORK || advice == MADV_WIPEONFORK;
}

bool calls_clone(const struct task *task, struct calls_clone *clone)
{
	struct clone_args args;

	*clone = (struct calls_clone){ .signal = SIGCHLD };
	switch (task->call) {
	case SYS_fork:
		return true;
	case SYS_vfork:
		clone->flags = CLONE_VM | CLONE_VFORK;
		return true;
	case SYS_clone:
		*clone = (struct calls_clone){ task->args[0], task->args[3],
					       task->args[0] & CSIGNAL };
		return true;
	case SYS_clone3:
		if (space_read(task->process->space, task->args[0], &args, CLONE_ARGS_SIZE_VER0))
			return false;
		*clone = (struct calls_clone){ args.flags, args.child_tid, args.exit_signal };
		return true;
	default:
		return false;
	}
}

/* Whether the call is one that must have the address space for itself. */
static bool needs_turn(const struct task *task, enum call_kind kind)
{
	struct calls_clone clone;

	switch (kind) {
	case KIND_PLAIN:
	case KIND_TID:
	case KIND_UNLOCKALL:
		return false;
	case KIND_MADVISE:
		return empties(task->args[2]) || changes_fork(task->args[2]);
	case KIND_IOCTL:
		return (uint32_t)task->args[1] == UFFD_REGISTER;
	case KIND_CLONE:
		return calls_clone(task, &clone) && !(clone.flags & CLONE_VM);
	default:
		return true;
	}
}

/* -- at the entry ---------------------------------------------------------------------------- */

static uint64_t rseq_address(const struct task *task)
{
	struct {
		uint64_t pointer;
		uint32_t size, signature, flags, pad;
	} rseq = { 0 };

	if (ptrace((enum __ptrace_request)0x420f /* GET_RSEQ_CONFIGURATION */, task->tid,
		   sizeof(rseq), &rseq) < 0)
		return 0;
	return rseq.pointer;
}

/*
 * A child begins with a copy of the memory in which the kernel writes before anybody could
 * serve a fault: those pages must be at home when it is made. All others stand still.
 */
static void before_fork(struct tracer *tracer, struct task *task)
{
	cleanup_batch struct batch batch = { .tracer = tracer, .space = task->process->space };
	struct calls_clone clone;
	uint64_t rseq = rseq_address(task);

	tasks_stop(&tracer->tasks, task->process->space, task);
	calls_clone(task, &clone);
	if (clone.child_tid)
		batch_add(&batch, PAGER_PIN, clone.child_tid, 0);
	if (rseq) {
		batch_add(&batch, PAGER_PIN, rseq, 0);
		batch_add(&batch, PAGER_PIN, rseq + 31, 0);
	}
	/* Even without a pin: the pager is idle when it has answered. */
	batch_add(&batch, PAGER_NOTHING, 0, 0);
	batch_run(&batch);
}

/* What the program pins or shares out in ways of its own cannot be moved: hands off. */
static void release(struct task *task, uint64_t start, uint64_t end)
{
	space_do(task->process->space, PAGER_RELEASE, page_down(start), page_up(end));
	space_exclude(task->process->space, page_down(start), page_up(end));
}

static void release_registered(struct task *task)
{
	uint64_t range[2];

	if (!space_read(task->process->space, task->args[2], range, sizeof(range)))
		release(task, range[0], range[0] + range[1]);
}

static void prepare(struct tracer *tracer, struct task *task, enum call_kind kind)
{
	struct space *space = task->process->space;

	switch (kind) {
	case KIND_CLONE:
		before_fork(tracer, task);
		return;
	case KIND_LOCK:
		release(task, task->args[0], task->args[0] + task->args[1]);
		return;
	case KIND_PKEY:
		if (task->args[3] && (int)task->args[3] != -1)
			release(task, task->args[0], task->args[0] + task->args[1]);
		return;
	case KIND_LOCKALL:
		if (task->args[0] & MCL_CURRENT)
			release(task, 0, ALL_MEMORY);
		space->locked |= task->args[0] & MCL_FUTURE;
		return;
	case KIND_IOCTL:
		release_registered(task);
		return;
	case KIND_MADVISE:
		if (changes_fork(task->args[2]))
			release(task, task->args[0], task->args[0] + task->args[1]);
		return;
	default:
		return;
	}
}

/* What malloc returned: from now on its pages count, whatever is in them. */
static void watch_block(struct tracer *tracer, const struct task *task, uint64_t start,
			uint64_t size)
{
	cleanup_batch struct batch batch = { .tracer = tracer, .space = task->process->space };

	batch_add(&batch, PAGER_VMA, page_down(start), page_up(start + (size ? size : 1)));
	vec_last(&batch.commands)->protection = PROT_READ | PROT_WRITE;
	vec_last(&batch.commands)->flags = PAGER_CONTENT;
	batch_run(&batch);
}

static void tell_block(struct tracer *tracer, const struct task *task)
{
	struct chop_page_record record = tracer_record(task, CHOP_PAGE_ALLOC);

	for (int i = 0; i < 3; i++)
		record.values[i] = task->args[i + 1];
	tracer->allocations++;
	journal_tell(&tracer->journal, &record, NULL);
}

void calls_catcher(struct tracer *tracer, const struct task *task)
{
	struct space *space = task->process->space;

	if (tracer->setup.sites && task->args[0] == CATCHER_ALLOC)
		tell_block(tracer, task);
	if (!tracer->setup.malloc_only || !space->serving)
		return;
	switch (task->args[0]) {
	case CATCHER_BEGIN:
		space->watching = true;
		tracer->catcher_seen = true;
		break;
	case CATCHER_MALLOC:
		if (space->watching)
			watch_block(tracer, task, task->args[1], task->args[2]);
		break;
	case CATCHER_END:
		space->watching = false;
		space_do(space, PAGER_RELEASE, 0, ALL_MEMORY);
		break;
	}
}

bool calls_entry(struct tracer *tracer, struct task *task)
{
	struct space *space = task->process->space;
	enum call_kind kind = kind_of(task->call);

	if (!space->serving || !needs_turn(task, kind))
		return true;
	if (space->changing && space->changing != task)
		return false;
	space->changing = task;
	prepare(tracer, task, kind);
	space_unsettle(space);
	return true;
}

/* -- at the exit ----------------------------------------------------------------------------- */

static void event4(struct batch *batch, const struct task *task, uint32_t kind, uint64_t a,
		   uint64_t b, uint64_t c, uint64_t d)
{
	struct chop_page_record record = tracer_record(task, kind);

	record.values[0] = a;
	record.values[1] = b;
	record.values[2] = c;
	record.values[3] = d;
	batch_event(batch, &record, NULL);
}

static void after_mmap(struct batch *batch, const struct task *task, uint64_t address)
{
	uint64_t end = page_up(address + task->args[1]);
	bool filled = task->args[3] & (MAP_POPULATE | MAP_LOCKED);

	batch_add(batch, PAGER_GONE, address, end);
	if (task->args[3] & (MAP_LOCKED | MAP_HUGETLB)) {
		struct chop_page_record record = tracer_record(task, CHOP_PAGE_MAP);

		record.values[0] = address;
		record.values[1] = end - address;
		record.values[2] = task->args[2];
		record.values[3] = CHOP_PAGE_MAP_UNWATCHED;
		batch_event(batch, &record, NULL);
		return;
	}
	batch_vmas(batch, task, address, end, filled ? BATCH_CONTENT : 0);
}

static void after_munmap(struct batch *batch, const struct task *task)
{
	uint64_t end = page_up(task->args[0] + task->args[1]);

	batch_add(batch, PAGER_GONE, task->args[0], end);
	space_readmit(batch->space, task->args[0], end);
	event4(batch, task, CHOP_PAGE_UNMAP, task->args[0], end - task->args[0], 0, 0);
}

static void after_mremap(struct batch *batch, const struct task *task, uint64_t address)
{
	uint64_t start = task->args[0], old_end = page_up(start + task->args[1]);
	uint64_t end = page_up(address + task->args[2]);
	bool keeps = task->args[3] & 4 /* MREMAP_DONTUNMAP */;

	if (address != start)
		batch_add(batch, PAGER_GONE, address, end);
	if (old_end - start > end - address)
		batch_add(batch, PAGER_GONE, start + (end - address), old_end);
	batch_add(batch, PAGER_MOVED, start, old_end);
	vec_last(&batch->commands)->other = address;
	vec_last(&batch->commands)->extra = end;
	batch_vmas(batch, task, address, end, BATCH_QUIET);
	event4(batch, task, CHOP_PAGE_REMAP, start, old_end - start, address, end - address);
	if (keeps)
		batch_vmas(batch, task, start, old_end, 0);
}

static void after_mprotect(struct batch *batch, const struct task *task)
{
	uint64_t end = page_up(task->args[0] + task->args[1]);

	batch_vmas(batch, task, task->args[0], end, BATCH_QUIET);
	event4(batch, task, CHOP_PAGE_PROTECT, task->args[0], end - task->args[0], task->args[2],
	       0);
}

static void after_brk(struct batch *batch, const struct task *task, uint64_t result)
{
	struct space *space = batch->space;
	uint64_t old = page_up(space->break_end), end = page_up(result);

	if (space->break_end && end > old) {
		batch_vmas(batch, task, old, end, BATCH_QUIET);
		event4(batch, task, CHOP_PAGE_BREAK, old, end, 0, 0);
	}
	if (space->break_end && end < old) {
		batch_add(batch, PAGER_GONE, end, old);
		event4(batch, task, CHOP_PAGE_BREAK, old, end, 0, 0);
	}
	space->break_end = result;
}

static void after_madvise(struct batch *batch, const struct task *task)
{
	uint64_t end = page_up(task->args[0] + task->args[1]);

	event4(batch, task, CHOP_PAGE_ADVISE, task->args[0], end - task->args[0], task->args[2], 0);
	if (!empties(task->args[2]))
		return;
	batch_add(batch, PAGER_ADVISED, task->args[0], end);
	vec_last(&batch->commands)->extra = task->args[2] == MADV_FREE ? MADV_FREE : MADV_DONTNEED;
}

static void after_shmat(struct batch *batch, const struct task *task, uint64_t address)
{
	struct vma vma;

	if (vma_next(&batch->space->vmas, address, &vma) || vma.start > address)
		return;
	batch_add(batch, PAGER_GONE, vma.start, vma.end);
	batch_vma(batch, task, &vma, 0);
}

static void follow_up(struct batch *batch, struct task *task, enum call_kind kind, uint64_t result)
{
	switch (kind) {
	case KIND_MMAP:
		after_mmap(batch, task, result);
		break;
	case KIND_MUNMAP:
		after_munmap(batch, task);
		break;
	case KIND_MREMAP:
		after_mremap(batch, task, result);
		break;
	case KIND_MPROTECT:
	case KIND_PKEY:
		after_mprotect(batch, task);
		break;
	case KIND_BRK:
		after_brk(batch, task, result);
		break;
	case KIND_MADVISE:
		after_madvise(batch, task);
		break;
	case KIND_SHMAT:
		after_shmat(batch, task, result);
		break;
	default:
		break;
	}
}

void calls_exit(struct tracer *tracer, struct task *task, int64_t result)
{
	struct space *space = task->process->space;
	cleanup_batch struct batch batch = { .tracer = tracer, .space = space };
	enum call_kind kind = kind_of(task->call);
	bool failed = result < 0 && result > -4096;

	if (kind == KIND_TID)
		task->clear_tid = task->args[0];
	if (kind == KIND_UNLOCKALL)
		space->locked = false;
	if (kind == KIND_CLONE && space->changing == task) {
		space_do(space, PAGER_UNPIN, 0, 0);
		tasks_go(&tracer->tasks, space);
	}
	if (space->serving && !failed)
		follow_up(&batch, task, kind, (uint64_t)result);
	batch_run(&batch);
	calls_done(tracer, task);
}

void calls_done(struct tracer *tracer, struct task *task)
{
	struct space *space = task->process->space;

	if (space->changing != task)
		return;
	space_settle(space);
	space->changing = NULL;
	if (tracer->leaving)
		return;
	/* All who waited try again; the first gets its turn. */
	for (size_t i = 0; i < tracer->tasks.all.length; i++) {
		struct task *other = tracer->tasks.all.items[i];

		if (other == task || other->process->space != space || !other->waiting)
			continue;
		if (!calls_entry(tracer, other))
			break;
		other->waiting = false;
		task_go(other);
		if (space->changing)
			break;
	}
}

/* -- everything, and the end ----------------------------------------------------------------- */

void calls_arm_all(struct tracer *tracer, struct task *task, bool first)
{
	struct space *space = task->process->space;
	cleanup_batch struct batch batch = { .tracer = tracer, .space = space };
	struct vma vma = { 0 };

	while (!vma_next(&space->vmas, vma.end, &vma)) {
		if (vma.heap)
			space->break_end = vma.end;
		if (vma.start >= ALL_MEMORY)
			break;
		if (vma.start >= PAGER_ADDRESS && vma.start < PAGER_SHARED + (1ULL << 36))
			continue;
		batch_vma(&batch, task, &vma, BATCH_CONTENT | (first ? BATCH_FIRST : 0));
	}
	batch_run(&batch);
}

/* The list of robust mutexes the kernel walks when a thread ends. */
static void pin_robust_list(struct batch *batch, const struct task *task)
{
	uint64_t head = 0, next, link[3];
	size_t size = 0;

	if (syscall(SYS_get_robust_list, task->tid, &head, &size) || !head ||
	    space_read(batch->space, head, link, sizeof(link)) || link[0] == head)
		return;
	batch_add(batch, PAGER_PIN, head, 0);
	batch_add(batch, PAGER_PIN, head + 16, 0);
	next = link[0];
	for (int i = 0; i < 64 && (next & ~1ULL) != head && next; i++) {
		uint64_t entry = next & ~1ULL;

		batch_add(batch, PAGER_PIN, entry, 0);
		batch_add(batch, PAGER_PIN, entry + link[1], 0);
		if (space_read(batch->space, entry, &next, sizeof(next)))
			break;
	}
}

void calls_before_exit(struct tracer *tracer, struct task *task)
{
	struct space *space = task->process->space;
	cleanup_batch struct batch batch = { .tracer = tracer, .space = space };

	if (!space->serving)
		return;
	if (task->clear_tid && (task->process->tasks > 1 || space->processes > 1))
		batch_add(&batch, PAGER_PIN, task->clear_tid, 0);
	pin_robust_list(&batch, task);
	task->pinned = batch.commands.length;
	space->pins += task->pinned;
	batch_run(&batch);
}
