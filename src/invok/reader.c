// SPDX-License-Identifier: Apache-2.0
#include "invok/reader.h"

#include <string.h>

#include "base/alloc.h"

/* An activation of a function, or of a region. */
struct activation {
	uint64_t slot; /* of the stack, where its return address is */
	uint64_t start, caller;
	/* Of the thread's, when it began. */
	uint64_t paused, pairs, marks;
	uint64_t inner; /* ticks of timed functions it called */
	uint32_t function, level;
	bool tail;    /* it was jumped to, and ends with the one below it */
	bool stopped; /* seen by a breakpoint */
	uint64_t counters[];
};

struct reader_thread {
	pid_t tid;
	uint8_t *open; /* activations, the innermost last */
	size_t depth, room, size;
	/*
	 * Activations that a jump has left, or that are on a stack the thread is not on now: an
	 * exit of theirs may still come.
	 */
	uint8_t *parked;
	size_t parked_count, parked_room;
	uint32_t *levels; /* open activations, for each id */
	size_t levels_room;
	uint64_t paused, pairs, marks; /* ticks, and counts, since the beginning */
	bool lent;		       /* a child uses it */
};

unsigned int reader_add(struct reader *reader, enum reader_id kind, unsigned int function)
{
	unsigned int id = (unsigned int)reader->ids.length;
	bool own = kind == READER_FUNCTION || kind == READER_BEGIN || kind == READER_LOOP;

	*vec_push(&reader->ids) = (struct reader_what){ kind, own ? id : function };
	return id;
}

static struct reader_thread *thread_of(struct reader *reader, pid_t tid)
{
	struct reader_thread *thread;
	uint64_t value;

	if (map_get(&reader->threads, (uint64_t)tid, &value))
		return (struct reader_thread *)(uintptr_t)value;
	thread = xcalloc(1, sizeof(*thread));
	thread->tid = tid;
	thread->size = sizeof(struct activation) + reader->counters * sizeof(uint64_t);
	map_put(&reader->threads, (uint64_t)tid, (uint64_t)(uintptr_t)thread);
	return thread;
}

static inline struct activation *open_at(const struct reader_thread *thread, size_t index)
{
	return (struct activation *)(void *)(thread->open + index * thread->size);
}

static inline struct activation *parked_at(const struct reader_thread *thread, size_t index)
{
	return (struct activation *)(void *)(thread->parked + index * thread->size);
}

static void *grow(uint8_t *items, size_t *room, size_t size)
{
	*room = *room ? 2 * *room : 64;
	return xreallocarray(items, *room, size);
}

static uint32_t *level_of(const struct reader *reader, struct reader_thread *thread,
			  unsigned int id)
{
	if (id >= thread->levels_room) {
		size_t old = thread->levels_room;

		thread->levels_room = reader->ids.length;
		thread->levels =
			xreallocarray(thread->levels, thread->levels_room, sizeof(*thread->levels));
		memset(thread->levels + old, 0,
		       (thread->levels_room - old) * sizeof(*thread->levels));
	}
	return &thread->levels[id];
}

/* -- the end of an activation ---------------------------------------------------------------- */

static inline uint64_t less(uint64_t ticks, double what)
{
	return what >= (double)ticks ? 0 : ticks - (uint64_t)what;
}

/* It is over; `counters` may be NULL. */
static void tell(struct reader *reader, struct reader_thread *thread,
		 const struct activation *activation, uint64_t time, bool left,
		 const uint64_t *counters)
{
	uint64_t pairs = thread->pairs - activation->pairs, counted[READER_COUNTERS];
	double ours = (double)(thread->paused - activation->paused);
	struct invok_call call = {
		.function = activation->function,
		.tid = thread->tid,
		.level = activation->level,
		.start = activation->start,
		.caller = activation->caller,
		.marks = thread->marks - activation->marks,
		.left = left,
		.stopped = activation->stopped,
	};

	if (!activation->stopped)
		ours += reader->cost.inside + reader->cost.pair * (double)pairs;
	call.ticks = time > activation->start ? less(time - activation->start, ours) : 0;
	call.self = call.ticks > activation->inner ? call.ticks - activation->inner : 0;
	for (size_t i = 0; counters && i < reader->counters; i++)
		counted[i] = counters[i] - activation->counters[i];
	call.counters = counters ? counted : NULL;
	thread->pairs++;
	if (!activation->tail && thread->depth && !left)
		open_at(thread, thread->depth - 1)->inner += call.ticks;
	reader->call(reader->context, &call);
}

static void pop(struct reader *reader, struct reader_thread *thread, uint64_t time, bool left,
		const uint64_t *counters)
{
	const struct activation *activation = open_at(thread, --thread->depth);

	thread->levels[activation->function]--;
	tell(reader, thread, activation, time, left, counters);
}

/* -- activations that may be over ---------------------------------------------------------------- */

static void park(struct reader_thread *thread)
{
	const struct activation *activation = open_at(thread, --thread->depth);

	thread->levels[activation->function]--;
	if (thread->parked_count == thread->parked_room)
		thread->parked = grow(thread->parked, &thread->parked_room, thread->size);
	memcpy(parked_at(thread, thread->parked_count++), activation, thread->size);
}

/* Take those of a slot out of the parked ones: they are over. */
static bool unpark(struct reader *reader, struct reader_thread *thread, uint64_t slot,
		   uint64_t time, bool left)
{
	bool any = false;

	for (size_t i = thread->parked_count; i--;) {
		struct activation *activation = parked_at(thread, i);

		if (activation->slot != slot)
			continue;
		tell(reader, thread, activation, time, left, NULL);
		memmove(activation, parked_at(thread, i + 1),
			(--thread->parked_count - i) * thread->size);
		any = true;
	}
	return any;
}

/* -- events ---------------------------------------------------------------------------------- */

static void enter(struct reader *reader, struct reader_thread *thread, unsigned int function,
		  const struct clock_event *event, const uint64_t *counters)
{
	uint32_t *level = level_of(reader, thread, function);
	struct activation *activation;

	if (thread->depth == thread->room)
		thread->open = grow(thread->open, &thread->room, thread->size);
	activation = open_at(thread, thread->depth++);
	*activation = (struct activation){
		.slot = event->stack,
		.start = event->time,
		.caller = event->event == STUB_ENTRY ? event->extra : 0,
		.paused = thread->paused,
		.pairs = thread->pairs,
		.marks = thread->marks,
		.function = function,
		.level = (*level)++,
		.tail = event->event == STUB_TAIL,
	};
	if (*level > reader->levels)
		reader->levels = *level;
	if (counters)
		memcpy(activation->counters, counters, reader->counters * sizeof(*counters));
}

/* What is below a function's entry on its stack was left by a jump. */
static inline void leave_below(struct reader *reader, struct reader_thread *thread,
			       const struct clock_event *event)
{
	while (thread->depth && open_at(thread, thread->depth - 1)->slot <= event->stack)
		park(thread);
	if (thread->parked_count)
		unpark(reader, thread, event->stack, event->time, true);
}

static void on_entry(struct reader *reader, struct reader_thread *thread,
		     const struct clock_event *event, const uint64_t *counters)
{
	leave_below(reader, thread, event);
	enter(reader, thread, event->id, event, counters);
}

/* One that was jumped to by a timed one; by itself it is a loop around its entry. */
static void on_tail(struct reader *reader, struct reader_thread *thread,
		    const struct clock_event *event)
{
	const struct activation *last = thread->depth ? open_at(thread, thread->depth - 1) : NULL;

	if (last && last->slot == event->stack && last->function == event->id)
		return;
	enter(reader, thread, event->id, event, NULL);
}

static void on_exit_of(struct reader *reader, struct reader_thread *thread,
		       const struct clock_event *event, const uint64_t *counters)
{
	size_t depth = thread->depth;

	while (depth && open_at(thread, depth - 1)->slot != event->stack)
		depth--;
	if (!depth) {
		if (!unpark(reader, thread, event->stack, event->time, false))
			reader->unmatched++;
		return;
	}
	while (thread->depth > depth)
		park(thread);
	while (thread->depth && open_at(thread, thread->depth - 1)->slot == event->stack)
		pop(reader, thread, event->time, false, counters);
}

/* A deeper stack is recursion, the same one is a loop, or a region that was left by a jump. */
static void on_begin(struct reader *reader, struct reader_thread *thread,
		     const struct clock_event *event, const struct reader_what *what,
		     const uint64_t *counters)
{
	const struct activation *last = thread->depth ? open_at(thread, thread->depth - 1) : NULL;

	if (what->kind == READER_BEGIN)
		leave_below(reader, thread, event);
	else if (last && last->function == what->function && last->slot == event->stack)
		return;
	enter(reader, thread, what->function, event, counters);
}

static void on_point(struct reader *reader, struct reader_thread *thread,
		     const struct clock_event *event, const uint64_t *counters)
{
	const struct reader_what *what = &reader->ids.items[event->id];
	size_t depth = thread->depth;

	if (what->kind == READER_BEGIN || what->kind == READER_LOOP) {
		on_begin(reader, thread, event, what, counters);
	} else if (what->kind == READER_MARK) {
		thread->marks++;
	} else {
		while (depth && open_at(thread, depth - 1)->function != what->function)
			depth--;
		while (depth && thread->depth >= depth)
			pop(reader, thread, event->time, thread->depth > depth, counters);
	}
}

static inline void take(struct reader *reader, struct reader_thread *thread,
			const struct clock_event *event, const uint64_t *counters)
{
	if (thread->lent && event->event != STUB_BACK && event->event != STUB_PAUSE)
		return;
	switch (event->event) {
	case STUB_ENTRY:
		on_entry(reader, thread, event, counters);
		break;
	case STUB_EXIT:
		on_exit_of(reader, thread, event, counters);
		break;
	case STUB_TAIL:
		on_tail(reader, thread, event);
		break;
	case STUB_POINT:
		on_point(reader, thread, event, counters);
		break;
	case STUB_PAUSE:
		thread->paused += event->time > event->extra ? event->time - event->extra : 0;
		break;
	case STUB_LENT:
	case STUB_BACK:
		thread->lent = event->event == STUB_LENT;
		break;
	}
}

/* An entry and its exit, with nothing between: most are like that. */
static inline void take_leaf(struct reader *reader, struct reader_thread *thread,
			     const struct clock_event *entry, uint64_t exit)
{
	struct invok_call call = {
		.function = entry->id,
		.tid = thread->tid,
		.start = entry->time,
		.caller = entry->extra,
	};

	if (thread->lent)
		return;
	leave_below(reader, thread, entry);
	call.level = *level_of(reader, thread, entry->id);
	if (call.level >= reader->levels)
		reader->levels = call.level + 1;
	call.self = call.ticks = less(exit - entry->time, reader->cost.inside);
	thread->pairs++;
	if (thread->depth)
		open_at(thread, thread->depth - 1)->inner += call.ticks;
	reader->call(reader->context, &call);
}

static void take_all(struct reader *reader, struct reader_thread *thread,
		     struct trampoline_clock *clock, struct clock_lane *lane)
{
	struct clock_event event;
	uint64_t exit;

	while (clock_next(clock, lane, &event)) {
		if (event.id >= reader->ids.length)
			continue;
		exit = event.event == STUB_ENTRY ? clock_next_exit(lane, &event) : 0;
		if (exit)
			take_leaf(reader, thread, &event, exit);
		else
			take(reader, thread, &event, NULL);
	}
}

void reader_event(struct reader *reader, pid_t tid, const struct clock_event *event,
		  const uint64_t *counters)
{
	struct reader_thread *thread = thread_of(reader, tid);
	size_t depth = thread->depth;

	take(reader, thread, event, counters);
	if (thread->depth > depth)
		open_at(thread, thread->depth - 1)->stopped = true;
}

void reader_drain(struct reader *reader, struct trampoline_clock *clock, struct clock_lane *lane,
		  bool all)
{
	struct reader_thread *thread = lane->reader;
	uint64_t tail = lane->tail;

	if (!thread)
		lane->reader = thread = thread_of(reader, lane->tid);
	do
		take_all(reader, thread, clock, lane);
	while ((all || lane->ended) && clock_skip(lane));
	reader->events += (lane->tail - tail) / sizeof(struct stub_unit);
	clock_make_room(lane);
	reader->torn += lane->torn;
	lane->torn = 0;
	if (lane->ended) {
		reader_thread_end(reader, lane->tid, stub_time());
		clock_reuse(lane);
	}
}

bool reader_innermost(const struct reader *reader, pid_t tid, uint64_t below, uint64_t caller,
		      struct reader_open *open)
{
	const struct reader_thread *thread;
	uint64_t value;

	if (!map_get(&reader->threads, (uint64_t)tid, &value))
		return false;
	thread = (const struct reader_thread *)(uintptr_t)value;
	for (size_t i = thread->depth; i--;) {
		const struct activation *activation = open_at(thread, i);

		if (!activation->stopped || activation->slot >= below ||
		    activation->caller != caller)
			continue;
		*open = (struct reader_open){ activation->function, activation->slot,
					      activation->caller };
		return true;
	}
	return false;
}

/* -- ends ------------------------------------------------------------------------------------ */

static void end_thread(struct reader *reader, struct reader_thread *thread, uint64_t time)
{
	while (thread->depth)
		pop(reader, thread, time, true, NULL);
	while (thread->parked_count) {
		thread->parked_count--;
		tell(reader, thread, parked_at(thread, thread->parked_count), time, true, NULL);
	}
}

static void free_thread(struct reader_thread *thread)
{
	free(thread->open);
	free(thread->parked);
	free(thread->levels);
	free(thread);
}

void reader_thread_end(struct reader *reader, pid_t tid, uint64_t time)
{
	uint64_t value;

	if (!map_get(&reader->threads, (uint64_t)tid, &value))
		return;
	map_remove(&reader->threads, (uint64_t)tid);
	end_thread(reader, (struct reader_thread *)(uintptr_t)value, time);
	free_thread((struct reader_thread *)(uintptr_t)value);
}

void reader_end(struct reader *reader, uint64_t time)
{
	uint64_t tid, value;

	for (size_t i = 0; i < reader->threads.capacity; i++) {
		if (map_slot(&reader->threads, i, &tid, &value))
			reader_thread_end(reader, (pid_t)tid, time);
	}
}

void reader_release(struct reader *reader)
{
	reader_end(reader, stub_time());
	map_release(&reader->threads);
	vec_release(&reader->ids);
}
