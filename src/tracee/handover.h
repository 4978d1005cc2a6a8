/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A child handed over to another tracer: between the two it waits in a jump to itself, which
 * nobody but a debugger could see.
 */
#ifndef TRACEE_HANDOVER_H
#define TRACEE_HANDOVER_H

#include "tracee/tracee.h"

/*
 * A stopped child: have it wait, let go of it, and call tracee->born with its id and what
 * tracee_attach needs to know. False when it cannot be: it is still stopped and traced.
 */
bool handover_give(struct tracee *tracee, pid_t pid);
/* The new tracer: have the child go on as it was; it need not be traced yet. 0 or -errno. */
int handover_take(pid_t pid, const struct handover *handover);

#endif
