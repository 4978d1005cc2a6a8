// SPDX-License-Identifier: Apache-2.0
/* Memory that a region will map while it runs: nothing of ours may lie there. */
#include "memtrace/region.h"

#include <sys/syscall.h>

#define ERRNO_MAX 4095

static void add(struct span_vec *planned, uint64_t start, uint64_t size)
{
	uint64_t end = (start + size + CHOP_PAGE_SIZE - 1) & -(uint64_t)CHOP_PAGE_SIZE;

	start &= -(uint64_t)CHOP_PAGE_SIZE;
	if (end > start)
		*vec_push(planned) = (struct span){ start, end };
}

static void add_call(struct span_vec *planned, const struct chop_event *event)
{
	uint64_t at = (uint64_t)event->result;

	if (event->result < 0 && event->result >= -ERRNO_MAX)
		return;
	switch (event->number) {
	case SYS_mmap:
		add(planned, at, event->args[1]);
		break;
	case SYS_mremap:
		add(planned, at, event->args[2]);
		break;
	case SYS_shmat:
		add(planned, at, event->extra[0]);
		break;
	case SYS_brk:
		add(planned, event->extra[0], event->extra[1] - event->extra[0]);
		break;
	default:
		break;
	}
}

void region_plan(const struct capture *capture, struct span_vec *planned)
{
	const struct buf *payload = &capture->calls.payload;
	struct chop_event_parts parts;
	const struct chop_event *event;
	uint64_t offset = 0;

	while ((event = chop_event_next((const uint8_t *)payload->data, payload->length, &offset,
					&parts))) {
		const struct chop_event_range *range = (const void *)parts.writes;

		if (event->kind == CHOP_EVENT_CALL && event->flags & CHOP_EVENT_EXECUTE)
			add_call(planned, event);
		for (uint32_t i = 0; i < event->writes && event->flags & CHOP_EVENT_TRACKED; i++) {
			add(planned, range->address, range->size);
			range = chop_event_write_after(range);
		}
	}
}
