/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snippets: self-running ELF files that replay a capture and prove that it ends as the
 * original did (include/chop/snippet.h is the format). Building, checking, running.
 */
#ifndef SNIPPET_SNIPPET_H
#define SNIPPET_SNIPPET_H

#include <stdbool.h>
#include <stdint.h>

#include <chop/snippet.h>
#include <chop/status.h>

#include "arch/arch.h"
#include "base/buf.h"
#include "store/capture.h"

/* -- building: build.c --------------------------------------------------------------- */

struct snippet_options {
	uint64_t base;	    /* where the runtime should be; 0: chosen */
	uint64_t hull_from; /* gather runs in hulls from this many on; 0: 64 */
	bool no_guard;	    /* do without guard pages (tests of older kernels' way) */
	bool no_symbols;    /* leave out the symbols of the captured modules */
};

/* What was built, for messages and figures. */
struct snippet_facts {
	uint64_t base, size, pages, changed, runs, symbols, features;
};

/*
 * Write a snippet to an open file that can be written at any offset. The capture needs
 * its end state. facts may be NULL. 0, or -errno with a message recorded.
 */
int snippet_write(const struct capture *capture, const struct snippet_options *options, int fd,
		  struct snippet_facts *facts);
/* The same to a file that appears, executable, only when it is complete. */
int snippet_create(const struct capture *capture, const struct snippet_options *options,
		   const char *path, struct snippet_facts *facts);

/* What the captured code needs of a processor, and what in it cannot be reproduced. */
void snippet_scan(const struct capture *capture, struct arch_isa *isa);

/* The same to memory: a descriptor to run it by (and to close), or -errno. In run.c. */
int snippet_in_memory(const struct capture *capture, const struct snippet_options *options,
		      struct snippet_facts *facts);

/* -- checking: file.c ----------------------------------------------------------------- */

/* What a snippet file says of itself; strings are owned. */
struct snippet_info {
	char *function, *program, *tool;
	uint64_t pages, invocation, timeout_ns;
	uint32_t capture;
};

/*
 * Read and check a snippet: ELF header, our header, every checksum but those of the pages
 * (running it checks them). Never trusts a field. 0, or -errno with a message recorded.
 */
int snippet_open(const char *path, int fd, struct snippet_info *info);
void snippet_info_release(struct snippet_info *info);

/* -- running: run.c -------------------------------------------------------------------- */

struct snippet_result {
	enum chop_status status;
	struct buf output; /* what it printed, both streams, whole lines */
};

/*
 * Run a snippet that is open as fd (it needs no path) with more arguments (NULL or
 * NULL-terminated) and judge its exit: a death by signal is CHOP_DIVERGED with a line
 * that says so. `name` is its argv[0]. 0, or -errno when it could not be started.
 */
int snippet_run(int fd, const char *name, const char *const *arguments,
		struct snippet_result *result);
void snippet_result_release(struct snippet_result *result);
/* The verdict in one line: the first line of output that says more than "note:". */
const char *snippet_verdict(const struct snippet_result *result, size_t *length);

#endif
