// SPDX-License-Identifier: Apache-2.0
#include "event/call_log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chop/hash.h>

#include "arch/arch.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"
#include "base/map.h"
#include "store/tracedir.h"

#define PAGE ((uint64_t)CHOP_PAGE_SIZE)

struct call_log {
	struct capture capture;
	uint64_t offset;			   /* of the record after the current one */
	const struct chop_event *event;		   /* the current one, or NULL before the first */
	struct chop_event_parts parts;		   /* of it */
	enum { UNKNOWN, IN_PAGES, AT_END } inputs; /* where what it read is */
	struct map index;			   /* page address -> contents that are ours */
	VEC(uint8_t *) pages;
};

/* -- opening --------------------------------------------------------------------------------- */

/* DIR and N of DIR/N.sys; false when it is called otherwise. */
static bool take_apart(const char *path, char **directory, unsigned int *id)
{
	const char *name = strrchr(path, '/');
	char *end;
	unsigned long number;

	*directory = name ? xstrndup(path, (size_t)(name - path)) : xstrdup(".");
	name = name ? name + 1 : path;
	number = strtoul(name, &end, 10);
	*id = (unsigned int)number;
	return end > name && number <= UINT32_MAX &&
	       (!strcmp(end, ".sys") || !strcmp(end, ".sys.zst") || !strcmp(end, ".sys.gz"));
}

/* A log on its own. */
static int open_file(struct call_log *log, const char *path)
{
	struct buf data = { 0 };
	int error = io_read_file(path, &data);

	if (!error)
		error = syslog_load(&log->capture.calls, buf_text(&data), data.length, path);
	buf_release(&data);
	return error;
}

static int open_capture(struct call_log *log, const char *directory, unsigned int id)
{
	struct tracedir_index index = { 0 };
	int error = tracedir_open(directory, &index);

	if (!error)
		error = tracedir_read(&index, id, &log->capture);
	tracedir_index_release(&index);
	return error;
}

int call_log_open(const char *path, struct call_log **to)
{
	struct call_log *log = xcalloc(1, sizeof(*log));
	cleanup_free char *directory = NULL, *whole = NULL;
	unsigned int id;
	bool named = take_apart(path, &directory, &id);
	int error;

	capture_init(&log->capture);
	whole = xasprintf("%s/trace.json", *directory ? directory : "/");
	if (access(path, F_OK))
		error = err_sys(CHOP_USAGE, errno, "cannot read %s", path);
	else if (named && !access(whole, F_OK))
		error = open_capture(log, *directory ? directory : "/", id);
	else
		error = open_file(log, path);
	if (error)
		call_log_close(log);
	else
		*to = log;
	return error;
}

void call_log_close(struct call_log *log)
{
	for (size_t i = 0; i < log->pages.length; i++)
		free(log->pages.items[i]);
	vec_release(&log->pages);
	map_release(&log->index);
	capture_release(&log->capture);
	free(log);
}

/* -- memory ------------------------------------------------------------------------------------ */

/* The page that holds the address as far as it is known: it was captured, or zero. */
static uint8_t *page_at(struct call_log *log, uint64_t address)
{
	const struct capture_page *captured;
	uint64_t page = address & -PAGE, at;

	if (map_get(&log->index, page, &at))
		return log->pages.items[at];
	map_put(&log->index, page, log->pages.length);
	*vec_push(&log->pages) = xcalloc(1, CHOP_PAGE_SIZE);
	captured = capture_find(&log->capture, address);
	if (captured)
		memcpy(*vec_last(&log->pages), captured->before, CHOP_PAGE_SIZE);
	return *vec_last(&log->pages);
}

static void copy(struct call_log *log, uint64_t address, void *data, size_t size, bool writing)
{
	uint8_t *bytes = data;

	while (size) {
		uint64_t offset = address & (PAGE - 1);
		size_t part = PAGE - offset < size ? (size_t)(PAGE - offset) : size;
		uint8_t *at = page_at(log, address) + offset;

		if (writing)
			memcpy(at, bytes, part);
		else
			memcpy(bytes, at, part);
		address += part;
		bytes += part;
		size -= part;
	}
}

/* What the kernel wrote stays until somebody else writes there. */
static void apply_writes(struct call_log *log)
{
	const struct chop_event_range *range = (const void *)log->parts.writes;

	for (uint32_t i = 0; i < log->event->writes; i++) {
		copy(log, range->address, (void *)(uintptr_t)(range + 1), range->size, true);
		range = chop_event_write_after(range);
	}
}

/* No call reads more at once; a damaged log must not make us look at all addresses. */
#define INPUT_MAX (64ull << 20)

/* The memory at the region's end: often nothing has changed since the call. */
static void copy_end(struct call_log *log, uint64_t address, uint8_t *data, size_t size)
{
	while (size) {
		uint64_t offset = address & (PAGE - 1);
		size_t part = PAGE - offset < size ? (size_t)(PAGE - offset) : size;
		const struct capture_page *page = capture_find(&log->capture, address);

		if (page)
			memcpy(data, (page->after ? page->after : page->before) + offset, part);
		else
			memset(data, 0, part);
		address += part;
		data += part;
		size -= part;
	}
}

static void copy_input(struct call_log *log, uint64_t address, uint8_t *data, size_t size, bool end)
{
	if (end)
		copy_end(log, address, data, size);
	else
		copy(log, address, data, size, false);
}

/* Is this what the call read? */
static bool check_inputs(struct call_log *log, bool end)
{
	uint64_t hash = 0, total = 0;

	for (uint32_t i = 0; i < log->event->inputs; i++) {
		const struct chop_event_range *range = &log->parts.inputs[i];
		cleanup_free uint8_t *bytes = NULL;

		total += range->size;
		if (range->size > INPUT_MAX || total > INPUT_MAX)
			return false;
		bytes = xmalloc(range->size + 1);
		copy_input(log, range->address, bytes, range->size, end);
		hash = chop_hash(bytes, range->size, hash);
	}
	return hash == log->event->input_hash;
}

/* How much of the range from its front the other one holds. */
static size_t overlap(const struct chop_event_range *range, uint64_t address, size_t size)
{
	uint64_t offset = address - range->address;

	if (address < range->address || offset >= range->size)
		return 0;
	return range->size - offset < size ? (size_t)(range->size - offset) : size;
}

static size_t part_at(struct call_log *log, uint64_t address, uint8_t *data, size_t size)
{
	const struct chop_event_range *range = (const void *)log->parts.writes;
	size_t got;

	for (uint32_t i = 0; i < log->event->writes; i++) {
		got = overlap(range, address, size);
		if (got) {
			memcpy(data, (const uint8_t *)(range + 1) + (address - range->address),
			       got);
			return got;
		}
		range = chop_event_write_after(range);
	}
	for (uint32_t i = 0; log->inputs != UNKNOWN && i < log->event->inputs; i++) {
		got = overlap(&log->parts.inputs[i], address, size);
		if (got) {
			copy_input(log, address, data, got, log->inputs == AT_END);
			return got;
		}
	}
	return 0;
}

size_t call_log_read(void *context, uint64_t address, void *data, size_t size)
{
	struct call_log *log = context;
	size_t done = 0, got = 1;

	while (log->event && done < size && got) {
		got = part_at(log, address + done, (uint8_t *)data + done, size - done);
		done += got;
	}
	return done;
}

/* -- records ----------------------------------------------------------------------------------- */

static void take_signal(const struct call_log *log, struct call_log_record *record)
{
	const struct chop_event_signal *signal = log->parts.signal;

	if (log->event->number) {
		record->kind = CALL_LOG_SIGNAL;
		record->info = arch_handler_info(&signal->to);
		return;
	}
	record->kind = CALL_LOG_RETURN;
	record->number = SYS_rt_sigreturn;
	record->args[0] = arch_sp(&signal->at);
	record->result = (int64_t)arch_return_value(&signal->to);
}

bool call_log_next(struct call_log *log, struct call_log_record *record)
{
	const struct buf *payload = &log->capture.calls.payload;
	const struct chop_event *event;

	if (log->event)
		apply_writes(log);
	event = chop_event_next((const uint8_t *)buf_text(payload), payload->length, &log->offset,
				&log->parts);
	log->event = event;
	if (!event)
		return false;
	log->inputs = check_inputs(log, false)	? IN_PAGES
		      : check_inputs(log, true) ? AT_END
						: UNKNOWN;
	*record = (struct call_log_record){ .kind = CALL_LOG_OTHER,
					    .tid = (pid_t)event->thread,
					    .pid = log->capture.pid ? log->capture.pid
								    : (pid_t)event->thread,
					    .number = event->number,
					    .result = event->result };
	memcpy(record->args, event->args, sizeof(record->args));
	if (event->kind == CHOP_EVENT_CALL)
		record->kind = event->flags & CHOP_EVENT_LAST ? CALL_LOG_LAST : CALL_LOG_CALL;
	else if (event->kind == CHOP_EVENT_SIGNAL)
		take_signal(log, record);
	return true;
}
