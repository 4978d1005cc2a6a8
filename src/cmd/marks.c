// SPDX-License-Identifier: Apache-2.0
#include "cmd/cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "cmd/object.h"
#include "elf/loops.h"
#include "elf/marks.h"
#include "elf/resolve.h"

struct options {
	bool cache, all, inlined, loop;
	uint64_t line;
};

static const struct opt table[] = {
	OPT_FLAG('l', "loop", struct options, loop, "the loops of FUNCTION instead of itself"),
	OPT_NUMBER(0, "line", struct options, line, "N",
		   "with --loop: only that of source line N, or the innermost around it", .min = 1,
		   .max = INT32_MAX),
	OPT_FLAG('i', "inlined", struct options, inlined,
		 "the places where FUNCTION was inlined instead of itself"),
	OPT_FLAG('a', "all", struct options, all,
		 "every function of OBJ, one a line: NAME -begin..."),
	OPT_FLAG(0, "cache", struct options, cache, "accepted, does nothing"),
	OPT_END,
};

static const struct opt_spec spec = {
	.usage = "chop marks [--loop [--line N]] [--inlined] OBJ FUNCTION\n"
		 "chop marks --all OBJ",
	.about = "Print where a function begins and ends, as options for `chop trace`:\n"
		 "-begin ADDRESS, then -end ADDRESS for each return and tail call. A function\n"
		 "of a library that the program OBJ uses gets a line -module NAME first.\n"
		 "FUNCTION is a name (C++ names as far as they are unique), NAME@VERSION,\n"
		 "FILE:LINE or 0xADDRESS. OBJ is not run.",
	.options = table,
	.examples = "  chop trace $(chop marks ./app compute) ./app\n"
		    "  chop marks xz lzma_code\n"
		    "  chop marks ./app app.c:120\n"
		    "  chop marks ./app 'ns::Matrix::multiply(int)'\n"
		    "  chop marks --loop ./app compute",
	.intermixed = true,
};

static void add_all(struct u64vec *all, const struct u64vec *some)
{
	for (size_t i = 0; i < some->length; i++)
		*vec_push(all) = some->items[i];
}

static void warn_conditional(const char *name, const struct marks *marks)
{
	cleanup_buf struct buf list = { 0 };

	for (size_t i = 0; i < marks->conditional_tail_calls.length; i++)
		buf_printf(&list, "%s%" PRIx64, i ? ", " : "",
			   marks->conditional_tail_calls.items[i]);
	if (list.length)
		log_warn("%s also leaves by conditional jumps, which cannot be ends (%s); "
			 "`chop trace -function %s` ends at the return",
			 name, list.data, name);
}

static int print_marks(const struct resolved_code *code, const struct marks *marks,
		       const char *module, bool warn)
{
	struct u64vec ends = { 0 };

	add_all(&ends, &marks->ends);
	add_all(&ends, &marks->tail_calls);
	vec_sort(&ends, u64_order);
	if (!ends.length)
		return err_set(
			CHOP_USAGE, EINVAL,
			"%s never returns: there is no return and no tail call from 0x%" PRIx64
			" to 0x%" PRIx64 "; use -begin %" PRIx64 " with an -end of your choice",
			code->name, code->start, code->end, code->begin);
	if (module)
		printf("-module %s\n", module);
	printf("-begin %" PRIx64 "\n", code->begin);
	for (size_t i = 0; i < ends.length; i++)
		printf("-end %" PRIx64 "\n", ends.items[i]);
	vec_release(&ends);
	if (warn)
		warn_conditional(code->name, marks);
	return 0;
}

static void describe_loop(const struct loop *loop)
{
	if (loop->line)
		log_info("loop at %s:%d, lines %d to %d, depth %u, %zu instructions: -begin "
			 "%" PRIx64,
			 loop->file, loop->line, loop->first, loop->last, loop->depth, loop->size,
			 loop->header);
	else
		log_info("loop at %" PRIx64 ", depth %u, %zu instructions", loop->header,
			 loop->depth, loop->size);
}

/* Does the line select the loop: its own, or else the innermost loop around the line. */
static bool wanted(const struct loop_vec *loops, const struct loop *loop, int line)
{
	bool around = loop->line && line >= loop->first && line <= loop->last;

	if (!line || loop->line == line)
		return true;
	for (size_t i = 0; i < loops->length; i++) {
		const struct loop *other = &loops->items[i];

		if (other->line == line || (other->depth > loop->depth && other->line &&
					    line >= other->first && line <= other->last))
			return false;
	}
	return around;
}

static size_t print_wanted_loops(const struct loop_vec *loops, int line, const char *module)
{
	size_t printed = 0;

	for (size_t i = 0; i < loops->length; i++) {
		const struct loop *loop = &loops->items[i];

		if (!wanted(loops, loop, line))
			continue;
		if (!loop->exits.length) {
			log_warn("the loop at %" PRIx64 " is never left", loop->header);
			continue;
		}
		if (!printed++ && module)
			printf("-module %s\n", module);
		describe_loop(loop);
		printf("-begin %" PRIx64 "\n", loop->header);
		for (size_t k = 0; k < loop->exits.length; k++)
			printf("-end %" PRIx64 "\n", loop->exits.items[k]);
	}
	return printed;
}

static int print_loops(const struct resolved *resolved, const struct resolved_code *code,
		       const struct marks *marks, int line)
{
	struct loop_vec loops;
	size_t found, printed;
	int err = loops_find(resolved->image, marks, &loops);

	if (err)
		return err;
	found = loops.length;
	printed = print_wanted_loops(&loops, line, resolved->module);
	loops_release(&loops);
	if (printed)
		return 0;
	if (!found || !line)
		return err_set(CHOP_USAGE, ENOENT, "%s has no loop%s", code->name,
			       found ? " that is ever left" : "");
	return err_set(
		CHOP_USAGE, ENOENT,
		"none of the %zu loops of %s is at line %d, as far as line numbers are known",
		found, code->name, line);
}

static int print_resolved(const struct resolved *resolved, const struct options *options)
{
	int err = 0;

	for (size_t i = 0; i < resolved->notes.length; i++)
		log_info("%s", resolved->notes.items[i]);
	for (size_t i = 0; i < resolved->code.length && !err; i++) {
		const struct resolved_code *code = &resolved->code.items[i];
		cleanup_marks struct marks marks = { 0 };

		err = resolved_marks(resolved, code, &marks);
		if (!err && options->loop)
			err = print_loops(resolved, code, &marks, (int)options->line);
		else if (!err)
			err = print_marks(code, &marks, i ? NULL : resolved->module, i == 0);
	}
	return err;
}

/* Symbols are in order of their addresses; of aliases the first is taken. */
static int print_all(const struct image *image)
{
	uint64_t last = 0;
	bool any = false;

	for (size_t i = 0; i < image->symbols.length; i++) {
		const struct symbol *symbol = &image->symbols.items[i];
		cleanup_marks struct marks marks = { 0 };

		/* Cold parts belong to their functions. */
		if (symbol->kind != SYMBOL_FUNCTION || symbol->address == last ||
		    strstr(symbol->name, ".cold"))
			continue;
		last = symbol->address;
		any = true;
		if (marks_find(image, symbol, &marks)) {
			log_warn("%s", err_message());
			continue;
		}
		printf("%s -begin %" PRIx64, symbol->name, marks.begin);
		add_all(&marks.ends, &marks.tail_calls);
		vec_sort(&marks.ends, u64_order);
		for (size_t k = 0; k < marks.ends.length; k++)
			printf(" -end %" PRIx64, marks.ends.items[k]);
		putchar('\n');
	}
	return any ? 0
		   : err_set(CHOP_USAGE, ENOENT, "%s has no functions with names: it is stripped",
			     image->path);
}

static int find_all(const char *object)
{
	cleanup_free char *path = object_find(object);
	cleanup_image struct image image = { 0 };
	int err = image_open(path, &image);

	return err ? err : print_all(&image);
}

static int find_marks(const char *object, const char *function, const struct options *options)
{
	const struct resolve_options how = {
		.inlined = options->inlined,
		.library_levels = arch_library_levels(),
	};
	cleanup_free char *path = object_find(object);
	cleanup_resolved struct resolved resolved = { 0 };
	cleanup_image struct image image = { 0 };
	int err = image_open(path, &image);

	if (!err)
		err = resolve(&image, function, &how, &resolved);
	return err ? err : print_resolved(&resolved, options);
}

int cmd_marks(int argc, char **argv)
{
	struct options options = { 0 };
	struct strvec rest = { 0 };
	int status;

	if (!cmd_parse(&spec, argc, argv, &options, &rest, &status))
		return status;
	if (options.line && !options.loop)
		status = cmd_usage("--line chooses one of the loops: --loop is missing");
	else if (options.all && rest.length == 1)
		status = find_all(rest.items[0]);
	else if (!options.all && rest.length == 2)
		status = find_marks(rest.items[0], rest.items[1], &options);
	else
		status = cmd_usage("expected %s, got %zu word%s; chop marks --help tells more",
				   options.all ? "OBJ" : "OBJ FUNCTION", rest.length,
				   rest.length == 1 ? "" : "s");
	vec_release(&rest);
	return status;
}
