// SPDX-License-Identifier: Apache-2.0
#include "capture/hints.h"

#include <stdlib.h>
#include <string.h>

#include "snippet/snippet.h"

/* What makes an instruction's result reproducible after all, or that it may not have been run. */
static const char *remedy(const char *name, bool hidden)
{
	if (!strcmp(name, "rdtsc") || !strcmp(name, "rdtscp"))
		return "; -record-tsc records it";
	if (!strcmp(name, "xgetbv"))
		return "";
	return hidden ? "; the program was told that the processor has none"
		      : "; -hide-unrepeatable has programs do without";
}

/* The C library has transactions for its locks, and does not use them unless told to. */
static bool is_elision(const struct capture *capture, const struct arch_isa_hint *hint)
{
	const struct capture_mapping *mapping = capture_mapping_at(capture, hint->address);
	const char *tunables = getenv("GLIBC_TUNABLES");

	return mapping && strstr(mapping->path, "/libc") && !strcmp(hint->name, "xbegin") &&
	       !(tunables && strstr(tunables, "elision"));
}

static bool is_known(const char *name, bool record_tsc)
{
	/* The same processor says the same again. */
	if (!strcmp(name, "cpuid"))
		return true;
	return record_tsc && !strncmp(name, "rdtsc", 5);
}

void hints_warn(struct capture *capture, bool record_tsc, bool hidden)
{
	struct arch_isa isa;

	snippet_scan(capture, &isa);
	for (size_t i = 0; i < isa.hint_count; i++) {
		const struct arch_isa_hint *hint = &isa.hints[i];
		size_t first = 0;

		while (strcmp(isa.hints[first].name, hint->name) != 0)
			first++;
		if (first == i && !is_known(hint->name, record_tsc) && !is_elision(capture, hint))
			capture_warn(capture,
				     "the region's code has %s at 0x%lx, whose result a replay "
				     "does not repeat%s",
				     hint->name, hint->address, remedy(hint->name, hidden));
	}
}
