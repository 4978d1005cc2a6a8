// SPDX-License-Identifier: Apache-2.0
/* chop trace -begin-probe, -end-probe: probe points as places where a region begins, ends. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "cmd/object.h"
#include "cmd/trace.h"
#include "probe/static_points.h"

/* Addresses belong to one module: the first point says which. */
static int set_module(struct trace_options *options, const struct static_points *found)
{
	const char *slash = strrchr(found->path, '/');
	const char *name = found->in_program ? NULL : slash ? slash + 1 : found->path;

	if (!name && !options->module)
		return 0;
	if (name && options->module && !strcmp(options->module, name))
		return 0;
	if (!name || options->module || options->begins.length || options->ends.length)
		return err_set(CHOP_USAGE, EINVAL,
			       "the begins and ends of a region must be in one module, not in %s "
			       "and %s",
			       options->module ? options->module : "the program",
			       name ? name : "the program");
	*vec_push(&options->owned) = xstrdup(name);
	options->module = *vec_last(&options->owned);
	return 0;
}

static int add_static(struct trace_options *options, const char *program, const char *text,
		      struct strvec *words)
{
	struct static_points found;
	int error = static_points_find(text, program, (pid_t)options->pid, &found);

	if (!error)
		error = set_module(options, &found);
	if (!error && found.semaphore)
		log_warn("%s has a semaphore, which nobody raises: the program may pass it by",
			 text);
	for (size_t i = 0; i < found.addresses.length && !error; i++) {
		*vec_push(&options->owned) = xasprintf("0x%" PRIx64, found.addresses.items[i]);
		*vec_push(words) = *vec_last(&options->owned);
	}
	static_points_release(&found);
	return error;
}

static int add_probe(struct trace_options *options, const char *program, const char *text,
		     bool begins)
{
	if (region_points_take(text))
		return region_points_add(&options->points, text,
					 begins ? SESSION_BEGINS : SESSION_ENDS);
	return add_static(options, program, text, begins ? &options->begins : &options->ends);
}

int trace_add_probes(struct trace_options *options, const struct strvec *rest)
{
	cleanup_free char *program = rest->length ? object_find(rest->items[0]) : NULL;
	int error = 0;

	for (size_t i = 0; i < options->begin_probes.length && !error; i++)
		error = add_probe(options, program, options->begin_probes.items[i], true);
	for (size_t i = 0; i < options->end_probes.length && !error; i++)
		error = add_probe(options, program, options->end_probes.items[i], false);
	return error;
}
