// SPDX-License-Identifier: Apache-2.0
#include "capture/marks.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "tracee/inject.h"

#define SUGGESTIONS 3
/* With more modules than this the name is not looked up in those after the first hit. */
#define AMBIGUITY_MODULES 32

void region_marks_release(struct region_marks *marks)
{
	vec_release(&marks->begins);
	vec_release(&marks->ends);
	free(marks->function);
	free(marks->module);
	*marks = (struct region_marks){ 0 };
}

static struct module *named_module(struct tracee *tracee, const char *name)
{
	for (size_t i = 0; i < tracee->modules.length; i++) {
		if (module_is(tracee->modules.items[i], name))
			return tracee->modules.items[i];
	}
	return NULL;
}

/* "; did you mean 'a' or 'b'?", or nothing. */
static void suggest(struct tracee *tracee, const struct session_options *options, struct buf *out)
{
	for (size_t i = 0; i < tracee->modules.length; i++) {
		struct module *module = tracee->modules.items[i];
		const char *names[SUGGESTIONS];
		struct image *image;
		size_t count;

		if (options->module && !module_is(module, options->module))
			continue;
		image = module_image(module);
		count = image ? image_suggest(image, options->function, names, SUGGESTIONS) : 0;
		for (size_t k = 0; k < count; k++)
			buf_printf(out, "%s '%s'", k ? " or" : "; did you mean", names[k]);
		if (count) {
			buf_add_char(out, '?');
			return;
		}
	}
}

static int no_function(struct tracee *tracee, const struct session_options *options)
{
	cleanup_buf struct buf hint = { 0 };

	suggest(tracee, options, &hint);
	if (options->module)
		return err_set(CHOP_USAGE, ENOENT, "no function '%s' in %s%s", options->function,
			       options->module, buf_text(&hint));
	if (!hint.length)
		buf_add_text(&hint, "; -module names a library that is loaded later");
	return err_set(CHOP_USAGE, ENOENT, "no function '%s' in %s or its %zu libraries%s",
		       options->function, tracee->program, tracee->modules.length - 1,
		       buf_text(&hint));
}

/* The module and symbol the name stands for: the program first, then link-map order. */
static const struct symbol *
find_function(struct tracee *tracee, const struct session_options *options, struct module **found)
{
	const struct symbol *symbol = NULL;

	for (size_t i = 0; i < tracee->modules.length; i++) {
		struct module *module = tracee->modules.items[i];
		const struct symbol *here;
		struct image *image;

		if (options->module && !module_is(module, options->module))
			continue;
		image = module_image(module);
		here = image ? image_find(image, options->function, NULL) : NULL;
		if (!here || (here->kind != SYMBOL_FUNCTION && here->kind != SYMBOL_IFUNC))
			continue;
		if (symbol) {
			log_info("%s is taken from %s; %s defines it too (-module chooses)",
				 options->function, module_file_name(*found),
				 module_file_name(module));
			break;
		}
		symbol = here;
		*found = module;
		if (tracee->modules.length > AMBIGUITY_MODULES)
			break;
	}
	err_clear(); /* of images that could not be opened */
	return symbol;
}

void marks_resolved(struct region_marks *marks, uint64_t implementation)
{
	marks->begins.length = 0;
	*vec_push(&marks->begins) = implementation;
	marks->resolver = 0;
	marks->found = true;
}

static int resolve_function(struct tracee *tracee, struct thread *thread,
			    const struct session_options *options, struct region_marks *marks)
{
	struct module *module = NULL;
	const struct symbol *symbol = find_function(tracee, options, &module);
	uint64_t address;
	int error;

	if (!symbol)
		return no_function(tracee, options);
	marks->function = xstrdup(options->function);
	marks->module = xstrdup(module->path);
	address = module->bias + symbol->address;
	if (symbol->kind == SYMBOL_IFUNC && !module->relocated) {
		marks->resolver = address;
		return 0;
	}
	if (symbol->kind == SYMBOL_IFUNC) {
		error = inject_function(tracee, thread, address, &address);
		if (error)
			return err_sys(CHOP_MISSING, -error,
				       "cannot tell which implementation of %s is used",
				       options->function);
	}
	log_verbose("%s is at 0x%" PRIx64 " in %s", options->function, address, module->path);
	marks_resolved(marks, address);
	return 0;
}

static bool in_code(const struct image *image, uint64_t address)
{
	for (size_t i = 0; i < image->segments.length; i++) {
		const struct image_segment *segment = &image->segments.items[i];

		if (segment->flags & PF_X && address >= segment->address &&
		    address - segment->address < segment->memory_size)
			return true;
	}
	return false;
}

/* An address as objdump shows it, or one of the running program. */
static int resolve_address(struct module *module, uint64_t address, const char *what,
			   struct u64vec *out)
{
	const struct image *image = module_image(module);
	uint64_t in_file = address;

	if (!image)
		return module->open_error;
	if (in_code(image, address))
		address += module->bias;
	else if (!in_code(image, address - module->bias))
		return err_set(CHOP_USAGE, EINVAL,
			       "the %s 0x%" PRIx64
			       " is not in the code of %s (-module chooses another)",
			       what, address, module->path);
	else
		in_file -= module->bias;
	if (!image_is_instruction(image, in_file))
		log_warn("the %s 0x%" PRIx64 " seems to be in the middle of an instruction of %s: "
			 "a breakpoint there would damage it",
			 what, in_file, module_file_name(module));
	*vec_push(out) = address;
	return 0;
}

static int resolve_addresses(struct module *module, const struct session_options *options,
			     struct region_marks *marks)
{
	int error = 0;

	for (size_t i = 0; i < options->begins.length && !error; i++)
		error = resolve_address(module, options->begins.items[i], "begin", &marks->begins);
	for (size_t i = 0; i < options->ends.length && !error; i++)
		error = resolve_address(module, options->ends.items[i], "end", &marks->ends);
	if (error)
		return error;
	marks->module = xstrdup(module->path);
	marks->found = true;
	return 0;
}

int marks_resolve(struct tracee *tracee, struct thread *thread,
		  const struct session_options *options, struct region_marks *marks)
{
	struct module *module = tracee->modules.items[0];

	if (!tracee->loaded)
		return 0;
	if (options->module) {
		module = named_module(tracee, options->module);
		if (!module)
			return 0;
	}
	if (options->function)
		return resolve_function(tracee, thread, options, marks);
	return resolve_addresses(module, options, marks);
}

int marks_missing(const struct tracee *tracee, const struct session_options *options)
{
	return err_set(CHOP_USAGE, ENOENT, "%s never loaded a module '%s'",
		       tracee->program ? tracee->program : options->argv[0], options->module);
}
