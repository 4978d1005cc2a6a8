// SPDX-License-Identifier: Apache-2.0
#include "arch/arch.h"

#include <cpuid.h>
#include <stdio.h>
#include <string.h>

#include <chop/xstate_x86_64.h>

/*
 * The standard format is "offset and size as CPUID leaf 0xd says", and vendors say
 * different things: Intel keeps the room MPX had, AMD does not. Known ones serve for
 * images from other machines.
 */
static const struct chop_xstate_component intel[] = {
	{ XSTATE_YMM, 576, 256, 0 },
	{ 3, 960, 64, 0 },
	{ 4, 1024, 64, 0 },
	{ XSTATE_OPMASK, 1088, 64, 0 },
	{ XSTATE_ZMM_HI256, 1152, 512, 0 },
	{ XSTATE_HI16_ZMM, 1664, 1024, 0 },
	{ XSTATE_PKRU, 2688, 8, 0 },
	{ XSTATE_TILECFG, 2752, 64, 0 },
	{ XSTATE_TILEDATA, 2816, 8192, 0 },
	{ 19, 960, 128, 0 },
};
static const struct chop_xstate_component amd[] = {
	{ XSTATE_YMM, 576, 256, 0 },	   { XSTATE_OPMASK, 832, 64, 0 },
	{ XSTATE_ZMM_HI256, 896, 512, 0 }, { XSTATE_HI16_ZMM, 1408, 1024, 0 },
	{ XSTATE_PKRU, 2432, 8, 0 },
};

/* Keep what `features` names; returns where the image would end. */
static size_t select_components(struct arch_xstate_layout *layout, uint64_t features,
				const struct chop_xstate_component *from, size_t count)
{
	size_t end = XSTATE_HEADER_END;

	layout->count = 0;
	for (size_t i = 0; i < count; i++) {
		if (!(features >> from[i].number & 1))
			continue;
		layout->components[layout->count++] = from[i];
		if (from[i].offset + from[i].size > end)
			end = from[i].offset + from[i].size;
	}
	return end;
}

static size_t this_machine(struct chop_xstate_component *components)
{
	unsigned int size, offset, c, d;
	size_t count = 0;

	for (uint32_t n = 2; n < 63 && count < ARCH_XSTATE_COMPONENTS; n++) {
		/* ecx bit 0: a supervisor component, not in the standard format. */
		if (__get_cpuid_count(0xd, n, &size, &offset, &c, &d) && size && !(c & 1))
			components[count++] = (struct chop_xstate_component){ n, offset, size, 0 };
	}
	return count;
}

static uint64_t features_of(const uint8_t *image, size_t size)
{
	uint64_t xcr0 = chop_xstate_load(image + XSTATE_XCR0_OFFSET, 8);

	if (size >= XSTATE_HEADER_END)
		xcr0 |= chop_xstate_load(image + XSTATE_BV_OFFSET, 8);
	return xcr0;
}

int arch_xstate_layout(const uint8_t *image, size_t size, struct arch_xstate_layout *layout)
{
	struct chop_xstate_component here[ARCH_XSTATE_COMPONENTS];
	size_t count = this_machine(here);
	uint64_t features;

	*layout = (struct arch_xstate_layout){ 0 };
	if (size < XSTATE_LEGACY_SIZE)
		return -1;
	features = features_of(image, size);
	layout->features = features | 3;
	if (size < XSTATE_HEADER_END)
		return 0;
	if (select_components(layout, features, here, count) == size ||
	    select_components(layout, features, intel, sizeof(intel) / sizeof(*intel)) == size ||
	    select_components(layout, features, amd, sizeof(amd) / sizeof(*amd)) == size)
		return 0;
	/* Cut after the last component that matters: what is missing is in its initial state. */
	select_components(layout, features, here, count);
	return 0;
}

void arch_xstate_canonical(uint8_t *xstate, size_t size)
{
	struct arch_xstate_layout layout;
	uint64_t xcr0;

	if (size < XSTATE_LEGACY_SIZE || arch_xstate_layout(xstate, size, &layout))
		return;
	xcr0 = chop_xstate_load(xstate + XSTATE_XCR0_OFFSET, 8);
	chop_xstate_canonical(xstate, size, layout.components, layout.count);
	/* Without it nobody could tell the layout any more. */
	memcpy(xstate + XSTATE_XCR0_OFFSET, &xcr0, sizeof(xcr0));
}

const char *arch_xstate_difference(const uint8_t *a, const uint8_t *b, size_t size, size_t *offset)
{
	static _Thread_local char name[32];
	struct arch_xstate_layout layout, other;
	int64_t at;
	int component, index;
	const char *group;

	if (arch_xstate_layout(a, size, &layout) || arch_xstate_layout(b, size, &other))
		return NULL;
	if (other.count > layout.count)
		layout = other;
	component = chop_xstate_differs(a, size, b, size, layout.components, layout.count, &at);
	if (component < 0)
		return NULL;
	*offset = (size_t)at;
	for (size_t i = 0; i < layout.count; i++) {
		if ((int)layout.components[i].number == component)
			at -= layout.components[i].offset;
	}
	group = chop_xstate_register(component, at, &index);
	if (index < 0)
		snprintf(name, sizeof(name), "%s", group);
	else
		snprintf(name, sizeof(name), "%s%d", group, index);
	return name;
}
