/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page-reference tracing: run or attach to a program, keep a bounded window of its pages
 * open, and hand out a record for each page that enters it, with the events that change
 * its memory.
 */
#ifndef PAGES_PAGES_H
#define PAGES_PAGES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <chop/page_trace.h>

/*
 * An instruction can need this many pages at once, code and stack included; with less only
 * heap_only and malloc_only work, and the window grows when an instruction needs it.
 */
#define PAGES_WINDOW_MIN 32
#define PAGES_WINDOW_MAX (1ULL << 26)

struct pages_options {
	char *const *argv;     /* NULL-terminated command to run, or NULL to attach */
	pid_t pid;	       /* to attach to */
	uint64_t window;       /* pages, PAGES_WINDOW_MIN..PAGES_WINDOW_MAX */
	bool fifo;	       /* plain FIFO; else a part is a second-chance segment */
	uint64_t interval;     /* ns: slices instead of a window; 0 none */
	double max_slowdown;   /* adapt the window to it; 0 keeps the window */
	uint64_t sample_limit; /* of 2^53: pages whose hash >> 11 is below are watched */
	uint64_t sample_pages; /* lower sample_limit so that at most so many are watched; 0 all */
	bool no_pin;	       /* do not keep single-threaded processes on one processor */
	bool no_ips;	       /* do not look for instruction pointers */
	bool copies;	       /* copy pages as on Linux before 6.8, which cannot move them */
	bool heap_only;
	bool sites;	  /* tell who asked for blocks of the heap; only with argv */
	bool malloc_only; /* VMTRACE: what malloc returns while main runs; only with argv */
	/*
	 * Called for each record, in order of time, by another thread. 0, or -errno with a
	 * message: the tracing ends then and the program goes on.
	 */
	int (*sink)(void *context, const struct chop_page_record *record);
	void *context;
};

struct pages_result {
	bool ended;	  /* the first process ended: `status` as from waitpid */
	bool interrupted; /* a signal came for us, or the sink failed */
	int status;
	uint64_t accesses, faults, closed;
	uint64_t kept;	      /* times a page could not be closed when it should have been */
	uint64_t cpu_ns;      /* CPU time they took */
	uint64_t unknown_ips; /* accesses whose instruction is not known */
	bool no_ips;	      /* instruction pointers could not be had at all */
	bool no_sites;	      /* sites: no call of malloc was seen; a static program? */
	bool no_main;	      /* malloc_only: no main was seen; a static program? */
	uint64_t refused;     /* bytes of private mappings that could not be watched */
	int refused_error;    /* -errno of the last */
	uint64_t unshared;    /* bytes of shared mappings of files, which nobody can watch */
	bool copied;	      /* the kernel could not move pages, or was not to */
};

/* Trace until all processes ended or a signal came. 0 or -errno with a message. */
int pages_run(const struct pages_options *options, struct pages_result *result);

#endif
