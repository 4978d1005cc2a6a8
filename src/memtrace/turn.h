/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several engines in one process, one for each of the program's threads: their C code runs one
 * at a time, with one thread pointer, as if it had a single thread; translated code runs at the
 * same time. No function here uses the C library: the thread pointer may be the program's.
 */
#ifndef MEMTRACE_TURN_H
#define MEMTRACE_TURN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct turn {
	_Atomic uint32_t lock;	   /* 0: free, 1: taken, 2: taken and waited for */
	_Atomic uint32_t stopping; /* id of the thread that has the others wait, 0 for none */
	bool leaving;		   /* all go on untranslated */
};

/* Wait for our turn; signals may be handled meanwhile, in handlers that do not take it. */
void turn_take(struct turn *turn);
void turn_give(struct turn *turn);
/* Let others have it for some microseconds. */
void turn_yield(struct turn *turn);

/* With the turn: keep what else runs from entering translated code, after others who do so. */
void turn_stop(struct turn *turn, uint32_t id);
/* With the turn: they may go on. */
void turn_resume(struct turn *turn);
/* With the turn: wait while another one has us wait. */
void turn_pause(struct turn *turn, uint32_t id);

#endif
