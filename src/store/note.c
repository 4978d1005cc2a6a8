// SPDX-License-Identifier: Apache-2.0
#include "store/note.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"

/* Flags of a page that go into the note, and what they are called there. */
static const struct {
	uint32_t flag, property;
} properties[] = {
	{ PAGE_SHARED, CHOP_PAGE_SHARED },
	{ PAGE_SUPPORT, CHOP_PAGE_SUPPORT },
	{ PAGE_ALWAYS, CHOP_PAGE_ALWAYS },
	{ PAGE_GONE, CHOP_PAGE_GONE },
};

static uint32_t to_properties(uint32_t flags)
{
	uint32_t result = 0;

	for (size_t i = 0; i < ARRAY_SIZE(properties); i++)
		result |= flags & properties[i].flag ? properties[i].property : 0;
	return result;
}

static uint32_t to_flags(uint32_t property)
{
	uint32_t result = 0;

	for (size_t i = 0; i < ARRAY_SIZE(properties); i++)
		result |= property & properties[i].property ? properties[i].flag : 0;
	return result;
}

bool note_has_page(const struct capture_page *page, enum chop_capture_moment moment)
{
	return moment == CHOP_AT_ENTRY || page->after;
}

/* The page properties as ranges; counts the pages of the file on the way. */
static void add_ranges(const struct capture *capture, struct chop_capture_note *note,
		       struct buf *tail)
{
	struct chop_page_range range = { 0 };

	for (size_t i = 0; i < capture->pages.length; i++) {
		const struct capture_page *page = &capture->pages.items[i];
		uint32_t property = to_properties(page->flags);

		if (!note_has_page(page, note->moment))
			continue;
		note->pages++;
		if (range.pages && range.properties == property && range.pages < UINT32_MAX &&
		    range.address + (uint64_t)range.pages * CHOP_PAGE_SIZE == page->address) {
			range.pages++;
			continue;
		}
		if (range.properties) {
			buf_add(tail, &range, sizeof(range));
			note->ranges_count++;
		}
		range = (struct chop_page_range){ page->address, 1, property };
	}
	if (range.properties) {
		buf_add(tail, &range, sizeof(range));
		note->ranges_count++;
	}
}

static void add_strings(const struct capture *capture, struct chop_capture_note *note,
			struct buf *tail)
{
	const char *texts[CHOP_STRINGS] = {
		[CHOP_STRING_PROGRAM] = capture->program,
		[CHOP_STRING_FUNCTION] = capture->function,
		[CHOP_STRING_MODULE] = capture->module,
		[CHOP_STRING_BACKEND] = capture->backend,
		[CHOP_STRING_LEFT_OUT] = capture->left_out,
	};

	for (size_t i = 0; i < CHOP_STRINGS; i++) {
		note->strings[i] = texts[i] ? note->strings_size : CHOP_NO_STRING;
		if (!texts[i])
			continue;
		buf_add(tail, texts[i], strlen(texts[i]) + 1);
		note->strings_size += (uint32_t)strlen(texts[i]) + 1;
	}
}

void note_write(const struct capture *capture, enum chop_capture_moment moment, struct buf *out)
{
	const struct thread_state *thread =
		moment == CHOP_AT_ENTRY ? &capture->entry : &capture->end;
	cleanup_buf struct buf tail = { 0 };
	struct chop_capture_note note = {
		.version = CHOP_CAPTURE_VERSION,
		.size = sizeof(note),
		.moment = moment,
		.id = capture->id,
		.invocation = capture->invocation,
		.pid = capture->pid,
		.tid = capture->tid,
		.begin = capture->begin,
		.reached_end = capture->reached_end,
		.duration_ns = capture->duration_ns,
		.sigmask = thread->sigmask,
		.altstack_address = thread->altstack_address,
		.altstack_size = thread->altstack_size,
		.altstack_flags = thread->altstack_flags,
		.xstate_size = (uint32_t)thread->xstate_size,
		.end_kind = capture->end_kind,
		.rseq_address = capture->rseq_address,
		.rseq_size = capture->rseq_size,
		.page_size = CHOP_PAGE_SIZE,
		.ends_count = (uint32_t)capture->ends.length,
	};

	memcpy(note.cpu, capture->cpu, sizeof(note.cpu));
	buf_add(&tail, capture->ends.items, capture->ends.length * sizeof(uint64_t));
	add_ranges(capture, &note, &tail);
	add_strings(capture, &note, &tail);
	buf_add(out, &note, sizeof(note));
	buf_add(out, tail.data, tail.length);
}

_Static_assert((int)END_AT_ADDRESS == CHOP_END_AT_ADDRESS &&
		       (int)END_AT_RETURN == CHOP_END_AT_RETURN &&
		       (int)END_AT_STATE == CHOP_END_AT_STATE,
	       "file format");

static int bad(const char *file, const char *what)
{
	return err_set(CHOP_USAGE, EBADMSG, "%s is damaged: its chop note has %s", file, what);
}

/* Where the parts of the tail are; offsets from the start of the note. */
struct tail {
	uint64_t ends, ranges, strings, end;
};

static int check(const struct chop_capture_note *note, size_t size, const char *file,
		 enum chop_capture_moment moment, struct tail *tail)
{
	if (!note->version)
		return bad(file, "no version");
	if (note->version > CHOP_CAPTURE_VERSION)
		return err_set(
			CHOP_USAGE, EBADMSG,
			"%s was written by a newer chop (format %u; this one reads up to %u)", file,
			note->version, CHOP_CAPTURE_VERSION);
	if (note->moment != (uint32_t)moment)
		return bad(file, "the wrong moment: entry and end are mixed up");
	if (note->page_size != CHOP_PAGE_SIZE)
		return bad(file, "another page size than this machine");
	if (note->end_kind > CHOP_END_AT_STATE)
		return bad(file, "an unknown kind of end");
	/* 32-bit counts: the sums cannot wrap. */
	tail->ends = note->size;
	tail->ranges = tail->ends + note->ends_count * (uint64_t)sizeof(uint64_t);
	tail->strings =
		tail->ranges + note->ranges_count * (uint64_t)sizeof(struct chop_page_range);
	tail->end = tail->strings + note->strings_size;
	if (note->size < sizeof(*note) || tail->end != size)
		return bad(file, "parts that do not add up to its size");
	return 0;
}

static int read_ranges(const uint8_t *data, const struct chop_capture_note *note, const char *file,
		       struct capture *capture)
{
	size_t at = 0;

	for (uint32_t i = 0; i < note->ranges_count; i++) {
		struct chop_page_range range;
		uint64_t size;

		memcpy(&range, data + i * sizeof(range), sizeof(range));
		size = range.pages * (uint64_t)CHOP_PAGE_SIZE;
		while (at < capture->pages.length &&
		       capture->pages.items[at].address < range.address)
			at++;
		if (!range.pages || capture->pages.length - at < range.pages ||
		    capture->pages.items[at].address != range.address ||
		    capture->pages.items[at + range.pages - 1].address !=
			    range.address + size - CHOP_PAGE_SIZE)
			return bad(file, "properties of pages that are not in it");
		for (uint32_t k = 0; k < range.pages; k++)
			capture->pages.items[at + k].flags |= to_flags(range.properties);
		at += range.pages;
	}
	return 0;
}

static int read_strings(const char *data, const struct chop_capture_note *note, const char *file,
			struct capture *capture)
{
	char **texts[CHOP_STRINGS] = {
		[CHOP_STRING_PROGRAM] = &capture->program,
		[CHOP_STRING_FUNCTION] = &capture->function,
		[CHOP_STRING_MODULE] = &capture->module,
		[CHOP_STRING_BACKEND] = &capture->backend,
		[CHOP_STRING_LEFT_OUT] = &capture->left_out,
	};

	if (note->strings_size && data[note->strings_size - 1])
		return bad(file, "strings without an end");
	for (size_t i = 0; i < CHOP_STRINGS; i++) {
		if (!texts[i] || note->strings[i] == CHOP_NO_STRING)
			continue;
		if (note->strings[i] >= note->strings_size)
			return bad(file, "a string outside of it");
		*texts[i] = xstrdup(data + note->strings[i]);
	}
	return 0;
}

static void read_thread(const struct chop_capture_note *note, struct thread_state *thread)
{
	thread->sigmask = note->sigmask;
	thread->altstack_address = note->altstack_address;
	thread->altstack_size = note->altstack_size;
	thread->altstack_flags = note->altstack_flags;
	thread->xstate_size = note->xstate_size;
}

static void read_region(const struct chop_capture_note *note, struct capture *capture)
{
	capture->id = note->id;
	capture->invocation = note->invocation;
	capture->pid = note->pid;
	capture->tid = note->tid;
	capture->begin = note->begin;
	capture->reached_end = note->reached_end;
	capture->duration_ns = note->duration_ns;
	capture->end_kind = (enum end_kind)note->end_kind;
	capture->rseq_address = note->rseq_address;
	capture->rseq_size = note->rseq_size;
	memcpy(capture->cpu, note->cpu, sizeof(note->cpu));
}

/* The two files of a capture must tell of the same invocation. */
static int compare_region(const struct chop_capture_note *note, const char *file,
			  const struct capture *capture)
{
	if (note->id != capture->id || note->invocation != capture->invocation ||
	    note->pid != capture->pid || note->tid != capture->tid ||
	    note->begin != capture->begin || note->reached_end != capture->reached_end)
		return err_set(CHOP_USAGE, EBADMSG,
			       "%s does not belong to capture %u: it tells of another invocation",
			       file, capture->id);
	return 0;
}

int note_read(const void *data, size_t size, const char *file, enum chop_capture_moment moment,
	      struct capture *capture)
{
	struct chop_capture_note note;
	const uint8_t *bytes = data;
	struct tail tail = { 0 };
	int err;

	if (size < sizeof(note))
		return bad(file, "less than its fixed part");
	memcpy(&note, data, sizeof(note));
	err = check(&note, size, file, moment, &tail);
	if (err)
		return err;
	if (moment == CHOP_AT_END) {
		read_thread(&note, &capture->end);
		return compare_region(&note, file, capture);
	}
	read_thread(&note, &capture->entry);
	read_region(&note, capture);
	for (uint32_t i = 0; i < note.ends_count; i++)
		memcpy(vec_push(&capture->ends), bytes + tail.ends + i * sizeof(uint64_t),
		       sizeof(uint64_t));
	if (note.pages != capture->pages.length)
		return bad(file, "another number of pages than the file");
	err = read_ranges(bytes + tail.ranges, &note, file, capture);
	if (!err)
		err = read_strings((const char *)bytes + tail.strings, &note, file, capture);
	return err;
}
