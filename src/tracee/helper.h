/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes of ours beside a traced program, such as other tracers: whoever waits for the
 * program's events meets their ends as well, and must not lose them.
 */
#ifndef TRACEE_HELPER_H
#define TRACEE_HELPER_H

#include <sys/types.h>

/* Its end is waited for later, by helper_wait. */
void helper_add(pid_t pid);
/* Something ended: keep its status when it is a helper. */
void helper_note(pid_t pid, int status);
/* Wait until the helper has ended, and forget it; status as from waitpid, or -errno. */
int helper_wait(pid_t pid, int *status);

#endif
