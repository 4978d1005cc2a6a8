// SPDX-License-Identifier: Apache-2.0
#include "cmd/pick.h"

#include <errno.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/opt.h"

#define LISTED 20

static void list(const struct tracedir_index *index, struct buf *out)
{
	for (size_t i = 0; i < index->captures.length && i < LISTED; i++)
		buf_printf(out, "%s%u", i ? ", " : "", index->captures.items[i].id);
	if (index->captures.length > LISTED)
		buf_printf(out, " and %zu more", index->captures.length - LISTED);
}

int pick_capture(const struct tracedir_index *index, const char *text, unsigned int *id)
{
	cleanup_buf struct buf ids = { 0 };
	uint64_t wanted;
	int error;

	if (!index->captures.length)
		return err_set(CHOP_USAGE, ENOENT, "%s holds no captures", index->path);
	if (!text) {
		*id = index->captures.items[0].id;
		if (index->captures.length == 1)
			return 0;
		list(index, &ids);
		return err_set(CHOP_USAGE, EINVAL,
			       "%s holds captures %s: choose one with --capture N", index->path,
			       buf_text(&ids));
	}
	error = opt_number(text, &wanted);
	if (error)
		return err_context(error, "option --capture");
	for (size_t i = 0; i < index->captures.length; i++) {
		*id = index->captures.items[i].id;
		if (*id == wanted)
			return 0;
	}
	list(index, &ids);
	return err_set(CHOP_USAGE, ENOENT, "%s has no capture %s; it holds %s", index->path, text,
		       buf_text(&ids));
}
