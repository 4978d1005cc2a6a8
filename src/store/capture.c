// SPDX-License-Identifier: Apache-2.0
#include "store/capture.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "arch/arch.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"

void capture_init(struct capture *capture)
{
	*capture = (struct capture){ 0 };
	arch_cpu(capture->cpu);
}

static void thread_state_release(struct thread_state *state)
{
	free(state->xstate);
	state->xstate = NULL;
}

void capture_release(struct capture *capture)
{
	free(capture->program);
	free(capture->function);
	free(capture->module);
	free(capture->backend);
	free(capture->left_out);
	free(capture->auxv);
	thread_state_release(&capture->entry);
	thread_state_release(&capture->end);
	syslog_release(&capture->calls);
	for (size_t i = 0; i < capture->maps.length; i++)
		free(capture->maps.items[i].path);
	for (size_t i = 0; i < capture->warnings.length; i++)
		free(capture->warnings.items[i]);
	for (size_t i = 0; i < capture->arenas.length; i++)
		page_free(capture->arenas.items[i].memory, capture->arenas.items[i].size);
	vec_release(&capture->ends);
	vec_release(&capture->aliases);
	vec_release(&capture->pages);
	vec_release(&capture->maps);
	vec_release(&capture->warnings);
	vec_release(&capture->arenas);
	capture_init(capture);
}

uint8_t *capture_arena(struct capture *capture, size_t size)
{
	void *memory = page_alloc(size);

	if (!memory)
		return NULL;
	vec_push(&capture->arenas)->memory = memory;
	vec_last(&capture->arenas)->size = size;
	return memory;
}

uint8_t *capture_keep(struct capture *capture, const uint8_t *content)
{
	uint8_t *copy = capture_arena(capture, CHOP_PAGE_SIZE);

	return copy ? memcpy(copy, content, CHOP_PAGE_SIZE) : NULL;
}

static int by_address(const void *a, const void *b)
{
	const struct capture_page *left = a, *right = b;

	return (left->address > right->address) - (left->address < right->address);
}

void capture_sort(struct capture *capture)
{
	vec_sort(&capture->pages, by_address);
}

const struct capture_page *capture_find(const struct capture *capture, uint64_t address)
{
	struct capture_page key = { .address = address & -(uint64_t)CHOP_PAGE_SIZE };

	if (!capture->pages.length)
		return NULL;
	return bsearch(&key, capture->pages.items, capture->pages.length, sizeof(key), by_address);
}

const struct capture_mapping *capture_mapping_at(const struct capture *capture, uint64_t address)
{
	return vec_around(&capture->maps, address);
}

void capture_leave_out(struct capture *capture, const char *fmt, ...)
{
	struct buf text = { 0 };
	va_list args;

	if (capture->left_out)
		buf_printf(&text, "%s, ", capture->left_out);
	va_start(args, fmt);
	buf_vprintf(&text, fmt, args);
	va_end(args);
	free(capture->left_out);
	capture->left_out = buf_detach(&text);
}

int capture_check_whole(const struct capture *capture)
{
	if (!capture->left_out)
		return 0;
	return err_set(CHOP_USAGE, EINVAL,
		       "capture %u was saved without %s: take it again with all of it to replay it",
		       capture->id, capture->left_out);
}

void capture_warn(struct capture *capture, const char *fmt, ...)
{
	struct buf text = { 0 };
	va_list args;

	va_start(args, fmt);
	buf_vprintf(&text, fmt, args);
	va_end(args);
	*vec_push(&capture->warnings) = buf_detach(&text);
}

bool capture_ends_in_call(const struct capture *capture)
{
	const struct syslog *calls = &capture->calls;
	const struct chop_event *event, *last = NULL;
	struct chop_event_parts parts;
	uint64_t offset = 0;

	while ((event = chop_event_next((const uint8_t *)buf_text(&calls->payload),
					calls->payload.length, &offset, &parts)))
		last = event->kind == CHOP_EVENT_MEMORY ? last : event;
	return last && last->flags & CHOP_EVENT_LAST;
}

size_t capture_touched(const struct capture *capture)
{
	size_t touched = 0;

	for (size_t i = 0; i < capture->pages.length; i++)
		touched += !(capture->pages.items[i].flags & PAGE_SUPPORT);
	return touched;
}
