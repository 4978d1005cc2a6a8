// SPDX-License-Identifier: Apache-2.0
/* The extended state register by register, for formats that name each one. */
#include "arch/arch.h"

#include <stdio.h>
#include <string.h>

#include <chop/xstate_x86_64.h>

struct view {
	const uint8_t *image;
	size_t size;
	struct arch_xstate_layout layout;
};

static bool has(const struct view *view, unsigned int component)
{
	return view->layout.features >> component & 1;
}

/* Part of a component; what an image does not have any more is zero. */
static void copy_part(const struct view *view, unsigned int component, size_t offset, size_t size,
		      uint8_t *to)
{
	memset(to, 0, size);
	for (size_t i = 0; i < view->layout.count; i++) {
		const struct chop_xstate_component *c = &view->layout.components[i];

		if (c->number == component && c->offset + offset + size <= view->size)
			memcpy(to, view->image + c->offset + offset, size);
	}
}

static void vector(const struct view *view, unsigned int n, struct arch_wide_reg *reg)
{
	const char *family = "XMM";

	reg->size = 16;
	if (has(view, XSTATE_YMM)) {
		family = "YMM";
		reg->size = 32;
	}
	if (has(view, XSTATE_ZMM_HI256)) {
		family = "ZMM";
		reg->size = 64;
	}
	snprintf(reg->name, sizeof(reg->name), "%s%u", family, n);
	if (n >= 16) {
		copy_part(view, XSTATE_HI16_ZMM, (n - 16) * 64, 64, reg->bytes);
		return;
	}
	memcpy(reg->bytes, view->image + 160 + n * 16, 16);
	if (reg->size > 16)
		copy_part(view, XSTATE_YMM, n * 16, 16, reg->bytes + 16);
	if (reg->size > 32)
		copy_part(view, XSTATE_ZMM_HI256, n * 32, 32, reg->bytes + 32);
}

static void legacy(const struct view *view, const char *name, size_t offset, size_t size,
		   struct arch_wide_reg *reg)
{
	snprintf(reg->name, sizeof(reg->name), "%s", name);
	memcpy(reg->bytes, view->image + offset, size);
	reg->size = size;
}

/* Offsets of the FXSAVE area: SDM volume 1, table 13-1. */
static bool x87(const struct view *view, unsigned int n, struct arch_wide_reg *reg)
{
	char name[8];

	if (n == 0)
		legacy(view, "FCW", 0, 2, reg);
	else if (n == 1)
		legacy(view, "FSW", 2, 2, reg);
	else if (n == 2)
		legacy(view, "MXCSR", XSTATE_MXCSR_OFFSET, 4, reg);
	else if (n < 11) {
		snprintf(name, sizeof(name), "ST%u", n - 3);
		legacy(view, name, 32 + (n - 3) * 16, 10, reg);
	}
	return n < 11;
}

bool arch_wide_reg(const uint8_t *xstate, size_t size, unsigned int n, struct arch_wide_reg *reg)
{
	struct view view = { .image = xstate, .size = size };
	unsigned int vectors, masks;

	if (arch_xstate_layout(xstate, size, &view.layout))
		return false;
	vectors = has(&view, XSTATE_HI16_ZMM) ? 32 : 16;
	masks = has(&view, XSTATE_OPMASK) ? 8 : 0;
	if (n < vectors) {
		vector(&view, n, reg);
		return true;
	}
	n -= vectors;
	if (n < masks) {
		snprintf(reg->name, sizeof(reg->name), "K%u", n);
		copy_part(&view, XSTATE_OPMASK, n * 8, 8, reg->bytes);
		reg->size = 8;
		return true;
	}
	return x87(&view, n - masks, reg);
}
