/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory traces of captured regions: the capture's pages are mapped where they were, in a
 * child process of our own, and its code runs there in translation (memtrace/engine.h)
 * with its system calls taken from the log. At the end registers and pages are compared
 * with the recorded end: a trace that says "equal" is one of the region it names.
 */
#ifndef MEMTRACE_MEMTRACE_H
#define MEMTRACE_MEMTRACE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include <chop/mem_trace.h>

#include "store/capture.h"
#include "store/mem_write.h"

struct memtrace_options {
	const char *output; /* file; NULL to count only */
	bool no_fetch;
	uint64_t sample_on, sample_period; /* references; 0 for all */
	uint64_t max_references;	   /* 0 for no limit */
	uint64_t timeout_ns;		   /* 0: a minute and a thousand times the capture's time */
	int level;			   /* zstd, 0 for the default */
	const volatile sig_atomic_t *interrupted; /* stop when it becomes non-zero; or NULL */
	/* Sees the words before they are written (chop bbv); or NULL. 0, or -errno to stop. */
	int (*observe)(void *context, const struct mem_tables *tables, const uint64_t *words,
		       uint64_t count);
	void *context;
	bool no_values; /* live programs: blocks only; there must be no output */
};

struct memtrace_result {
	enum chop_mem_outcome outcome;
	enum chop_mem_verified verified;
	char text[512]; /* a sentence about them, or "" */
	struct mem_write_totals totals;
	uint64_t duration_ns; /* wall time */
	char *description;    /* of a live program, as in the file; owned, or NULL */
	int program_status;   /* of a live program: as wait gives it */
	bool program_runs;    /* ... which still runs: we were told to stop waiting */
};

struct memtrace_program {
	const char *path;  /* its file */
	char *const *argv; /* NULL-terminated */
	char *const *envp;
	void (*started)(void); /* called when it runs: catch signals only then; or NULL */
};

/*
 * Whether memory of ours is where the capture needs its pages. Then this process cannot
 * trace it, but another one of the same program, whose memory is elsewhere, can.
 */
bool memtrace_collides(const struct capture *capture);
/*
 * Execute this program again with the same arguments, with its addresses chosen anew.
 * more: options to add to them, at most 4 words and NULL; or NULL.
 * Returns only on failure: -errno with a message recorded.
 */
int memtrace_start_over(const struct capture *capture, const char *const *more);

/*
 * Trace. 0 when there is a result, whatever it says; -errno with a message recorded when
 * nothing could be run, or the file could not be written (the result is filled then).
 */
int memtrace_record(const struct capture *capture, const struct memtrace_options *options,
		    struct memtrace_result *result);

/*
 * Run a program in translation and trace it (memtrace/live.h): the same, but nothing can be
 * verified. Returns when the program has ended, or the second interruption has come.
 */
int memtrace_live(const struct memtrace_program *program, const struct memtrace_options *options,
		  struct memtrace_result *result);

#endif
