/* SPDX-License-Identifier: Apache-2.0 */
/* Invocations as rows of a file, and what they come to as text. */
#ifndef FMT_INVOCATIONS_H
#define FMT_INVOCATIONS_H

#include "base/buf.h"
#include "base/io.h"
#include "invok/invok.h"

enum invocations_format {
	/*
	 * chop-perf-invok's, ChopStiX 1.1 (tools/perf-invok/main.c): a line of names, then
	 * "%llu, %llu, %llu, %llu, %llu, %f, %f"; a field is empty where nothing counts it.
	 */
	INVOCATIONS_CHOPSTIX,
	INVOCATIONS_CSV,
	INVOCATIONS_JSON,
};
/* "chopstix", "csv", "json": 0 or -EINVAL with a message. */
int invocations_format_parse(const char *name, enum invocations_format *format);

struct invocations {
	enum invocations_format format;
	const struct invok_result *result; /* ns and zero are known before the first row */
	bool counters, allocations;	   /* CSV: with these columns */
	struct io_file file;
	struct buf buf;
	uint64_t rows;
	int error; /* of the first write that failed */
};

/* Begin a file that appears when it is finished. 0 or -errno with a message. */
int invocations_open(struct invocations *rows, const char *path);
/* One row; false when it cannot be written: invocations_close tells. */
bool invocations_add(struct invocations *rows, const struct invok_call *call);
/* Write the rest, with totals where the format has them. 0 or -errno with a message. */
int invocations_close(struct invocations *rows);

/* For people: functions, times, percentiles, histogram, callers. */
void invocations_report(const struct invok_result *result, struct buf *out);

#endif
