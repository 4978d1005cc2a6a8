// SPDX-License-Identifier: Apache-2.0
#include "elf/ifunc.h"

#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "elf/cfi.h"
#include "elf/decode.h"

static bool starts_function(const struct image *image, uint64_t address)
{
	const struct symbol *symbol = image_symbol_at(image, address);
	struct image_range range;

	if (!image_code_at(image, address))
		return false;
	if (symbol)
		return symbol->address == address && symbol->kind == SYMBOL_FUNCTION;
	return cfi_range(cfi_of(image), address, &range) && range.start == address;
}

/* The constant that lea or mov puts into a register, 0 when it is something else. */
static uint64_t constant(const struct decoded *decoded, uint64_t address)
{
	const ZydisDecodedOperand *source = &decoded->operands[1];

	if (decoded->instruction.mnemonic == ZYDIS_MNEMONIC_LEA &&
	    source->mem.base == ZYDIS_REGISTER_RIP)
		return address + decoded->instruction.length + (uint64_t)source->mem.disp.value;
	if (decoded->instruction.mnemonic == ZYDIS_MNEMONIC_MOV &&
	    source->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return source->imm.value.u;
	return 0;
}

static void add_once(struct u64vec *values, uint64_t value)
{
	for (size_t i = 0; i < values->length; i++) {
		if (values->items[i] == value)
			return;
	}
	*vec_push(values) = value;
}

void ifunc_variants(const struct image *image, const struct symbol *resolver,
		    struct u64vec *variants)
{
	uint64_t end = image_function_end(image, resolver);
	ZydisDecoder decoder;
	struct decoded decoded;

	if (!image_bytes(image, resolver->address, end - resolver->address))
		return;
	decode_init(&decoder);
	for (uint64_t at = resolver->address; at < end;) {
		uint64_t target;

		if (!decode_at(image, &decoder, at, &decoded)) {
			at++;
			continue;
		}
		target = constant(&decoded, at);
		if (target && starts_function(image, target))
			add_once(variants, target);
		at += decoded.instruction.length;
	}
}

struct place {
	const char *path; /* canonical */
	uintptr_t base;
	bool found;
};

static int visit(struct dl_phdr_info *info, size_t size, void *argument)
{
	struct place *place = argument;
	cleanup_free char *real = *info->dlpi_name ? realpath(info->dlpi_name, NULL) : NULL;

	(void)size;
	if (!real || strcmp(real, place->path))
		return 0;
	place->base = info->dlpi_addr;
	place->found = true;
	return 1;
}

uint64_t ifunc_chosen(const struct image *image, const struct symbol *resolver)
{
	cleanup_free char *real = realpath(image->path, NULL);
	struct place place = { .path = real };
	void *address;

	/* Only what this process has loaded anyway: nothing of the user's is run. */
	if (!real || !dl_iterate_phdr(visit, &place) || !place.found)
		return 0;
	address = resolver->version ? dlvsym(RTLD_DEFAULT, resolver->name, resolver->version)
				    : dlsym(RTLD_DEFAULT, resolver->name);
	if ((uintptr_t)address <= place.base ||
	    !starts_function(image, (uintptr_t)address - place.base))
		return 0;
	return (uintptr_t)address - place.base;
}
