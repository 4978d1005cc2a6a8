// SPDX-License-Identifier: Apache-2.0
#include "capture/hints.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <chop/syslog.h>

#include "snippet/snippet.h"

/* What makes an instruction's result reproducible after all, or that it may not have been run. */
static const char *remedy(const char *name, bool hidden)
{
	if (!strcmp(name, "rdtsc") || !strcmp(name, "rdtscp"))
		return "; -record-tsc records it";
	if (!strcmp(name, "cpuid"))
		return " on another processor; -record-cpuid records it";
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

static bool is_known(const char *name, const struct hints_known *known)
{
	if (!strcmp(name, "cpuid"))
		return known->cpuid;
	return known->tsc && !strncmp(name, "rdtsc", 5);
}

/* Code that the region has mapped itself is in no captured page to be decoded. */
static void warn_loaded(struct capture *capture)
{
	const uint8_t *payload = (const uint8_t *)buf_text(&capture->calls.payload);
	const struct chop_event *event;
	struct chop_event_parts parts;
	uint64_t offset = 0;

	while ((event = chop_event_next(payload, capture->calls.payload.length, &offset, &parts))) {
		if (event->kind != CHOP_EVENT_CALL || event->number != SYS_mmap ||
		    event->result < 0 || !(event->args[2] & PROT_EXEC) ||
		    event->args[3] & MAP_ANONYMOUS)
			continue;
		capture_warn(capture,
			     "the region loads code at 0x%" PRIx64
			     "; if that asks the processor for its number or the time, a replay "
			     "differs: -record-cpuid and -record-tsc record what it says",
			     (uint64_t)event->result);
		return;
	}
}

/* Only the program and the region's module were searched for such addresses. */
static void warn_emulated(struct capture *capture)
{
	for (size_t i = 0; i < capture->pages.length; i++) {
		const struct capture_page *page = &capture->pages.items[i];

		if (!(page->flags & PAGE_EXECUTE) || page->flags & PAGE_SUPPORT ||
		    !arch_names_emulated(page->before, CHOP_PAGE_SIZE))
			continue;
		capture_warn(capture,
			     "the region's code has an address of the vsyscall page, at 0x%" PRIx64
			     "; if it calls it, a replay diverges there",
			     page->address);
		return;
	}
}

void hints_warn(struct capture *capture, const struct hints_known *known)
{
	struct arch_isa isa;

	if (!known->tsc || !known->cpuid)
		warn_loaded(capture);
	if (!known->emulated)
		warn_emulated(capture);
	snippet_scan(capture, &isa);
	for (size_t i = 0; i < isa.hint_count; i++) {
		const struct arch_isa_hint *hint = &isa.hints[i];
		size_t first = 0;

		while (strcmp(isa.hints[first].name, hint->name) != 0)
			first++;
		if (first == i && !is_known(hint->name, known) && !is_elision(capture, hint))
			capture_warn(capture,
				     "the region's code has %s at 0x%lx, whose result a replay "
				     "does not repeat%s",
				     hint->name, hint->address, remedy(hint->name, known->hidden));
	}
}
