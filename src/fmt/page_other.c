// SPDX-License-Identifier: Apache-2.0
/* Page traces for kVMTrace's readers and for libCacheSim. */
#include "fmt/page_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/io.h"
#include "base/map.h"

/*
 * ---- kVMTrace: "TAG delta time context number" (Kaplan and others, README.kVMTrace).
 * delta and time are nanoseconds here, not cycles; the context is the process. References:
 * r, w; R, W when the page came back from the second segment. Events, with page numbers:
 * m start pages (anonymous), M start pages offset path (file), U start pages, @ old pages
 * new pages, F child, X path, T status.
 */

struct kvmtrace {
	uint64_t last;
};

static void kvm_line(struct page_writer *writer, const struct chop_page_record *record, char tag,
		     const char *rest)
{
	struct kvmtrace *state = writer->state;
	char line[512];
	int length = snprintf(line, sizeof(line), "%c %" PRIu64 " %" PRIu64 " %u %s\n", tag,
			      record->time - state->last, record->time, record->process, rest);

	state->last = record->time;
	mem_out_add(&writer->out, line,
		    (size_t)(length < (int)sizeof(line) ? length : (int)sizeof(line) - 1));
}

static void kvm_access(struct page_writer *writer, const struct chop_page_record *record)
{
	static const char tags[2][2] = { { 'r', 'w' }, { 'R', 'W' } };
	char page[32];

	snprintf(page, sizeof(page), "%" PRIx64, record->address / writer->header.page_size);
	kvm_line(writer, record,
		 tags[(record->flags & CHOP_PAGE_AGAIN) != 0][record->kind == CHOP_PAGE_WRITE],
		 page);
	writer->records++;
}

static void kvm_event(struct page_writer *writer, const struct chop_page_record *record)
{
	uint64_t size = writer->header.page_size;
	const uint64_t *v = record->values;
	char rest[400];

	switch (record->kind) {
	case CHOP_PAGE_MAP:
		snprintf(rest, sizeof(rest), "%" PRIx64 " %" PRIx64 " %" PRIx64 " %.*s",
			 v[0] / size, v[1] / size, v[4], (int)record->text_size, record->text);
		kvm_line(writer, record, v[3] & CHOP_PAGE_MAP_ANONYMOUS ? 'm' : 'M', rest);
		break;
	case CHOP_PAGE_UNMAP:
		snprintf(rest, sizeof(rest), "%" PRIx64 " %" PRIx64, v[0] / size, v[1] / size);
		kvm_line(writer, record, 'U', rest);
		break;
	case CHOP_PAGE_REMAP:
		snprintf(rest, sizeof(rest), "%" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64,
			 v[0] / size, v[1] / size, v[2] / size, v[3] / size);
		kvm_line(writer, record, '@', rest);
		break;
	case CHOP_PAGE_FORK:
		snprintf(rest, sizeof(rest), "%" PRIu64, v[0]);
		kvm_line(writer, record, 'F', rest);
		break;
	case CHOP_PAGE_EXEC:
		snprintf(rest, sizeof(rest), "%.*s", (int)record->text_size, record->text);
		kvm_line(writer, record, 'X', rest);
		break;
	case CHOP_PAGE_EXIT:
		snprintf(rest, sizeof(rest), "%" PRIu64, v[0]);
		kvm_line(writer, record, 'T', rest);
		break;
	default:
		break;
	}
}

static int kvm_add(struct page_writer *writer, const struct chop_page_record *record)
{
	if (record->kind < CHOP_PAGE_WRITTEN)
		kvm_access(writer, record);
	else
		kvm_event(writer, record);
	return 0;
}

const struct page_format page_format_kvmtrace = {
	.name = "kvmtrace",
	.about = "tags r w R W and events, as kVMTrace's text",
	.state_size = sizeof(struct kvmtrace),
	.add = kvm_add,
};

/*
 * ---- libCacheSim oracleGeneral: u32 time in seconds, u64 object, u32 size, i64 number of
 * the next request for the object, counted from 1, or -1; filled in when that comes.
 */

#define ORACLE_SIZE 24
#define ORACLE_NEXT 16 /* offset of the last field */

struct oracle {
	struct map last; /* object -> number of its last request, from 1 */
	uint32_t first;	 /* the process that made the first request */
};

static int oracle_patch(struct page_writer *writer, uint64_t number, uint64_t next)
{
	uint64_t offset = (number - 1) * ORACLE_SIZE + ORACLE_NEXT;
	int error;

	if (offset >= writer->out.written) {
		memcpy(writer->out.buffer + (offset - writer->out.written), &next, sizeof(next));
		return 0;
	}
	error = io_pwrite(writer->out.fd, &next, sizeof(next), offset);
	return error ? err_sys(CHOP_USAGE, -error, "cannot write %s", writer->out.name) : 0;
}

/*
 * One address space's page is not another's: but for the first process, numbers have the
 * process id, of at most 22 bits, above.
 */
static uint64_t object_of(const struct page_writer *writer, struct oracle *state,
			  const struct chop_page_record *record)
{
	uint64_t page = record->address / writer->header.page_size;

	if (!state->first)
		state->first = record->process;
	return record->process == state->first ? page : page | (uint64_t)record->process << 40;
}

static int oracle_add(struct page_writer *writer, const struct chop_page_record *record)
{
	struct oracle *state = writer->state;
	uint32_t time = (uint32_t)(record->time / 1000000000), size = writer->header.page_size;
	uint64_t object, last;
	int64_t none = -1;
	uint8_t *at;
	int error = 0;

	if (record->kind >= CHOP_PAGE_WRITTEN)
		return 0;
	object = object_of(writer, state, record);
	writer->records++;
	if (map_get(&state->last, object, &last))
		error = oracle_patch(writer, last, writer->records);
	map_put(&state->last, object, writer->records);
	at = mem_out_room(&writer->out, ORACLE_SIZE);
	memcpy(at, &time, 4);
	memcpy(at + 4, &object, 8);
	memcpy(at + 12, &size, 4);
	memcpy(at + ORACLE_NEXT, &none, 8);
	mem_out_take(&writer->out, ORACLE_SIZE);
	return error;
}

static int oracle_end(struct page_writer *writer, bool complete)
{
	struct oracle *state = writer->state;

	(void)complete;
	map_release(&state->last);
	return 0;
}

const struct page_format page_format_oracle = {
	.name = "oracle-general",
	.about = "libCacheSim oracleGeneral, 24 bytes a reference",
	.binary = true,
	.needs_file = true,
	.state_size = sizeof(struct oracle),
	.add = oracle_add,
	.end = oracle_end,
};
