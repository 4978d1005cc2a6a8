/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The note `chop` in the core files of a capture (N.core, N.end.core): what a core file
 * has no standard place for. docs/chop-capture.5.scd describes the files around it.
 *
 * Layout of the note's contents: struct chop_capture_note, then
 *
 *	uint64_t ends[ends_count];
 *	struct chop_page_range ranges[ranges_count];
 *	char strings[strings_size];
 *
 * Everything little-endian. A reader takes `size` for where the tail begins, so that later
 * versions can add fields; it refuses a version above the one it knows.
 */
#ifndef CHOP_CAPTURE_H
#define CHOP_CAPTURE_H

#include <stdint.h>

#include <chop/assert.h>
#include <chop/arch.h>

#define CHOP_CAPTURE_OWNER   "chop"	/* the note's owner (name) */
#define CHOP_CAPTURE_NOTE    0x43484f50 /* the note's type: CHOP as a number */
#define CHOP_CAPTURE_VERSION 1

enum chop_capture_moment {
	CHOP_AT_ENTRY = 0, /* N.core: before the first instruction of the region */
	CHOP_AT_END = 1,   /* N.end.core: only pages whose contents changed */
};

enum chop_capture_end {
	CHOP_END_AT_ADDRESS = 0, /* before the instruction at one of `ends` executes */
	CHOP_END_AT_RETURN = 1,	 /* at ends[0], sp above the one at entry */
	CHOP_END_AT_STATE = 2,	 /* at reached_end, registers as at the end */
};

enum chop_capture_string {
	CHOP_STRING_PROGRAM,  /* path of the executable */
	CHOP_STRING_FUNCTION, /* symbol at begin */
	CHOP_STRING_MODULE,   /* path of the file that holds begin */
	CHOP_STRING_BACKEND,  /* how touched pages were found */
	CHOP_STRING_LEFT_OUT, /* what is not in it although the region needs it */
	CHOP_STRINGS = 8      /* room for more */
};
#define CHOP_NO_STRING UINT32_MAX

/* Properties of pages that the flags of a PT_LOAD cannot say. */
enum chop_page_property {
	CHOP_PAGE_SHARED = 1 << 0,  /* of a MAP_SHARED mapping */
	CHOP_PAGE_SUPPORT = 1 << 1, /* not touched: there so that debuggers find modules */
	CHOP_PAGE_ALWAYS = 1 << 2,  /* not known whether it was touched */
	CHOP_PAGE_GONE = 1 << 3,    /* unmapped or replaced by the region: nothing at the end */
};

struct chop_page_range {
	uint64_t address;
	uint32_t pages;	     /* of page_size */
	uint32_t properties; /* enum chop_page_property */
};
CHOP_STATIC_ASSERT(sizeof(struct chop_page_range) == 16, "file format");

struct chop_capture_note {
	uint32_t version;    /* CHOP_CAPTURE_VERSION */
	uint32_t size;	     /* of this structure, in bytes */
	uint32_t moment;     /* enum chop_capture_moment */
	uint32_t id;	     /* N of N.core */
	uint64_t invocation; /* of the region in the process, from 0 */
	int32_t pid, tid;
	uint64_t begin;	      /* address of the region's first instruction */
	uint64_t reached_end; /* the end it stopped at */
	uint64_t duration_ns; /* wall time from begin to end, while being captured */
	uint64_t sigmask;     /* blocked signals, bit n-1 for signal n */
	uint64_t altstack_address, altstack_size; /* bytes; 0 when there is none */
	uint32_t altstack_flags;		  /* as sigaltstack(2) */
	uint32_t end_kind;			  /* enum chop_capture_end */
	uint64_t rseq_address; /* area of rseq(2), which the kernel writes at any time; or 0 */
	uint32_t rseq_size;    /* bytes */
	uint32_t page_size;    /* bytes */
	uint64_t pages;	       /* in this file, those of all properties */
	uint32_t ends_count, ranges_count, strings_size;
	uint32_t strings[CHOP_STRINGS]; /* offsets in the strings, or CHOP_NO_STRING */
	uint32_t cpu[CHOP_CPU_WORDS];	/* enum chop_cpu_word; all 0 when not known */
	uint32_t xstate_size;		/* bytes; what NT_X86_XSTATE lacks of them is 0 */
};
CHOP_STATIC_ASSERT(sizeof(struct chop_capture_note) == 224, "file format");

#endif
