/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls made by a traced thread for us: a table of them in one round trip. The
 * code that runs the table lives in pages of its own, mapped while we trace, far from
 * anything else, and not inherited by forks.
 */
#ifndef TRACEE_INJECT_H
#define TRACEE_INJECT_H

#include "tracee/tracee.h"

/*
 * Entries that fit in the table, its end included; longer tables take several round
 * trips. Small, because a program that locks its memory locks these pages as well.
 */
#define INJECT_ENTRIES 1024
/* Bytes after the table that calls may use as a buffer, and where it is. */
#define INJECT_BUFFER_SIZE 4096
#define INJECT_SIZE \
	(CHOP_PAGE_SIZE + INJECT_ENTRIES * sizeof(struct arch_entry) + INJECT_BUFFER_SIZE)
#define INJECT_ADDRESS 0x1f0000000000ULL
/* Result of an entry that was skipped because one before it failed. */
#define INJECT_NOT_RUN INT64_MIN

struct entry_vec VEC_BODY(struct arch_entry);

/*
 * Map the pages. The thread is at a stop in its own code or at a system call's exit, as
 * for all functions here; at the entry of a call, arch_cancel_call must come first.
 */
int inject_open(struct tracee *tracee, struct thread *thread);
void inject_close(struct tracee *tracee, struct thread *thread);
/*
 * Before the first call in a thread since the program ran: seccomp filters of its own
 * could kill it for ours. 0, or -EPERM with a message when they cannot be suspended.
 */
int inject_check(struct thread *thread);
/* Address of the buffer in the traced program. */
uint64_t inject_buffer(const struct tracee *tracee);

/*
 * Make `count` calls, results in the entries. Asynchronous signals stay pending; the
 * thread's registers are as before afterwards. 0 or -errno: -ESRCH when the thread died
 * of it (the queue knows), -EINTR when it was hit by a signal it caused itself.
 */
int inject_run(struct tracee *tracee, struct thread *thread, struct arch_entry *entries,
	       size_t count);
/*
 * One call without the injected pages, by a system-call instruction of the program's
 * own; *result receives what it returned.
 */
int inject_call(struct tracee *tracee, struct thread *thread, const struct arch_entry *call,
		int64_t *result);
/* Call a function without arguments, such as an IFUNC resolver; or with two. */
int inject_function(struct tracee *tracee, struct thread *thread, uint64_t function,
		    uint64_t *result);
int inject_function_of(struct tracee *tracee, struct thread *thread, uint64_t function,
		       uint64_t first, uint64_t second, uint64_t *result);

#endif
