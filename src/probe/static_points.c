// SPDX-License-Identifier: Apache-2.0
#include "probe/static_points.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "elf/usdt.h"
#include "probe/points.h"

static int check(const struct point_spec *spec)
{
	if (spec->kind == POINT_USDT && !spec->has_args && !spec->tests.length)
		return 0;
	return err_set(CHOP_USAGE, EINVAL,
		       spec->kind == POINT_USDT
			       ? "'%s': a region begins and ends at a point whatever "
				 "its arguments are"
		       : spec->kind == POINT_USER
			       ? "'%s': for functions use -function, or -begin and -end with "
				 "addresses of `chop marks`"
			       : "'%s' is a function of the kernel: take a tracepoint "
				 "(t:CATEGORY:NAME) or a static probe point "
				 "(usdt:FILE:PROVIDER:NAME)",
		       spec->text);
}

static int find(const struct point_spec *spec, struct static_points *found)
{
	cleanup_image struct image image = { 0 };
	struct usdt_vec known;
	int error = image_open(found->path, &image);

	if (error)
		return error;
	usdt_read(&image, &known);
	for (size_t i = 0; i < known.length; i++) {
		const struct usdt *point = &known.items[i];

		if (fnmatch(spec->provider, point->provider, 0) ||
		    fnmatch(spec->name, point->name, 0))
			continue;
		found->semaphore |= point->semaphore != 0;
		*vec_push(&found->addresses) = point->address;
	}
	vec_release(&known);
	if (found->addresses.length)
		return 0;
	return err_set(CHOP_USAGE, ENOENT,
		       "%s has no static probe point %s:%s; `chop probe -l usdt:%s` lists them",
		       found->path, spec->provider, spec->name, found->path);
}

int static_points_find(const char *text, const char *program, pid_t pid,
		       struct static_points *found)
{
	struct points_options where = { .command = program, .pid = pid };
	struct point_spec spec;
	int error = spec_parse(text, &spec);

	*found = (struct static_points){ 0 };
	if (!error)
		error = check(&spec);
	if (!error) {
		found->path = point_file(spec.file, &where);
		error = found->path ? find(&spec, found) : -ENOENT;
	}
	found->in_program = !error && (!*spec.file || (program && !strcmp(found->path, program)));
	spec_release(&spec);
	return error;
}

void static_points_release(struct static_points *found)
{
	free(found->path);
	vec_release(&found->addresses);
}
