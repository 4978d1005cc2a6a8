// SPDX-License-Identifier: Apache-2.0
#include "capture/unwind.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "tracee/modules.h"

/* Names of one function in glibc: which of them a program calls is a matter of headers. */
static const char *const jump_names[] = { "longjmp", "siglongjmp", "_longjmp", "__longjmp_chk" };

static bool named(const struct module *module, const char *prefix)
{
	return !strncmp(module_file_name(module), prefix, strlen(prefix));
}

/* The file has the text, as it has when it refers to a function of another module. */
static bool mentions(const struct image *image, const char *text)
{
	for (size_t i = 0; i < image->segments.length; i++) {
		const struct image_segment *segment = &image->segments.items[i];
		const uint8_t *bytes = image_bytes(image, segment->address, segment->file_size);

		/* Dynamic symbols' names are in the first segment of all linkers. */
		if (bytes)
			return memmem(bytes, segment->file_size, text, strlen(text));
	}
	return false;
}

static void add_once(struct u64vec *addresses, uint64_t address)
{
	for (size_t i = 0; i < addresses->length; i++) {
		if (addresses->items[i] == address)
			return;
	}
	*vec_push(addresses) = address;
}

static void add(struct u64vec *addresses, struct module *module, const char *name)
{
	const struct image *image = module_image(module);
	const struct symbol *symbol = image ? image_find(image, name, NULL) : NULL;

	if (symbol && symbol->kind == SYMBOL_FUNCTION)
		add_once(addresses, module->bias + symbol->address);
}

static bool can_jump(struct module *module)
{
	const struct image *image = module_image(module);

	return image && mentions(image, "longjmp");
}

void unwind_find(struct unwind *unwind, struct tracee *tracee, const char *path)
{
	bool jumps = can_jump(tracee->modules.items[0]);

	unwind_release(unwind);
	for (size_t i = 1; i < tracee->modules.length && !jumps; i++) {
		struct module *module = tracee->modules.items[i];

		if (path && !strcmp(module->path, path) && !named(module, "libc.so"))
			jumps = can_jump(module);
	}
	for (size_t i = 0; i < tracee->modules.length; i++) {
		struct module *module = tracee->modules.items[i];

		if (i == 0 || named(module, "libgcc_s") || named(module, "libunwind"))
			add(&unwind->landings, module, "_Unwind_SetIP");
		for (size_t k = 0; jumps && k < ARRAY_SIZE(jump_names); k++) {
			if (i == 0 || named(module, "libc.so"))
				add(&unwind->jumps, module, jump_names[k]);
		}
	}
	err_clear(); /* of images that could not be opened */
}

void unwind_release(struct unwind *unwind)
{
	vec_release(&unwind->jumps);
	vec_release(&unwind->landings);
}

static bool contains(const struct u64vec *addresses, uint64_t address)
{
	for (size_t i = 0; i < addresses->length; i++) {
		if (addresses->items[i] == address)
			return true;
	}
	return false;
}

bool unwind_target(const struct unwind *unwind, const struct chop_regs *regs, uint64_t floor,
		   unwind_read_fn *read, void *context, uint64_t *target)
{
	uint64_t buffer[ARCH_JUMP_WORDS], guard = 0, sp;
	int error;

	if (contains(&unwind->landings, arch_pc(regs))) {
		/* In which frame that is shows when it is reached. */
		*target = arch_argument(regs, 1);
		return true;
	}
	if (!contains(&unwind->jumps, arch_pc(regs)))
		return false;
	error = read(context, arch_argument(regs, 0), buffer, sizeof(buffer));
	if (!error)
		error = read(context, arch_pointer_guard(regs), &guard, sizeof(guard));
	if (error)
		return false;
	arch_jump_target(buffer, guard, arch_sp(regs), target, &sp);
	return sp > floor;
}
