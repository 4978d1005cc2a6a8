/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that stops behind each of its page faults. The one use: calls through a page of code
 * that the kernel emulates (arch_emulated_call), of which nothing else tells a tracer, begin with
 * a fault of that page's address. Faults elsewhere are passed over in wait.c.
 */
#ifndef TRACEE_FAULT_EVENT_H
#define TRACEE_FAULT_EVENT_H

#include "tracee/tracee.h"

/* Only while the thread runs code of its own. 0, or -errno without a message. */
int fault_event_begin(struct tracee *tracee, const struct thread *thread);
void fault_event_end(struct tracee *tracee);
/* It runs code of ours from now on, or no longer. */
void fault_event_pause(const struct tracee *tracee, bool pause);
/* The signal stop it is in comes from a page fault; *address is what it accessed. */
bool fault_event_stopped(const struct tracee *tracee, const struct thread *thread,
			 uint64_t *address);

#endif
