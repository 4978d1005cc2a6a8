// SPDX-License-Identifier: Apache-2.0
/* Tracepoints and functions of the kernel. */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/opt.h"
#include "probe/points.h"

/* -- tracepoints ---------------------------------------------------------------------------- */

static int no_tracepoint(const struct point_spec *spec)
{
	cleanup_buf struct buf text = { 0 };
	struct tracepoint_names names;
	unsigned int shown = 0;

	if (tracepoints_find("*", "*", &names))
		return -ENOENT;
	for (unsigned int wanted = 0; wanted <= 3; wanted++) {
		for (size_t i = 0; i < names.length && shown < 3; i++) {
			const struct tracepoint_name *name = &names.items[i];

			if (opt_distance(name->name, spec->name) +
				    opt_distance(name->category, spec->provider) !=
			    wanted)
				continue;
			buf_printf(&text, "%s%s:%s", shown++ ? " or " : "; did you mean ",
				   name->category, name->name);
		}
	}
	/* The right name in another category. */
	for (size_t i = 0; i < names.length && !shown; i++) {
		if (!strcmp(names.items[i].name, spec->name))
			buf_printf(&text, "; did you mean %s:%s", names.items[i].category,
				   names.items[i].name);
	}
	tracepoint_names_release(&names);
	return err_set(CHOP_USAGE, ENOENT, "this kernel has no tracepoint %s:%s%s%s",
		       spec->provider, spec->name, buf_text(&text), text.length ? "?" : "");
}

static int add_tracepoint(struct points *points, const struct tracepoint_name *name,
			  const struct point_spec *spec)
{
	cleanup_free char *row = xasprintf("%s:%s", name->category, name->name);
	struct trace_format format;
	struct arg_context context = { .spec = spec,
				       .fields = &format,
				       .category = name->category };
	struct point_site site = { .kind = POINT_TRACEPOINT };
	int error = trace_format_read(tracefs_path(), name->category, name->name, &format);

	if (!error)
		error = probe_points_plan(points, &context, &site.plan);
	trace_format_release(&format);
	if (error)
		return error;
	site.row = probe_points_row(points, row);
	site.category = probe_points_string(points, name->category);
	site.symbol = probe_points_string(points, name->name);
	*vec_push(&points->sites) = site;
	return 0;
}

int probe_points_add_tracepoint(struct points *points, const struct point_spec *spec,
				const struct points_options *options)
{
	struct tracepoint_names names;
	int error = tracepoints_find(spec->provider, spec->name, &names);

	(void)options;
	if (!error && !names.length)
		error = no_tracepoint(spec);
	for (size_t i = 0; i < names.length && !error; i++) {
		/* Those of ftrace itself cannot be switched on. */
		if (!strcmp(names.items[i].category, "ftrace"))
			probe_points_skip(points, names.items[i].name, "belongs to ftrace itself");
		else
			error = add_tracepoint(points, &names.items[i], spec);
	}
	tracepoint_names_release(&names);
	return error;
}

/* -- functions -------------------------------------------------------------------------------- */

static int no_function(const struct points *points, const char *name)
{
	cleanup_buf struct buf text = { 0 };
	const char *found[3];
	size_t count = kernel_names_suggest(&points->kernel, name, found, 3);

	for (size_t i = 0; i < count; i++)
		buf_printf(&text, "%s%s", i ? " or " : "; did you mean ", found[i]);
	return err_set(CHOP_USAGE, ENOENT, "the kernel has no function %s%s%s", name,
		       buf_text(&text), count ? "?" : "");
}

static int add_function(struct points *points, const char *name, uint64_t offset,
			const struct point_spec *spec, uint32_t *plan)
{
	struct arg_context context = { .spec = spec, .at_entry = !offset };
	cleanup_free char *row = offset ? xasprintf("%s+0x%llx", name, (long long)offset)
					: xasprintf("%s%s", name, spec->at_return ? "%return" : "");

	if (*plan == UINT32_MAX) {
		int error = probe_points_plan(points, &context, plan);

		if (error)
			return error;
	}
	*vec_push(&points->sites) = (struct point_site){
		.kind = POINT_KERNEL,
		.at_return = spec->at_return,
		.at_entry = !offset && !spec->at_return,
		.row = probe_points_row(points, row),
		.plan = *plan,
		.symbol = probe_points_string(points, name),
		.symbol_offset = offset,
	};
	return 0;
}

/* "vfs_read+0x10" */
static char *split_offset(const char *name, uint64_t *offset)
{
	const char *plus = strchr(name, '+');

	*offset = plus ? strtoull(plus + 1, NULL, 0) : 0;
	return xstrndup(name, plus ? (size_t)(plus - name) : strlen(name));
}

int probe_points_add_kernel(struct points *points, const struct point_spec *spec,
			    const struct points_options *options)
{
	uint32_t plan = UINT32_MAX;
	uint64_t offset;
	cleanup_free char *name = split_offset(spec->name, &offset);
	int error = 0;

	(void)options;
	if (!points->kernel.names.length)
		error = kernel_names_read(&points->kernel);
	if (error)
		return error;
	if (!spec_is_pattern(name)) {
		/* What is wrong with the name is told before what is wrong with the kernel. */
		if (!kernel_names_has(&points->kernel, name))
			return no_function(points, name);
		error = kernel_probes_require();
		return error ? error : add_function(points, name, offset, spec, &plan);
	}
	error = kernel_probes_require();
	for (size_t i = 0; i < points->kernel.names.length && !error; i++) {
		if (!fnmatch(name, points->kernel.names.items[i], 0))
			error = add_function(points, points->kernel.names.items[i], 0, spec, &plan);
	}
	return error;
}
