// SPDX-License-Identifier: Apache-2.0
/* What users write to name probe points, arguments of notes, formats of tracepoints. */
#include "probe/points.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"

static void must(bool right)
{
	if (!right)
		abort();
}

static void try_spec(const char *text)
{
	struct point_spec spec;

	err_clear();
	must(!spec_parse(text, &spec) == !*err_message());
	spec_release(&spec);
}

static void try_arguments(const char *text)
{
	struct point_arg arg = { 0 };
	int error = 0;

	for (unsigned int i = 0; i < 12 && error != -ENOENT; i++) {
		error = usdt_argument(text, i, &arg);
		must(error || (arg.fetch.size && arg.fetch.size <= 8 &&
			       arg.fetch.loads <= CHOP_PROBE_LOADS));
	}
}

static void try_format(const char *text)
{
	struct trace_format format;

	if (!trace_format_parse(text, &format)) {
		for (size_t i = 0; i < format.fields.length; i++)
			must(format.fields.items[i].name && format.fields.items[i].type);
	}
	trace_format_release(&format);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = xstrndup((const char *)data, size);

	try_spec(text);
	try_arguments(text);
	try_format(text);
	return 0;
}
