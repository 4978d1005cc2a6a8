// SPDX-License-Identifier: Apache-2.0
#include "capture/policy.h"

#include <asm/prctl.h>
#include <linux/sched.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <chop/arch.h>

#include "base/alloc.h"

#ifndef SYS_mseal
#define SYS_mseal 462
#endif

struct rule {
	long number;
	enum call_policy policy;
	const char *reason;
};

#define RINGS "the kernel writes its rings and buffers at any time"

static const struct rule rules[] = {
	{ SYS_mmap, POLICY_EXECUTE, NULL },
	{ SYS_munmap, POLICY_EXECUTE, NULL },
	{ SYS_mremap, POLICY_EXECUTE, NULL },
	{ SYS_mprotect, POLICY_EXECUTE, NULL },
	{ SYS_pkey_mprotect, POLICY_EXECUTE, NULL },
	{ SYS_brk, POLICY_EXECUTE, NULL },
	{ SYS_shmat, POLICY_EXECUTE, NULL },
	{ SYS_shmdt, POLICY_EXECUTE, NULL },
	{ SYS_exit, POLICY_END, "the thread exits" },
	{ SYS_exit_group, POLICY_END, "the program exits" },
	{ SYS_execve, POLICY_END, "the program executes another" },
	{ SYS_execveat, POLICY_END, "the program executes another" },
	{ SYS_fork, POLICY_END, "the program forks" },
	{ SYS_vfork, POLICY_END, "the program forks" },
	{ SYS_io_uring_setup, POLICY_REFUSE, RINGS },
	{ SYS_io_uring_enter, POLICY_REFUSE, RINGS },
	{ SYS_io_uring_register, POLICY_REFUSE, RINGS },
	{ SYS_io_setup, POLICY_REFUSE, RINGS },
	{ SYS_io_submit, POLICY_REFUSE, RINGS },
	{ SYS_io_getevents, POLICY_REFUSE, RINGS },
	{ SYS_userfaultfd, POLICY_REFUSE, "what it catches is invisible to a replay" },
	{ SYS_ptrace, POLICY_REFUSE, "another process acts on its behalf" },
	{ SYS_remap_file_pages, POLICY_REFUSE, "pages change places" },
	{ SYS_modify_ldt, POLICY_REFUSE, "it changes segment descriptors" },
	{ SYS_mseal, POLICY_REFUSE, "sealed memory cannot be put back" },
};

/* A new thread stands still until the owner waits for it; then what it does is recorded. */
static enum call_policy policy_of_clone(uint64_t flags, const char **reason)
{
	if (flags & CLONE_THREAD)
		return POLICY_RECORD;
	if (flags & CLONE_VM && !(flags & CLONE_VFORK)) {
		*reason = "it starts a process that shares its memory";
		return POLICY_REFUSE;
	}
	*reason = "the program forks";
	return POLICY_END;
}

/* Advice that only changes what the kernel expects, not what memory holds. */
static enum call_policy policy_of_advice(uint64_t advice)
{
	return advice == MADV_DONTNEED || advice == MADV_REMOVE ? POLICY_EXECUTE : POLICY_RECORD;
}

/*
 * Advice that the mapping keeps, as a flag: it must be given to the program's own, not to what
 * stands in for it while the region runs.
 */
static bool advice_stays(uint64_t advice)
{
	switch (advice) {
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_DONTFORK:
	case MADV_DOFORK:
	case MADV_MERGEABLE:
	case MADV_UNMERGEABLE:
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
	case MADV_DONTDUMP:
	case MADV_DODUMP:
	case MADV_WIPEONFORK:
	case MADV_KEEPONFORK:
		return true;
	default:
		return false;
	}
}

bool policy_takes_away(long number, const uint64_t args[6])
{
	switch (number) {
	case SYS_munmap:
	case SYS_mmap:
	case SYS_mremap:
	case SYS_brk:
	case SYS_shmdt:
		return true;
	case SYS_madvise:
		return policy_of_advice(args[2]) == POLICY_EXECUTE;
	default:
		return false;
	}
}

enum call_policy policy_of(long number, const uint64_t args[6], const char **reason)
{
	*reason = NULL;
	switch (number) {
	case SYS_clone:
		return policy_of_clone(args[0], reason);
	case SYS_madvise:
		return policy_of_advice(args[2]);
	case SYS_arch_prctl:
		return args[0] == ARCH_SET_FS || args[0] == ARCH_SET_GS ? POLICY_EXECUTE
									: POLICY_RECORD;
	}
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		if (rules[i].number == number) {
			*reason = rules[i].reason;
			return rules[i].policy;
		}
	}
	return POLICY_RECORD;
}

static uint64_t page_up(uint64_t address)
{
	return (address + CHOP_PAGE_SIZE - 1) & -(uint64_t)CHOP_PAGE_SIZE;
}

static unsigned int one(struct call_change *change, uint64_t start, uint64_t size)
{
	*change = (struct call_change){ start & -(uint64_t)CHOP_PAGE_SIZE, page_up(start + size),
					false };
	return change->end > change->start;
}

unsigned int policy_changes(long number, const uint64_t args[6], uint64_t heap_end,
			    struct call_change changes[2])
{
	unsigned int count = 0;

	switch (number) {
	case SYS_mmap:
		return args[3] & MAP_FIXED ? one(changes, args[0], args[1]) : 0;
	case SYS_munmap:
	case SYS_mprotect:
	case SYS_pkey_mprotect:
	case SYS_mlock:
	case SYS_mlock2:
	case SYS_munlock:
	case SYS_mbind:
		return one(changes, args[0], args[1]);
	case SYS_madvise:
		return policy_of_advice(args[2]) == POLICY_EXECUTE || advice_stays(args[2])
			       ? one(changes, args[0], args[1])
			       : 0;
	case SYS_mremap:
		count = one(changes, args[0], args[1]);
		changes[0].moves = true;
		if (args[3] & MREMAP_FIXED)
			count += one(changes + count, args[4], args[2]);
		return count;
	case SYS_brk:
		return args[0] && heap_end > args[0] ? one(changes, args[0], heap_end - args[0])
						     : 0;
	case SYS_mlockall:
	case SYS_munlockall:
		changes[0] = (struct call_change){ 0, -(uint64_t)CHOP_PAGE_SIZE, false };
		return 1;
	case SYS_shmdt:
		return one(changes, args[0], 1);
	default:
		return 0;
	}
}
