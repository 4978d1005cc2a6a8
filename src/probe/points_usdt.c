// SPDX-License-Identifier: Apache-2.0
/* Static probe points of programs and libraries. */
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "arch/probe_regs.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/opt.h"
#include "elf/probing.h"
#include "elf/usdt.h"
#include "probe/points.h"

/* The names there are, those near the wrong one first. */
static void list_names(const struct usdt_vec *known, const struct point_spec *spec,
		       struct buf *text)
{
	unsigned int shown = 0;

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < known->length && shown < 5; i++) {
			const struct usdt *point = &known->items[i], *before = point - 1;
			bool near = opt_distance(point->name, spec->name) <= 3;

			if (near == (pass == 1) || (i && !strcmp(before->name, point->name) &&
						    !strcmp(before->provider, point->provider)))
				continue;
			buf_printf(text, "%s%s:%s", shown++ ? ", " : "", point->provider,
				   point->name);
		}
	}
	if (shown == 5)
		buf_add_text(text, ", ...");
}

static int none(const struct image *image, const struct usdt_vec *known,
		const struct point_spec *spec)
{
	cleanup_buf struct buf text = { 0 };

	if (!known->length)
		return err_set(CHOP_USAGE, ENOENT, "%s has no static probe points", image->path);
	list_names(known, spec, &text);
	return err_set(CHOP_USAGE, ENOENT, "%s has no static probe point %s:%s; there are %s",
		       image->path, spec->provider, spec->name, text.data);
}

static int add_point(struct points *points, const struct image *image, const struct usdt *point,
		     const struct point_spec *spec, const struct points_options *options)
{
	struct arg_context context = { .spec = spec, .usdt = point->arguments };
	struct point_site site = { .kind = POINT_USDT };
	const uint8_t *bytes = image_bytes(image, point->address, 5);
	cleanup_free char *row = NULL;
	int error;

	if (bytes && arch_probe_clobbers(bytes, 5) && !options->force) {
		probe_points_skip(
			points, point->name,
			"its 5-byte nop would be replaced by a call that overwrites data of "
			"the function; --force takes it all the same");
		return 0;
	}
	if (!probing_offset(image, point->address, &site.offset) ||
	    (point->semaphore && !probing_offset(image, point->semaphore, &site.semaphore))) {
		probe_points_skip(points, point->name, "its note points to nowhere");
		return 0;
	}
	error = probe_points_plan(points, &context, &site.plan);
	if (error)
		return error;
	row = xasprintf("%s:%s:%s", point_base(image->path), point->provider, point->name);
	site.row = probe_points_row(points, row);
	site.path = probe_points_string(points, image->path);
	*vec_push(&points->sites) = site;
	return 0;
}

int probe_points_add_usdt(struct points *points, const struct point_spec *spec,
			  const struct points_options *options)
{
	cleanup_free char *path = point_file(spec->file, options);
	cleanup_image struct image image = { 0 };
	struct usdt_vec known;
	size_t matched = 0;
	int error;

	if (!path)
		return -ENOENT;
	error = image_open(path, &image);
	if (error)
		return error;
	usdt_read(&image, &known);
	for (size_t i = 0; i < known.length && !error; i++) {
		const struct usdt *point = &known.items[i];

		if (fnmatch(spec->provider, point->provider, 0) ||
		    fnmatch(spec->name, point->name, 0))
			continue;
		matched++;
		error = add_point(points, &image, point, spec, options);
	}
	if (!error && !matched)
		error = none(&image, &known, spec);
	vec_release(&known);
	return error;
}
