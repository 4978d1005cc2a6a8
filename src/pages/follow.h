/* SPDX-License-Identifier: Apache-2.0 */
/* The main loop: processes come, change and go. */
#ifndef PAGES_FOLLOW_H
#define PAGES_FOLLOW_H

#include "pages/tracer.h"

/* Start a program; it is stopped at its first instruction, in the pager's care. */
int follow_spawn(struct tracer *tracer, char *const *argv);
/* Take over a running process, all its threads. */
int follow_attach(struct tracer *tracer, pid_t pid);
/*
 * Let it run until all processes ended (0), or until a signal came for us or the journal
 * failed (-EINTR).
 */
int follow_run(struct tracer *tracer);
/* Put all memory back and let everything go. */
void follow_detach(struct tracer *tracer);

#endif
