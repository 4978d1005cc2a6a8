/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole program in translation, without a capture: loaded into this process as the kernel
 * would have, its system calls made for real. What cannot be followed ends the trace, and the program goes on untranslated from there as if nothing had been.
 */
#ifndef MEMTRACE_LIVE_H
#define MEMTRACE_LIVE_H

#include <stdbool.h>

#include "memtrace/region.h"

struct live_program {
	const char *path;  /* the file */
	char *const *argv; /* NULL-terminated, as the program sees them */
	char *const *envp;
	bool no_values;	 /* record blocks, not accesses */
	bool one_thread; /* end the trace when it starts a second one */
};

/* How far it came, in the report's `live`. */
enum live_state {
	LIVE_LOADING, /* failed: the text says why, and `status` is for the exit */
	LIVE_TRACING,
	LIVE_EXITED,   /* or was ended by a signal */
	LIVE_EXECUTES, /* replaces itself by another program */
	LIVE_LEFT,     /* goes on untranslated */
};

/* Become the program: fills the report. Returns only on failure, with the rings finished. */
void live_run(const struct live_program *program, struct ring_set *rings, struct mem_tables *tables,
	      struct region_report *report);

#endif
