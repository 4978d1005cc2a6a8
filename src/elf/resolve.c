// SPDX-License-Identifier: Apache-2.0
#include "elf/resolve.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/opt.h"
#include "elf/cfi.h"
#include "elf/flow.h"
#include "elf/resolve_private.h"

struct resolved_code *resolved_add(struct resolved *resolved, const char *name, uint64_t start,
				   uint64_t end, uint64_t begin)
{
	*vec_push(&resolved->code) = (struct resolved_code){
		.name = xstrdup(name),
		.start = start,
		.end = end,
		.begin = begin,
	};
	return vec_last(&resolved->code);
}

void resolved_note(struct resolved *resolved, const char *fmt, ...)
{
	struct buf text = { 0 };
	va_list args;

	va_start(args, fmt);
	buf_vprintf(&text, fmt, args);
	va_end(args);
	*vec_push(&resolved->notes) = buf_detach(&text);
}

bool resolve_around(const struct image *image, uint64_t address, uint64_t *start, uint64_t *end,
		    const char **name)
{
	const struct symbol *symbol = image_symbol_at(image, address);
	struct image_range range;

	if (symbol) {
		*name = symbol->name;
		*start = symbol->address;
		*end = image_function_end(image, symbol);
		return true;
	}
	if (!cfi_range(cfi_of(image), address, &range))
		return false;
	*start = range.start;
	*end = range.end;
	return true;
}

static int by_address(const struct image *image, const char *text, struct resolved *resolved)
{
	uint64_t address, start, end;
	const char *name = text;

	if (opt_address(text, &address))
		return -EINVAL;
	if (!image_code_at(image, address))
		return err_set(CHOP_USAGE, EINVAL, "0x%" PRIx64 " is no code of %s", address,
			       image->path);
	if (!resolve_around(image, address, &start, &end, &name))
		return err_set(CHOP_USAGE, EINVAL,
			       "nothing in %s tells which function 0x%" PRIx64 " belongs to",
			       image->path, address);
	resolved->image = image;
	resolved_add(resolved, name, start, end, address);
	return 0;
}

/* "FILE:LINE"; NULL when it is something else, else where the colon is. */
static const char *line_colon(const char *what)
{
	const char *colon = strrchr(what, ':');

	if (!colon || colon == what || colon[-1] == ':' || !colon[1] ||
	    colon[1 + strspn(colon + 1, "0123456789")])
		return NULL;
	return colon;
}

static bool seen_function(const struct resolved *resolved, uint64_t start)
{
	for (size_t i = 0; i < resolved->code.length; i++) {
		if (resolved->code.items[i].start == start)
			return true;
	}
	return false;
}

/* In each function the first place where the line begins. */
static int by_line(const struct image *image, const char *what, struct resolved *resolved)
{
	const char *colon = line_colon(what);
	cleanup_free char *file = xstrndup(what, (size_t)(colon - what));
	struct u64vec addresses = { 0 };
	int number = atoi(colon + 1), taken = 0;

	if (!lines_known(image))
		return err_set(CHOP_USAGE, ENOENT,
			       "%s has no line numbers: build it with -g, or install its debug "
			       "information",
			       image->path);
	if (!line_addresses(image, file, number, &addresses, &taken))
		return err_set(CHOP_USAGE, ENOENT, "no code of %s is from line %d of a file %s",
			       image->path, number, file);
	if (taken != number)
		resolved_note(resolved, "line %d has no code; line %d is the next one that has",
			      number, taken);
	resolved->image = image;
	for (size_t i = 0; i < addresses.length; i++) {
		uint64_t start, end;
		const char *name = what;

		if (resolve_around(image, addresses.items[i], &start, &end, &name) &&
		    !seen_function(resolved, start))
			resolved_add(resolved, name, start, end, addresses.items[i]);
	}
	vec_release(&addresses);
	if (resolved->code.length)
		return 0;
	return err_set(CHOP_USAGE, ENOENT, "nothing in %s tells which function line %d belongs to",
		       image->path, taken);
}

int resolve(const struct image *program, const char *what, const struct resolve_options *options,
	    struct resolved *resolved)
{
	const char *stub = strstr(what, "@plt");
	int err;

	*resolved = (struct resolved){ 0 };
	if (!*what)
		return err_set(CHOP_USAGE, EINVAL, "the function's name is empty");
	if (stub && !stub[4])
		return err_set(CHOP_USAGE, EINVAL,
			       "%s is a stub that jumps to %.*s in a library; name the function "
			       "itself",
			       what, (int)(stub - what), what);
	if (what[0] == '0' && (what[1] == 'x' || what[1] == 'X'))
		err = by_address(program, what, resolved);
	else if (line_colon(what))
		err = by_line(program, what, resolved);
	else
		err = resolve_name(program, what, options, resolved);
	if (err)
		resolved_release(resolved);
	return err;
}

void resolved_release(struct resolved *resolved)
{
	for (size_t i = 0; i < resolved->code.length; i++) {
		free(resolved->code.items[i].name);
		vec_release(&resolved->code.items[i].inlined);
	}
	for (size_t i = 0; i < resolved->notes.length; i++)
		free(resolved->notes.items[i]);
	vec_release(&resolved->code);
	vec_release(&resolved->notes);
	if (resolved->library.file)
		image_close(&resolved->library);
	free(resolved->module);
	*resolved = (struct resolved){ 0 };
}

static bool in_ranges(const struct inlined_range_vec *ranges, uint64_t address)
{
	for (size_t i = 0; i < ranges->length; i++) {
		if (address >= ranges->items[i].start && address < ranges->items[i].end)
			return true;
	}
	return false;
}

/* An inlined function ends where the code of its ranges goes on elsewhere. */
static int inlined_marks(const struct resolved *resolved, const struct resolved_code *code,
			 struct marks *marks)
{
	cleanup_flow struct flow flow = { 0 };
	int err = flow_read(resolved->image, marks, &flow);
	size_t entry;
	bool *set;

	if (err)
		return err;
	set = xcalloc(flow.instructions.length + 1, sizeof(*set));
	for (size_t i = 0; i < flow.instructions.length; i++)
		set[i] = in_ranges(&code->inlined, flow.instructions.items[i].address);
	entry = flow_find(&flow, code->begin);
	if (entry != SIZE_MAX)
		flow_close(&flow, entry, set);
	marks->ends.length = marks->tail_calls.length = marks->conditional_tail_calls.length = 0;
	flow_exits(&flow, set, &marks->ends);
	free(set);
	return 0;
}

int resolved_marks(const struct resolved *resolved, const struct resolved_code *code,
		   struct marks *marks)
{
	int err = marks_find_range(resolved->image, code->start, code->end, code->name, marks);

	if (!err && code->inlined.length)
		err = inlined_marks(resolved, code, marks);
	if (err)
		marks_release(marks);
	else
		marks->begin = code->begin;
	return err;
}
