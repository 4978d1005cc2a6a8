// SPDX-License-Identifier: Apache-2.0
#include "probe/points.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"

const char *probe_points_string(struct points *points, const char *text)
{
	/* The same path again and again. */
	for (size_t i = points->strings.length; i-- > 0 && i + 8 > points->strings.length;) {
		if (!strcmp(points->strings.items[i], text))
			return points->strings.items[i];
	}
	*vec_push(&points->strings) = xstrdup(text);
	return *vec_last(&points->strings);
}

uint32_t probe_points_row(struct points *points, const char *name)
{
	/* Sites of one name follow each other. */
	if (points->rows.length && !strcmp(vec_last(&points->rows)->name, name))
		return (uint32_t)points->rows.length - 1;
	*vec_push(&points->rows) = (struct point_row){ xstrdup(name) };
	return (uint32_t)points->rows.length - 1;
}

void probe_points_skip(struct points *points, const char *name, const char *why)
{
	*vec_push(&points->skips) = (struct point_skip){ probe_points_string(points, name), why };
}

int probe_points_plan(struct points *points, const struct arg_context *context, uint32_t *plan)
{
	*plan = (uint32_t)points->plans.length;
	return point_plan_make(context, vec_push(&points->plans));
}

int probe_points_add(struct points *points, const struct point_spec *spec,
		     const struct points_options *options)
{
	size_t before = points->sites.length, skipped = points->skips.length;
	int error;

	if (options->latency &&
	    (spec->at_return || spec->kind == POINT_TRACEPOINT || spec->kind == POINT_USDT))
		return err_set(CHOP_USAGE, EINVAL,
			       "'%s': the time of a call is taken of functions (u:, k:)",
			       spec->text);
	switch (spec->kind) {
	case POINT_USER:
		error = probe_points_add_user(points, spec, options);
		break;
	case POINT_USDT:
		error = probe_points_add_usdt(points, spec, options);
		break;
	case POINT_TRACEPOINT:
		error = probe_points_add_tracepoint(points, spec, options);
		break;
	default:
		error = probe_points_add_kernel(points, spec, options);
	}
	if (!error && points->sites.length == before && points->skips.length == skipped + 1)
		error = err_set(CHOP_USAGE, ENOENT, "'%s': %s", spec->text,
				points->skips.items[skipped].why);
	else if (!error && points->sites.length == before)
		error = err_set(CHOP_USAGE, ENOENT, "'%s' matches nothing that can be probed",
				spec->text);
	return error;
}

void probe_points_release(struct points *points)
{
	for (size_t i = 0; i < points->rows.length; i++)
		free(points->rows.items[i].name);
	for (size_t i = 0; i < points->plans.length; i++)
		point_plan_release(&points->plans.items[i]);
	for (size_t i = 0; i < points->strings.length; i++)
		free(points->strings.items[i]);
	vec_release(&points->rows);
	vec_release(&points->plans);
	vec_release(&points->sites);
	vec_release(&points->skips);
	vec_release(&points->strings);
	kernel_names_release(&points->kernel);
}
