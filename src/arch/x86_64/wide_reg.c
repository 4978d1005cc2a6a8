// SPDX-License-Identifier: Apache-2.0
/* The extended state register by register, for formats that name each one. */
#include "arch/arch.h"

#include <stdio.h>
#include <string.h>

#include <chop/xstate_x86_64.h>

struct view {
	uint8_t *image;
	size_t size;
	bool store; /* into the image, which is not written otherwise */
	struct arch_xstate_layout layout;
};

static bool has(const struct view *view, unsigned int component)
{
	return view->layout.features >> component & 1;
}

static void move(const struct view *view, size_t offset, size_t size, uint8_t *bytes)
{
	if (view->store)
		memcpy(view->image + offset, bytes, size);
	else
		memcpy(bytes, view->image + offset, size);
}

/* Part of a component; what an image does not have any more is zero. */
static void move_part(const struct view *view, unsigned int component, size_t offset, size_t size,
		      uint8_t *bytes)
{
	if (!view->store)
		memset(bytes, 0, size);
	for (size_t i = 0; i < view->layout.count; i++) {
		const struct chop_xstate_component *c = &view->layout.components[i];

		if (c->number == component && c->offset + offset + size <= view->size)
			move(view, c->offset + offset, size, bytes);
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
		move_part(view, XSTATE_HI16_ZMM, (n - 16) * 64, 64, reg->bytes);
		return;
	}
	move(view, 160 + n * 16, 16, reg->bytes);
	if (reg->size > 16)
		move_part(view, XSTATE_YMM, n * 16, 16, reg->bytes + 16);
	if (reg->size > 32)
		move_part(view, XSTATE_ZMM_HI256, n * 32, 32, reg->bytes + 32);
}

static void legacy(const struct view *view, const char *name, size_t offset, size_t size,
		   struct arch_wide_reg *reg)
{
	snprintf(reg->name, sizeof(reg->name), "%s", name);
	move(view, offset, size, reg->bytes);
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

/* Number n of all; false past the last one. */
static bool any(const struct view *view, unsigned int n, struct arch_wide_reg *reg)
{
	unsigned int vectors = has(view, XSTATE_HI16_ZMM) ? 32 : 16;
	unsigned int masks = has(view, XSTATE_OPMASK) ? 8 : 0;

	if (n < vectors) {
		vector(view, n, reg);
		return true;
	}
	n -= vectors;
	if (n < masks) {
		snprintf(reg->name, sizeof(reg->name), "K%u", n);
		move_part(view, XSTATE_OPMASK, n * 8, 8, reg->bytes);
		reg->size = 8;
		return true;
	}
	return x87(view, n - masks, reg);
}

bool arch_wide_reg(const uint8_t *xstate, size_t size, unsigned int n, struct arch_wide_reg *reg)
{
	struct view view = { .image = (uint8_t *)(uintptr_t)xstate, .size = size };

	return !arch_xstate_layout(xstate, size, &view.layout) && any(&view, n, reg);
}

bool arch_set_wide_reg(uint8_t *xstate, size_t size, const struct arch_wide_reg *reg)
{
	struct view view = { .image = xstate, .size = size };
	struct arch_wide_reg found;

	if (arch_xstate_layout(xstate, size, &view.layout))
		return false;
	for (unsigned int n = 0; any(&view, n, &found); n++) {
		if (strcmp(found.name, reg->name))
			continue;
		found = *reg;
		view.store = true;
		any(&view, n, &found);
		return true;
	}
	return false;
}

size_t arch_xstate_blank(uint8_t image[CHOP_XSTATE_MAX], size_t vector_size)
{
	uint64_t features = vector_size > 32 ? 0xe7 : vector_size > 16 ? 7 : 3;
	struct arch_xstate_layout layout;
	size_t size = XSTATE_HEADER_END;

	memset(image, 0, CHOP_XSTATE_MAX);
	memcpy(image + XSTATE_XCR0_OFFSET, &features, sizeof(features));
	memcpy(image + XSTATE_BV_OFFSET, &features, sizeof(features));
	image[0] = 0x7f; /* FCW 0x37f and MXCSR 0x1f80, as after reset */
	image[1] = 0x03;
	image[XSTATE_MXCSR_OFFSET] = 0x80;
	image[XSTATE_MXCSR_OFFSET + 1] = 0x1f;
	arch_xstate_layout(image, CHOP_XSTATE_MAX, &layout);
	for (size_t i = 0; i < layout.count; i++) {
		if (layout.components[i].offset + layout.components[i].size > size)
			size = layout.components[i].offset + layout.components[i].size;
	}
	return size;
}
