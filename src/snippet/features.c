// SPDX-License-Identifier: Apache-2.0
/* What the region needs of a processor, and what in it cannot be reproduced. */
#include "snippet/builder.h"

#include "arch/arch.h"
#include "base/log.h"

static const uint8_t *page_of(void *context, uint64_t address)
{
	const struct capture_page *page = capture_find(context, address);

	return page && !(page->flags & PAGE_SUPPORT) ? page->before : NULL;
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

void features_find(struct builder *b)
{
	const struct capture *capture = b->capture;
	const struct arch_code code = { .page = page_of,
					.context = (void *)(uintptr_t)capture,
					.cpu = capture->cpu };
	struct u64vec pages = { 0 };
	struct arch_isa isa;
	uint64_t start = arch_pc(&capture->entry.regs);

	for (size_t i = 0; i < capture->pages.length; i++) {
		const struct capture_page *page = &capture->pages.items[i];

		if ((page->flags & PAGE_EXECUTE) && !(page->flags & PAGE_SUPPORT))
			*vec_push(&pages) = page->address;
	}
	arch_isa_scan(&code, &start, 1, pages.items, pages.length, &isa);
	vec_release(&pages);
	b->header.xcr0_needed |= isa.xcr0;
	b->header.flags |= isa.saves_xstate ? SNIPPET_SAME_XCR0 : 0;
	add_features(b, &isa);
	add_hints(b, &isa);
}
