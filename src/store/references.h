/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The references of a trace of any kind, as a stream to analyse: page traces, memory
 * traces, and the simple text formats others write.
 */
#ifndef STORE_REFERENCES_H
#define STORE_REFERENCES_H

#include <stdbool.h>
#include <stdint.h>

#include <chop/page_trace.h>

#include "analysis/stream.h"

enum references_format {
	REFERENCES_PAGES,   /* chop pages */
	REFERENCES_MEMORY,  /* chop mem */
	REFERENCES_LACKEY,  /* valgrind --tool=lackey --trace-mem=yes */
	REFERENCES_DIN,	    /* Dinero's: label and hexadecimal address */
	REFERENCES_VMTRACE, /* two lines a record */
	REFERENCES_NUMBERS, /* a hexadecimal page number a line */
	REFERENCES_FORMATS,
};

struct references_options {
	uint64_t block;	  /* bytes, a power of two; 0: the trace's pages, or 4096 */
	uint32_t process; /* of a page trace only this one's; 0: all */
	bool fetches;	  /* instruction fetches count, too */
};

/* One slice of a trace with slices. */
struct references_slice {
	uint64_t time, pages, written, fresh; /* ns; fresh: never seen before */
};

struct references {
	enum references_format format;
	uint64_t block;	      /* bytes of an object */
	struct stream stream; /* objects are keyed by process << 40 | block number */
	struct u64vec times;  /* by entry, ns; empty when the trace has none */
	uint64_t end_time;
	struct chop_page_trace_header header; /* of a page trace, else zero */
	uint64_t valid_from; /* objects: smaller memories are not right; 0: all are */
	double rate;	     /* part of the pages that is in the trace */
	uint64_t lost, processes, unknown_lines;
	struct references_slice_vec VEC_BODY(struct references_slice) slices;
	char *incomplete; /* a sentence, or NULL; owned */
};

#define cleanup_references __attribute__((cleanup(references_release)))

/*
 * Read a trace ("-": text from standard input). 0 or -errno with a message. A trace that
 * is cut short is read as far as it goes: `incomplete` says so.
 */
int references_read(struct references *references, const char *path,
		    const struct references_options *options);
void references_release(struct references *references);
const char *references_format_name(enum references_format format);

/* The key of a page of a process. */
static inline uint64_t references_key(uint32_t process, uint64_t block)
{
	return (uint64_t)process << STREAM_PAGE_BITS ^ block;
}

/* The page number alone: by its hash a page trace was sampled. */
static inline uint64_t references_page(uint64_t key)
{
	return key & ((1ULL << STREAM_PAGE_BITS) - 1);
}

#endif
