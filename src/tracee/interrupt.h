/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals for us while we trace: SIGINT, SIGTERM, SIGHUP, SIGQUIT end the tracing, not
 * the program. A handler only notes them and makes sure that no wait sleeps past them.
 */
#ifndef TRACEE_INTERRUPT_H
#define TRACEE_INTERRUPT_H

#include <stdbool.h>

/* Catch them from now on; those that are ignored stay ignored. */
void interrupt_catch(void);
/* The signal that came, or 0; it stays until interrupt_done. */
int interrupt_signal(void);
/* The terminal sent it: the program got it as well. */
bool interrupt_from_terminal(void);
/* It has been acted upon; the next one is noted again. */
void interrupt_done(void);

#endif
