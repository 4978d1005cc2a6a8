// SPDX-License-Identifier: Apache-2.0
#include "fmt/mem_join.h"

#include <errno.h>

#include "base/err.h"

#define BATCH 4096

static int add_trace(struct mem_convert *c, const struct mem_format *format, const char *path)
{
	static struct chop_mem_record records[BATCH];
	long got = 0;
	int error = 0;

	if (chop_mem_open(path, 0, &c->reader))
		error = err_set(CHOP_USAGE, EINVAL, "%s", chop_mem_error(c->reader));
	if (!error)
		chop_mem_select(c->reader, format->kinds);
	while (!error && (got = chop_mem_read(c->reader, records, BATCH)) > 0) {
		for (long i = 0; i < got && !error; i++)
			error = format->add(c, &records[i]);
		c->records += (uint64_t)got;
	}
	if (got < 0)
		error = err_set(CHOP_USAGE, EINVAL, "%s", chop_mem_error(c->reader));
	chop_mem_close(c->reader);
	return error;
}

int mem_join(char *const *traces, size_t count, const struct mem_format *format, const char *output,
	     uint64_t *records)
{
	struct mem_convert c = { 0 };
	int error = mem_out_open(&c.out, output), closed;

	for (size_t i = 0; i < count && !error; i++)
		error = add_trace(&c, format, traces[i]);
	closed = mem_out_close(&c.out, !error);
	*records = c.records;
	return error ? error : closed;
}
