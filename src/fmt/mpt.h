/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Microprobe test files: OUT#ID.mpt (code and structure) and OUT#ID.mps (registers and
 * data) of one capture, version 0.5 of the format, named as ChopStiX's chop-trace2mpt
 * names them. docs/chop-mpt.1.scd describes what is written.
 */
#ifndef FMT_MPT_H
#define FMT_MPT_H

#include <stdbool.h>
#include <stdint.h>

#include "store/capture.h"

struct mpt_options {
	const char *output;	  /* OUT: path without "#ID" */
	uint64_t max_address;	  /* pages at or above it are left out; 0 for no limit */
	bool gzip;		  /* .mpt.gz and .mps.gz */
	const char *memory_trace; /* file for [TRACE] roi_memory_access_trace, or NULL */
	/*
	 * Registers as text (store/regs_text.h), of whatever architecture; NULL: those of the
	 * capture. Instructions of a little-endian one that are words are written as numbers.
	 */
	const char *registers;
};

struct mpt_result {
	char *mpt, *mps; /* paths of the files; owned by the caller */
	uint64_t code_pages, data_pages, left_out;
};

/*
 * Write both files under the capture's id; they appear only when both are complete, and
 * existing files are refused. 0 or -errno with a message recorded.
 */
int mpt_write(const struct capture *capture, const struct mpt_options *options,
	      struct mpt_result *result);
void mpt_result_release(struct mpt_result *result);

/*
 * Copy the MPT file `base`, plain or gzip, to `output` with a [TRACE] section that names
 * `memory_trace` (chop-trace-mem -base-mpt). It must be an MPT file without such a section;
 * what comes from gzip is written as gzip, and its name ends in .gz. *written receives the
 * name (may be NULL; the caller frees). 0 or -errno with a message recorded.
 */
int mpt_add_memory_trace(const char *base, const char *output, const char *memory_trace,
			 char **written);
/* Whether `base` could be given to that: 0 or -errno with a message recorded. */
int mpt_check(const char *base);

#endif
