/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals for us while we trace, and times: SIGINT, SIGTERM, SIGHUP, SIGQUIT end the tracing, not
 * the program. A handler only notes them and makes sure that no wait sleeps past them.
 */
#ifndef TRACEE_INTERRUPT_H
#define TRACEE_INTERRUPT_H

#include <stdbool.h>
#include <stdint.h>

/* Catch them from now on; those that are ignored stay ignored. */
void interrupt_catch(void);
/* Nothing is traced any more: they do again what they do by default. */
void interrupt_release(void);
/* The signal that came, or 0; it stays until interrupt_done. */
int interrupt_signal(void);
/* Have waits end as if SIGALRM had come for us; for other threads of ours. */
void interrupt_wake(void);
/* The terminal sent it: the program got it as well. */
bool interrupt_from_terminal(void);
/* It has been acted upon; the next one is noted again. */
void interrupt_done(void);

/*
 * From the time `when` on (ns of CLOCK_MONOTONIC; 0: never) waits end with EVENT_TIME,
 * once. After interrupt_catch.
 */
void interrupt_at(uint64_t when);
/* Whether that time has come; it is forgotten then. */
bool interrupt_time(void);
/* Now, in ns of CLOCK_MONOTONIC. */
uint64_t interrupt_now(void);

#endif
