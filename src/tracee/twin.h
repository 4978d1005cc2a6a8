/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A twin: a child of the program that is stopped from birth and never runs, so that its
 * memory stays what the program's was. It shares the program's descriptors (a pipe closed by
 * the program is closed), is no child of the program's own, and dies with us.
 */
#ifndef TRACEE_TWIN_H
#define TRACEE_TWIN_H

#include "tracee/tracee.h"

/*
 * Make one, by a thread that is stopped where it can make calls. 0 with its id and its
 * memory, open for reading, or -errno with a message.
 */
int twin_make(struct tracee *tracee, struct thread *thread, pid_t *twin, int *memory);
/* Kill it and wait for its end; closes the memory. */
void twin_end(pid_t twin, int memory);

#endif
