// SPDX-License-Identifier: Apache-2.0
#include "memtrace/from_snippet.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chop/hash.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"
#include "snippet/snippet.h"

struct file {
	const char *path;
	uint8_t *data; /* of the capture's arena */
	uint64_t size;
	const struct snippet_header *header;
};

static int damaged(const struct file *file, const char *what)
{
	return err_set(CHOP_USAGE, EBADMSG, "%s is damaged: %s; build it again with chop snippet",
		       file->path, what);
}

/* A table whose entries have `size` bytes; NULL when it leaves the front. */
static const void *table(const struct file *file, enum snippet_table_id id, size_t size,
			 uint64_t *count)
{
	struct snippet_table t = file->header->tables[id];

	*count = 0;
	if (t.offset > file->header->front_size || (size > 1 && t.offset % 8) ||
	    t.count > (file->header->front_size - t.offset) / size)
		return NULL;
	*count = t.count;
	return file->data + t.offset;
}

static char *string_at(const struct file *file, uint32_t offset)
{
	uint64_t size;
	const char *strings = table(file, SNIPPET_STRINGS, 1, &size);

	if (!strings || offset >= size || !strings[offset])
		return NULL;
	return xstrndup(strings + offset, size - offset);
}

/* ---- pages */

static uint32_t page_flags(uint32_t protection)
{
	return (protection & PROT_READ ? PAGE_READ : 0) |
	       (protection & PROT_WRITE ? PAGE_WRITE : 0) |
	       (protection & PROT_EXEC ? PAGE_EXECUTE : 0);
}

static bool in_payload(const struct file *file, uint64_t offset, uint64_t length)
{
	return offset <= file->size && length <= file->size - offset && !(length % CHOP_PAGE_SIZE);
}

static int add_run(const struct file *file, const struct snippet_run *run, const uint64_t *hashes,
		   uint64_t hash_count, struct capture *capture)
{
	uint64_t pages = run->length / CHOP_PAGE_SIZE;

	if (!in_payload(file, run->offset, run->length) || run->address % CHOP_PAGE_SIZE ||
	    run->first > hash_count || pages > hash_count - run->first)
		return damaged(file, "impossible pages");
	for (uint64_t i = 0; i < pages; i++) {
		const uint8_t *content = file->data + run->offset + i * CHOP_PAGE_SIZE;

		*vec_push(&capture->pages) =
			(struct capture_page){ .address = run->address + i * CHOP_PAGE_SIZE,
					       .flags = page_flags(run->protection),
					       .before = content };
		if (chop_hash(content, CHOP_PAGE_SIZE, 0) != hashes[run->first + i])
			return damaged(file, "the checksum of a page is wrong");
	}
	return 0;
}

static int add_runs(const struct file *file, struct capture *capture)
{
	uint64_t count = 0, hash_count = 0;
	const struct snippet_run *runs = table(file, SNIPPET_RUNS, sizeof(*runs), &count);
	const uint64_t *hashes = table(file, SNIPPET_HASHES, sizeof(*hashes), &hash_count);
	int error = runs && hashes ? 0 : damaged(file, "its tables are not there");

	for (uint64_t i = 0; i < count && !error; i++)
		error = add_run(file, &runs[i], hashes, hash_count, capture);
	capture_sort(capture);
	return error;
}

static int add_changes(const struct file *file, struct capture *capture)
{
	uint64_t count;
	const struct snippet_change *changes =
		table(file, SNIPPET_CHANGED, sizeof(*changes), &count);

	if (!changes)
		return damaged(file, "its tables are not there");
	for (uint64_t i = 0; i < count; i++) {
		struct capture_page *page =
			(struct capture_page *)capture_find(capture, changes[i].address);

		if (!page || !in_payload(file, changes[i].offset, CHOP_PAGE_SIZE))
			return damaged(file, "impossible changes of pages");
		page->after = file->data + changes[i].offset;
	}
	return 0;
}

/* Breakpoints stand in the images where the region may end. */
static int restore_ends(const struct file *file, struct capture *capture)
{
	uint64_t count;
	const struct snippet_end *ends = table(file, SNIPPET_ENDS, sizeof(*ends), &count);
	static const uint8_t breakpoint[] = CHOP_BREAKPOINT;

	if (!ends)
		return damaged(file, "its tables are not there");
	for (uint64_t i = 0; i < count; i++) {
		const struct capture_page *page = capture_find(capture, ends[i].address);
		uint64_t offset = ends[i].address % CHOP_PAGE_SIZE;

		if (!page || offset + CHOP_BREAKPOINT_SIZE > CHOP_PAGE_SIZE)
			return damaged(file, "impossible end addresses");
		memcpy((uint8_t *)page->before + offset, ends[i].original, CHOP_BREAKPOINT_SIZE);
		*vec_push(&capture->ends) = ends[i].address;
		if (page->after && !memcmp(page->after + offset, breakpoint, CHOP_BREAKPOINT_SIZE))
			memcpy((uint8_t *)page->after + offset, ends[i].original,
			       CHOP_BREAKPOINT_SIZE);
	}
	if (!count)
		*vec_push(&capture->ends) = capture->reached_end;
	return 0;
}

/* ---- the rest */

static int add_state(const struct file *file, enum snippet_table_id id,
		     const struct chop_regs *regs, struct thread_state *state)
{
	uint64_t size;
	const uint8_t *xstate = table(file, id, 1, &size);

	if (!xstate || size > CHOP_XSTATE_MAX)
		return damaged(file, "no extended state");
	state->regs = *regs;
	state->xstate = xmalloc(size + 1);
	memcpy(state->xstate, xstate, size);
	state->xstate_size = size;
	return 0;
}

static int add_mappings(const struct file *file, struct capture *capture)
{
	uint64_t count;
	const struct snippet_mapping *maps = table(file, SNIPPET_MAPPINGS, sizeof(*maps), &count);

	if (!maps)
		return damaged(file, "its tables are not there");
	for (uint64_t i = 0; i < count; i++) {
		char *path = string_at(file, maps[i].name);

		*vec_push(&capture->maps) =
			(struct capture_mapping){ .start = maps[i].start,
						  .end = maps[i].end,
						  .offset = maps[i].offset,
						  .flags = page_flags(maps[i].protection),
						  .path = path ? path : xstrdup("") };
	}
	return 0;
}

static int add_aliases(const struct file *file, struct capture *capture)
{
	uint64_t count;
	const struct snippet_alias *aliases =
		table(file, SNIPPET_ALIASES, sizeof(*aliases), &count);

	if (!aliases)
		return damaged(file, "its tables are not there");
	for (uint64_t i = 0; i < count; i++) {
		if (!capture_find(capture, aliases[i].address) ||
		    !capture_find(capture, aliases[i].source))
			return damaged(file, "impossible shared pages");
		*vec_push(&capture->aliases) = aliases[i].address;
		*vec_push(&capture->aliases) = aliases[i].source;
	}
	return 0;
}

static int add_calls(const struct file *file, struct capture *capture)
{
	struct chop_event_parts parts;
	uint64_t size = 0, mask_count = 0, offset = 0;
	const uint8_t *calls = table(file, SNIPPET_CALLS, 1, &size);
	const struct snippet_mask *masks = table(file, SNIPPET_MASKS, sizeof(*masks), &mask_count);

	if (!calls || !masks)
		return damaged(file, "its tables are not there");
	buf_add(&capture->calls.payload, calls, size);
	calls = (const uint8_t *)capture->calls.payload.data;
	while (size && chop_event_next(calls, size, &offset, &parts))
		capture->calls.events++;
	if (offset != size)
		return damaged(file, "its log of system calls has no end");
	if (mask_count) {
		capture->rseq_address = masks[0].address;
		capture->rseq_size = (uint32_t)masks[0].length;
	}
	return 0;
}

static int fill(const struct file *file, struct capture *capture)
{
	const struct snippet_header *h = file->header;
	int error;

	capture->id = h->capture;
	capture->invocation = h->invocation;
	capture->function = string_at(file, h->function);
	capture->module = string_at(file, h->module);
	capture->program = string_at(file, h->program);
	capture->begin = h->begin;
	capture->reached_end = h->reached_end;
	capture->duration_ns = h->duration_ns;
	capture->end_kind = h->flags & SNIPPET_END_AT_RETURN  ? END_AT_RETURN
			    : h->flags & SNIPPET_END_AT_STATE ? END_AT_STATE
							      : END_AT_ADDRESS;
	error = add_runs(file, capture);
	if (!error)
		error = add_changes(file, capture);
	if (!error)
		error = restore_ends(file, capture);
	if (!error)
		error = add_state(file, SNIPPET_ENTRY_XSTATE, &h->entry, &capture->entry);
	if (!error)
		error = add_state(file, SNIPPET_END_XSTATE, &h->end, &capture->end);
	if (!error)
		error = add_mappings(file, capture);
	if (!error)
		error = add_aliases(file, capture);
	return error ? error : add_calls(file, capture);
}

int memtrace_load_snippet(const char *path, struct capture *capture)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct file file = { .path = path };
	struct snippet_info info = { 0 };
	struct stat status;
	int error;

	if (fd < 0)
		return err_sys(CHOP_USAGE, errno, "cannot open %s", path);
	error = snippet_open(path, fd, &info);
	snippet_info_release(&info);
	if (error)
		return error;
	if (fstat(fd, &status))
		return err_sys(CHOP_USAGE, errno, "cannot read %s", path);
	file.size = (uint64_t)status.st_size;
	file.data = capture_arena(capture, file.size);
	if (!file.data)
		return err_sys(CHOP_MISSING, ENOMEM, "memory for %s", path);
	if (io_pread(fd, file.data, file.size, 0))
		return damaged(&file, "it is cut short");
	file.header = (const void *)(file.data + SNIPPET_HEADER_OFFSET);
	return fill(&file, capture);
}
