// SPDX-License-Identifier: Apache-2.0
/* Entries and exits at which the program stops. */
#include "base/alloc.h"
#include "invok/private.h"
#include "tracee/breakpoint.h"
#include "tracee/memory.h"
#include "tracee/threads.h"
#include "tracee/trampoline.h"

int invok_stop_at(struct invok *invok, uint64_t address, unsigned int id, const char *reason)
{
	(void)reason;
	map_put(&invok->entries, address, id);
	return breakpoint_set(&invok->tracee, address, BREAK_BEGIN);
}

/* What the thread noted itself before it stopped comes first. */
static void drain_thread(struct invok *invok, pid_t tid)
{
	struct trampoline_clock *clock = invok->clock;

	if (!clock)
		return;
	pthread_mutex_lock(&clock->lock);
	for (size_t i = 0; i < clock->lanes_used; i++) {
		struct clock_lane *lane = &clock->lanes[i];

		if (lane->used && lane->tid == tid)
			reader_drain(&invok->reader, clock, lane, false);
	}
	pthread_mutex_unlock(&clock->lock);
}

static void tell(struct invok *invok, const struct thread *thread, const struct clock_event *event)
{
	const uint64_t *counters = counters_read(invok->counters, thread, &invok->result->counted);

	pthread_mutex_lock(&invok->lock);
	drain_thread(invok, thread->tid);
	reader_event(&invok->reader, thread->tid, event, counters);
	pthread_mutex_unlock(&invok->lock);
}

void invok_on_entry(struct invok *invok, const struct event *event)
{
	struct clock_event entry = { .event = STUB_ENTRY };
	struct tracee *tracee = &invok->tracee;
	const struct reader_what *what;
	struct chop_regs regs;
	uint64_t id;

	if (!map_get(&invok->entries, event->address, &id) || thread_get_regs(event->thread, &regs))
		return;
	what = &invok->reader.ids.items[id];
	entry.id = (unsigned int)id;
	entry.stack = arch_return_slot(&regs);
	if (what->kind != READER_FUNCTION) {
		entry.event = STUB_POINT;
	} else if (memory_read(tracee, entry.stack, &entry.extra, sizeof(entry.extra))) {
		return;
	} else if (trampoline_owns(tracee, entry.extra)) {
		/* A function that is noted has jumped here: both end together. */
		entry.event = STUB_TAIL;
	} else if (!(breakpoint_purposes(tracee, entry.extra) & BREAK_END)) {
		breakpoint_set(tracee, entry.extra, BREAK_END);
	}
	entry.time = stub_time();
	tell(invok, event->thread, &entry);
}

/* The innermost that was to return here, when the stack is that far. */
void invok_on_return(struct invok *invok, const struct event *event)
{
	struct clock_event exit = { .event = STUB_EXIT, .time = stub_time() };
	struct reader_open open;
	struct chop_regs regs;
	bool found;

	if (thread_get_regs(event->thread, &regs))
		return;
	pthread_mutex_lock(&invok->lock);
	found = reader_innermost(&invok->reader, event->thread->tid, arch_sp(&regs), event->address,
				 &open);
	pthread_mutex_unlock(&invok->lock);
	if (!found)
		return;
	exit.id = open.function;
	exit.stack = open.slot;
	tell(invok, event->thread, &exit);
}
