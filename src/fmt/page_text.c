// SPDX-License-Identifier: Apache-2.0
/* Page traces as text for people and for simple programs. */
#include "fmt/page_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>

#include "arch/arch.h"
#include "base/buf.h"
#include "fmt/page_places.h"

static int put(struct page_writer *writer, const struct buf *line)
{
	mem_out_add(&writer->out, line->data, line->length);
	return 0;
}

/* ---- text: a line a record, addresses named --------------------------------------------- */

struct text {
	struct page_places places;
	struct buf line;
};

static const char *policy_of(const struct chop_page_trace_header *header)
{
	if (header->flags & CHOP_PAGE_TRACE_SLICES)
		return "time slices";
	return header->flags & CHOP_PAGE_TRACE_FIFO ? "FIFO" : "second chance";
}

static int text_begin(struct page_writer *writer)
{
	struct text *text = writer->state;
	const struct chop_page_trace_header *header = &writer->header;

	buf_printf(&text->line, "# chop page trace: %u-byte pages, %s", header->page_size,
		   policy_of(header));
	if (header->window)
		buf_printf(&text->line, ", window %" PRIu64, header->window);
	if (header->interval)
		buf_printf(&text->line, ", %" PRIu64 " ns each", header->interval);
	if (header->flags & CHOP_PAGE_TRACE_SAMPLED)
		buf_printf(&text->line, ", %.3g %% of the pages",
			   (double)header->sample_limit / 9007199254740992.0 * 100);
	buf_printf(&text->line, "\n# %.*s\n# seconds thread kind address ...\n",
		   (int)writer->command_size, writer->command);
	return put(writer, &text->line);
}

static void protection(struct buf *line, uint64_t bits)
{
	buf_printf(line, "%c%c%c", bits & PROT_READ ? 'r' : '-', bits & PROT_WRITE ? 'w' : '-',
		   bits & PROT_EXEC ? 'x' : '-');
}

static void text_access(struct text *text, const struct chop_page_record *record)
{
	struct buf *line = &text->line;
	const char *name = record->call >= 0 ? arch_call_name(record->call) : NULL;

	buf_printf(line, "%012" PRIx64 " ", record->address);
	if (record->flags & CHOP_PAGE_AGAIN)
		buf_add_text(line, "again ");
	if (record->flags & CHOP_PAGE_NEW)
		buf_add_text(line, "new ");
	buf_add_text(line, "in ");
	page_places_name(&text->places, record->process, record->address, line);
	page_places_block(&text->places, record->process, record->address, line);
	if (record->flags & CHOP_PAGE_HAS_CALL) {
		if (record->call < 0)
			buf_add_text(line, " by the kernel");
		else if (name)
			buf_printf(line, " by %s", name);
		else
			buf_printf(line, " by call %d", record->call);
	}
	if (record->flags & CHOP_PAGE_HAS_IP) {
		buf_add_text(line, " at ");
		page_places_name(&text->places, record->process, record->ip, line);
	}
}

static void text_event(struct buf *line, const struct chop_page_record *record)
{
	const uint64_t *v = record->values;

	switch (record->kind) {
	case CHOP_PAGE_MAP:
		buf_printf(line, "%012" PRIx64 " %#" PRIx64 " ", v[0], v[1]);
		protection(line, v[2]);
		buf_printf(line, " %s%s%s+%#" PRIx64, v[3] & CHOP_PAGE_MAP_SHARED ? "shared " : "",
			   v[3] & CHOP_PAGE_MAP_UNWATCHED ? "unwatched " : "",
			   record->text_size ? "" : "anonymous", v[4]);
		break;
	case CHOP_PAGE_PROTECT:
		buf_printf(line, "%012" PRIx64 " %#" PRIx64 " ", v[0], v[1]);
		protection(line, v[2]);
		break;
	case CHOP_PAGE_UNMAP:
	case CHOP_PAGE_ALLOC:
	case CHOP_PAGE_ADVISE:
	case CHOP_PAGE_BREAK:
		buf_printf(line, "%012" PRIx64 " %#" PRIx64, v[0], v[1]);
		if (record->kind == CHOP_PAGE_ADVISE)
			buf_printf(line, " %" PRIu64, v[2]);
		break;
	case CHOP_PAGE_REMAP:
		buf_printf(line, "%012" PRIx64 " %#" PRIx64 " to %012" PRIx64 " %#" PRIx64, v[0],
			   v[1], v[2], v[3]);
		break;
	case CHOP_PAGE_EXIT:
		buf_printf(line, v[1] ? "signal %" PRIu64 : "%" PRIu64, v[1] ? v[1] : v[0]);
		break;
	default:
		buf_printf(line, "%" PRIu64, v[0]);
	}
	if (record->text_size)
		buf_printf(line, " %.*s", (int)record->text_size, record->text);
}

static int text_add(struct page_writer *writer, const struct chop_page_record *record)
{
	struct text *text = writer->state;

	buf_reset(&text->line);
	buf_printf(&text->line, "%" PRIu64 ".%09" PRIu64 " %u %s ", record->time / 1000000000,
		   record->time % 1000000000, record->thread, page_kind_name(record->kind));
	if (record->kind < CHOP_PAGE_EVENT)
		text_access(text, record);
	else
		text_event(&text->line, record);
	if (record->kind == CHOP_PAGE_ALLOC) {
		buf_add_text(&text->line, " from ");
		page_places_name(&text->places, record->process, record->values[2] - 1,
				 &text->line);
	}
	buf_add_char(&text->line, '\n');
	page_places_follow(&text->places, record);
	writer->records += record->kind < CHOP_PAGE_EVENT;
	return put(writer, &text->line);
}

static int text_end(struct page_writer *writer, bool complete)
{
	struct text *text = writer->state;

	buf_reset(&text->line);
	if (!complete)
		buf_add_text(&text->line, "# the trace ends here, the program did not\n");
	put(writer, &text->line);
	page_places_release(&text->places);
	buf_release(&text->line);
	return 0;
}

const struct page_format page_format_text = {
	.name = "text",
	.about = "a line a record, with mappings and functions named",
	.state_size = sizeof(struct text),
	.begin = text_begin,
	.add = text_add,
	.end = text_end,
};

/* ---- CSV -------------------------------------------------------------------------------- */

static int csv_begin(struct page_writer *writer)
{
	static const char head[] = "time_ns,process,thread,kind,page,offset,ip,call,again,new\n";

	mem_out_add(&writer->out, head, sizeof(head) - 1);
	return 0;
}

static int csv_add(struct page_writer *writer, const struct chop_page_record *record)
{
	uint64_t page = record->address / writer->header.page_size;
	char line[256];
	int length;

	if (record->kind >= CHOP_PAGE_EVENT)
		return 0;
	length = snprintf(
		line, sizeof(line),
		"%" PRIu64 ",%u,%u,%s,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%d,%d,%d\n", record->time,
		record->process, record->thread, page_kind_name(record->kind), page,
		record->address % writer->header.page_size, record->ip,
		record->flags & CHOP_PAGE_HAS_CALL ? record->call : -1,
		(record->flags & CHOP_PAGE_AGAIN) != 0, (record->flags & CHOP_PAGE_NEW) != 0);
	mem_out_add(&writer->out, line, (size_t)length);
	writer->records++;
	return 0;
}

const struct page_format page_format_csv = {
	.name = "csv",
	.about = "accesses as comma-separated values, with a head",
	.begin = csv_begin,
	.add = csv_add,
};

/* ---- one hexadecimal page number a line: Kaplan's tools, libCacheSim's txt --------------- */

static bool is_reference(const struct chop_page_record *record)
{
	return record->kind < CHOP_PAGE_WRITTEN;
}

static int vpn_add(struct page_writer *writer, const struct chop_page_record *record)
{
	char line[32];

	if (!is_reference(record))
		return 0;
	mem_out_add(&writer->out, line,
		    (size_t)snprintf(line, sizeof(line), "%" PRIx64 "\n",
				     record->address / writer->header.page_size));
	writer->records++;
	return 0;
}

const struct page_format page_format_vpn = {
	.name = "vpn",
	.about = "a hexadecimal page number a line",
	.add = vpn_add,
};

/* ---- VMTRACE: the page's address in 16 capital digits, "one", and "End" at the end -------- */

static int vmtrace_add(struct page_writer *writer, const struct chop_page_record *record)
{
	char line[32];

	if (!is_reference(record))
		return 0;
	mem_out_add(&writer->out, line,
		    (size_t)snprintf(line, sizeof(line), "%016" PRIX64 "\none\n",
				     record->address & -(uint64_t)writer->header.page_size));
	writer->records++;
	return 0;
}

static int vmtrace_end(struct page_writer *writer, bool complete)
{
	if (complete)
		mem_out_add(&writer->out, "End\n", 4);
	return 0;
}

const struct page_format page_format_vmtrace = {
	.name = "vmtrace",
	.about = "VMTRACE's: two lines a record, then End",
	.add = vmtrace_add,
	.end = vmtrace_end,
};
