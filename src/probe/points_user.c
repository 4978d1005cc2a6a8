// SPDX-License-Identifier: Apache-2.0
/* Functions, lines and addresses of programs and libraries. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "arch/probe_regs.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "elf/cxx.h"
#include "elf/probing.h"
#include "elf/resolve.h"
#include "probe/points.h"

/* Functions that return twice, or to elsewhere: a return that is taken by the kernel breaks them. */
static const char *const strange[] = {
	"setjmp",	   "_setjmp",
	"__setjmp",	   "sigsetjmp",
	"__sigsetjmp",	   "longjmp",
	"_longjmp",	   "siglongjmp",
	"__longjmp",	   "__longjmp_chk",
	"vfork",	   "__vfork",
	"getcontext",	   "setcontext",
	"swapcontext",	   "makecontext",
	"__start_context", "clone",
	"__clone",	   "__clone2",
	"clone3",	   "__clone3",
	"__libc_vfork",	   "_start",
	"__restore_rt",	   "__libc_siglongjmp",
	"__libc_longjmp",
};

static const char unsafe[] =
	"a breakpoint would harm it: uprobes misread its first instruction (EVEX "
	"or VEX prefix, or lock)";

static bool is_strange(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(strange); i++) {
		if (!strcmp(name, strange[i]))
			return true;
	}
	return !strncmp(name, "_dl_runtime_", 12) || !strncmp(name, "_dl_tlsdesc_", 12);
}

static bool takes_return(const struct point_spec *spec, const struct points_options *options)
{
	return spec->at_return || options->latency;
}

/* Programs that do not survive what is asked for. */
static int check_returns(const struct image *image, const struct point_spec *spec,
			 const struct points_options *options)
{
	if (!takes_return(spec, options))
		return 0;
	if (probing_is_go(image) && !options->force)
		return err_set(CHOP_USAGE, EPERM,
			       "%s is written in Go, whose stacks move: taking returns of its "
			       "functions would crash it; probe their entries, or use --force",
			       image->path);
	if (probing_throws(image))
		log_warn("%s uses C++ exceptions; one that passes a function whose return is "
			 "probed ends the program",
			 image->path);
	return 0;
}

static char *row_name(const struct image *image, const char *symbol, bool at_return)
{
	cleanup_free char *decoded = cxx_demangle(symbol);

	return xasprintf("%s:%s%s", point_base(image->path), decoded ? decoded : symbol,
			 at_return ? "%return" : "");
}

static bool add_site(struct points *points, const struct image *image,
		     const struct point_spec *spec, const char *name, uint64_t address,
		     bool at_entry, uint32_t plan)
{
	cleanup_free char *row = row_name(image, name, spec->at_return);
	uint64_t offset;

	if (!probing_offset(image, address, &offset)) {
		probe_points_skip(points, name, "not in the file");
		return false;
	}
	if (!probing_is_safe(image, address)) {
		probe_points_skip(points, name, unsafe);
		return false;
	}
	*vec_push(&points->sites) = (struct point_site){
		.kind = POINT_USER,
		.at_return = spec->at_return,
		.at_entry = at_entry && !spec->at_return,
		.row = probe_points_row(points, row),
		.plan = plan,
		.path = probe_points_string(points, image->path),
		.offset = offset,
	};
	return true;
}

/* Without names of variables one plan serves all functions. */
static bool same_plan(const struct point_spec *spec)
{
	for (size_t i = 0; i < spec->args.length; i++) {
		const char *arg = spec->args.items[i], *equal = strchr(arg, '=');

		arg = equal ? equal + 1 : arg;
		if (*arg != '%' && strncmp(arg, "arg", 3) && strcmp(arg, "ret"))
			return false;
	}
	return !spec->tests.length || spec->args.length;
}

/* -- patterns -------------------------------------------------------------------------------------- */

static int add_symbol(struct points *points, const struct image *image,
		      const struct point_spec *spec, const struct points_options *options,
		      const struct symbol *symbol, uint32_t *plan)
{
	struct arg_context context = {
		.spec = spec, .image = image, .address = symbol->address, .at_entry = true
	};
	int error;

	if (takes_return(spec, options) && is_strange(symbol->name)) {
		probe_points_skip(points, symbol->name, "does not return like others");
		return 0;
	}
	if (*plan == UINT32_MAX || !same_plan(spec)) {
		error = probe_points_plan(points, &context, plan);
		if (error)
			return error;
	}
	add_site(points, image, spec, symbol->name, symbol->address, true, *plan);
	return 0;
}

/* Of two names of a function the one people know. */
static bool is_better(const struct symbol *a, const struct symbol *b)
{
	size_t under_a = strspn(a->name, "_"), under_b = strspn(b->name, "_");

	if (a->dynamic != b->dynamic)
		return a->dynamic;
	if (a->global != b->global)
		return a->global;
	if (under_a != under_b)
		return under_a < under_b;
	return strlen(a->name) < strlen(b->name);
}

/* The best of the functions from `first` on that have its address and match; the others' end. */
static const struct symbol *best_alias(const struct image *image, const char *pattern, size_t first,
				       size_t *end)
{
	const struct symbol *symbols = image->symbols.items, *best = NULL;
	size_t i = first;

	for (; i < image->symbols.length && symbols[i].address == symbols[first].address; i++) {
		if (symbols[i].kind == SYMBOL_FUNCTION && !strstr(symbols[i].name, ".cold") &&
		    cxx_fits(pattern, symbols[i].name) && (!best || is_better(&symbols[i], best)))
			best = &symbols[i];
	}
	*end = i;
	return best;
}

static int add_pattern(struct points *points, const struct image *image,
		       const struct point_spec *spec, const struct points_options *options)
{
	size_t before = points->sites.length, end;
	uint32_t plan = UINT32_MAX;
	int error = 0;

	for (size_t i = 0; i < image->symbols.length && !error; i = end) {
		const struct symbol *symbol = best_alias(image, spec->name, i, &end);

		if (symbol)
			error = add_symbol(points, image, spec, options, symbol, &plan);
	}
	if (!error && points->sites.length == before && !points->skips.length)
		return err_set(CHOP_USAGE, ENOENT, "no function of %s matches '%s'", image->path,
			       spec->name);
	return error;
}

/* -- one function, line or address ---------------------------------------------------------------- */

static int check_address(const struct resolved *resolved, const struct resolved_code *code,
			 const struct points_options *options)
{
	const uint8_t *bytes;

	if (code->begin == code->start)
		return 0;
	if (!probing_is_instruction(resolved->image, code->start, code->begin))
		return err_set(CHOP_USAGE, EINVAL,
			       "no instruction of %s begins at 0x%" PRIx64
			       "; a breakpoint there would change what it does",
			       code->name, code->begin);
	bytes = image_bytes(resolved->image, code->begin, 5);
	if (bytes && arch_probe_clobbers(bytes, 5) && !options->force)
		return err_set(CHOP_USAGE, EPERM,
			       "at 0x%" PRIx64 " is a 5-byte nop inside a function; newer kernels "
			       "overwrite data of the function there; take the instruction before "
			       "or after, or use --force",
			       code->begin);
	return 0;
}

static int add_code(struct points *points, const struct resolved *resolved,
		    const struct resolved_code *code, const struct point_spec *spec,
		    const struct points_options *options)
{
	bool at_entry = code->begin == code->start;
	struct arg_context context = {
		.spec = spec, .image = resolved->image, .address = code->begin, .at_entry = at_entry
	};
	cleanup_free char *name = NULL;
	uint32_t plan;
	int error;

	if (takes_return(spec, options) && (!at_entry || is_strange(code->name)))
		return err_set(CHOP_USAGE, EINVAL,
			       at_entry ? "%s does not return like other functions: taking its "
					  "return would crash the program"
					: "'%s': a return is that of a whole function; name it",
			       at_entry ? code->name : spec->text);
	error = check_address(resolved, code, options);
	if (!error && !probing_is_safe(resolved->image, code->begin)) {
		probe_points_skip(points, code->name, unsafe);
		return 0;
	}
	if (!error)
		error = probe_points_plan(points, &context, &plan);
	if (error)
		return error;
	name = at_entry ? xstrdup(code->name)
			: xasprintf("%s+0x%" PRIx64, code->name, code->begin - code->start);
	add_site(points, resolved->image, spec, name, code->begin, at_entry, plan);
	return 0;
}

static int add_inlined(struct points *points, const struct resolved *resolved,
		       const struct point_spec *spec)
{
	struct arg_context context = { .spec = spec, .image = resolved->image };
	uint32_t plan;

	for (size_t i = 0; i < resolved->code.length; i++) {
		int error;

		context.address = resolved->code.items[i].begin;
		error = probe_points_plan(points, &context, &plan);
		if (error)
			return error;
		add_site(points, resolved->image, spec, spec->name, context.address, false, plan);
	}
	return 0;
}

static int add_resolved(struct points *points, const struct resolved *resolved,
			const struct point_spec *spec, const struct points_options *options)
{
	int error = check_returns(resolved->image, spec, options);

	for (size_t i = 0; i < resolved->notes.length; i++)
		log_info("%s", resolved->notes.items[i]);
	if (!error && resolved->code.length && resolved->code.items[0].inlined.length) {
		if (takes_return(spec, options))
			return err_set(CHOP_USAGE, EINVAL,
				       "%s was inlined everywhere: it has no "
				       "return of its own",
				       spec->name);
		return add_inlined(points, resolved, spec);
	}
	for (size_t i = 0; i < resolved->code.length && !error; i++)
		error = add_code(points, resolved, &resolved->code.items[i], spec, options);
	return error;
}

int probe_points_add_user(struct points *points, const struct point_spec *spec,
			  const struct points_options *options)
{
	const struct resolve_options how = { .library_levels = arch_library_levels() };
	cleanup_free char *path = point_file(spec->file, options);
	cleanup_resolved struct resolved resolved = { 0 };
	cleanup_image struct image image = { 0 };
	int error;

	if (!path)
		return -ENOENT;
	error = image_open(path, &image);
	if (error)
		return error;
	if (spec_is_pattern(spec->name)) {
		error = check_returns(&image, spec, options);
		return error ? error : add_pattern(points, &image, spec, options);
	}
	error = resolve(&image, spec->name, &how, &resolved);
	return error ? error : add_resolved(points, &resolved, spec, options);
}
