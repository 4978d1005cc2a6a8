// SPDX-License-Identifier: Apache-2.0
/* What the region needs of a processor, and what in it cannot be reproduced. */
#include "snippet/builder.h"

#include <string.h>

#include "arch/arch.h"
#include "base/log.h"

static const uint8_t *page_of(void *context, uint64_t address)
{
	const struct capture_page *page = capture_find(context, address);

	return page && !(page->flags & PAGE_SUPPORT) ? page->before : NULL;
}

static bool is_code(void *context, uint64_t address)
{
	const struct capture_page *page = capture_find(context, address);

	return page && (page->flags & PAGE_EXECUTE) && !(page->flags & PAGE_SUPPORT);
}

static void add_features(struct builder *b, const struct arch_isa *isa)
{
	struct arch_feature feature;

	for (unsigned int i = 0; arch_isa_feature(isa, i, &feature); i++) {
		struct snippet_feature entry = {
			.leaf = feature.leaf,
			.subleaf = feature.subleaf,
			.reg = feature.reg,
			.bit = feature.bit,
			.name = front_string(b, feature.name),
		};

		buf_add(&b->tables[SNIPPET_FEATURES], &entry, sizeof(entry));
	}
}

static void add_hints(struct builder *b, const struct arch_isa *isa)
{
	for (size_t i = 0; i < isa->hint_count; i++) {
		struct snippet_hint hint = {
			.address = isa->hints[i].address,
			.name = front_string(b, isa->hints[i].name),
		};

		buf_add(&b->tables[SNIPPET_HINTS], &hint, sizeof(hint));
	}
	if (isa->hint_count)
		log_verbose("the region may execute %s at 0x%lx, which is not reproducible",
			    isa->hints[0].name, isa->hints[0].address);
}

struct starts {
	const struct capture *capture;
	struct u64vec addresses;
	uint64_t low, high; /* around all captured code */
};

/* A value that may be a pointer to captured code. */
static void consider(struct starts *starts, uint64_t value)
{
	if (value >= starts->low && value < starts->high &&
	    is_code((void *)(uintptr_t)starts->capture, value))
		*vec_push(&starts->addresses) = value;
}

/*
 * Where code may begin that only pointers lead to: values of registers and words of the
 * captured data - function tables, GOTs, call backs. Some of them lead nowhere near the
 * region; asking for a feature too many is better than SIGILL.
 */
static void find_starts(struct starts *starts, const struct u64vec *code_pages)
{
	const struct capture *capture = starts->capture;
	uint64_t value;

	*vec_push(&starts->addresses) = arch_pc(&capture->entry.regs);
	if (!code_pages->length)
		return;
	starts->low = code_pages->items[0];
	starts->high = *vec_last(code_pages) + CHOP_PAGE_SIZE;
	for (unsigned int i = 0; arch_reg(&capture->entry.regs, i, &value); i++)
		consider(starts, value);
	for (size_t i = 0; i < capture->pages.length; i++) {
		const struct capture_page *page = &capture->pages.items[i];

		if (page->flags & (PAGE_EXECUTE | PAGE_SUPPORT))
			continue;
		for (size_t at = 0; at < CHOP_PAGE_SIZE; at += sizeof(value)) {
			memcpy(&value, page->before + at, sizeof(value));
			consider(starts, value);
		}
	}
}

void snippet_scan(const struct capture *capture, struct arch_isa *isa)
{
	const struct arch_code code = { .page = page_of,
					.is_code = is_code,
					.context = (void *)(uintptr_t)capture,
					.cpu = capture->cpu };
	struct starts starts = { .capture = capture };
	struct u64vec pages = { 0 };

	for (size_t i = 0; i < capture->pages.length; i++) {
		const struct capture_page *page = &capture->pages.items[i];

		if ((page->flags & PAGE_EXECUTE) && !(page->flags & PAGE_SUPPORT))
			*vec_push(&pages) = page->address;
	}
	find_starts(&starts, &pages);
	arch_isa_scan(&code, starts.addresses.items, starts.addresses.length, pages.items,
		      pages.length, isa);
	vec_release(&starts.addresses);
	vec_release(&pages);
}

void features_find(struct builder *b)
{
	struct arch_isa isa;

	snippet_scan(b->capture, &isa);
	b->header.xcr0_needed |= isa.xcr0;
	b->header.flags |= isa.saves_xstate ? SNIPPET_SAME_XCR0 : 0;
	add_features(b, &isa);
	add_hints(b, &isa);
}
