// SPDX-License-Identifier: Apache-2.0
/* Stubs, run in this process: taking the time, and what unwinds stacks. */
#include "arch/stub.h"

#include <pthread.h>
#include <setjmp.h>
#include <unwind.h>

#include "base/alloc.h"
#include "test.h"
#include "trampoline_victims.h"

/* libgcc; no header declares them */
void __register_frame_info(const void *begin, void *object);
void *__deregister_frame_info(const void *begin);

/* What events a lane has from a unit on; a caller's address or pause is in the second. */
static const struct stub_unit *event_at(uint64_t *at, enum stub_event *event)
{
	const struct stub_unit *unit = &local_units(0)[*at / sizeof(*unit)];

	if (*at >= local_lane(0)->head)
		return NULL;
	*event = STUB_EVENT(unit->what);
	*at += sizeof(*unit);
	if (*event == STUB_ENTRY || *event == STUB_TAIL || *event == STUB_PAUSE)
		*at += sizeof(*unit);
	return unit;
}

/* -- time -------------------------------------------------------------------------------------------- */

static void need_clock(void)
{
	const char *why = stub_clock_unusable();

	if (why)
		skip_because("%s", why);
}

static void events_tell_what_happened(void **state)
{
	uint64_t at = 0, slot, first;
	const struct stub_unit *unit;
	struct local_patch patch;
	enum stub_event event;

	(void)state;
	need_clock();
	reset_lane();
	patch_function((void *)small, 77, &patch);
	first = stub_time();
	for (long i = 0; i < 100; i++)
		assert_int_equal(small(i), 3 * i + 1);
	local_remove(&patch);
	assert_int_equal(local_lane(0)->head, 100 * 3 * sizeof(*unit));
	for (long i = 0; i < 100; i++) {
		unit = event_at(&at, &event);
		assert_int_equal(event, STUB_ENTRY);
		assert_int_equal(STUB_ID(unit->what), 77);
		slot = STUB_STACK(unit->what);
		assert_true(unit->time > first);
		/* the caller: this function, after a call */
		assert_true(unit[1].time > (uint64_t)(uintptr_t)events_tell_what_happened &&
			    unit[1].time < (uint64_t)(uintptr_t)events_tell_what_happened + 4096);
		assert_int_equal(unit[1].time,
				 *(uint64_t *)(uintptr_t)stub_shadow(&local_clock, slot));
		first = unit->time;
		unit = event_at(&at, &event);
		assert_int_equal(event, STUB_EXIT);
		assert_int_equal(STUB_ID(unit->what), 77);
		assert_int_equal(STUB_STACK(unit->what), slot);
		assert_true(unit->time > first);
		first = unit->time;
	}
	assert_null(event_at(&at, &event));
}

static void tail_calls_share_an_exit(void **state)
{
	static const enum stub_event expected[] = { STUB_ENTRY, STUB_TAIL, STUB_EXIT };
	static const unsigned int ids[] = { 1, 2, 1 };
	struct local_patch first, second;
	const struct stub_unit *unit;
	enum stub_event event;
	uint64_t at = 0;

	(void)state;
	need_clock();
	reset_lane();
	patch_function((void *)tail_first, 1, &first);
	patch_function((void *)tail_second, 2, &second);
	assert_int_equal(tail_first(100), 112);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		unit = event_at(&at, &event);
		assert_non_null(unit);
		assert_int_equal(event, expected[i]);
		assert_int_equal(STUB_ID(unit->what), ids[i]);
	}
	assert_null(event_at(&at, &event));
	assert_int_equal(tail_second(3), 10); /* and alone it has one of its own */
	assert_int_equal(event_at(&at, &event) ? event : 99, STUB_ENTRY);
	assert_int_equal(event_at(&at, &event) ? event : 99, STUB_EXIT);
	local_remove(&first);
	local_remove(&second);
}

static void a_full_lane_waits_for_the_tracer(void **state)
{
	struct local_patch patch;

	(void)state;
	need_clock();
	reset_lane();
	local_full = 0;
	patch_function((void *)small, 1, &patch);
	for (long i = 0; i < 10000; i++)
		assert_int_equal(small(i), 3 * i + 1);
	local_remove(&patch);
	/* 48 bytes a call; each pause makes room for a ring less the slack */
	assert_in_range(local_full, 10000 * 48 / RING - 1, 10000 * 48 / (RING - 8192) + 1);
	assert_int_equal(local_lane(0)->head, 10000 * 48 + (uint64_t)local_full * 32);
}

static void a_pause_is_told(void **state)
{
	struct local_patch patch;
	const struct stub_unit *unit;
	enum stub_event event;
	uint64_t at = 0;

	(void)state;
	need_clock();
	reset_lane();
	patch_function((void *)small, 1, &patch);
	local_lane(0)->limit = 0;
	assert_int_equal(small(1), 4);
	local_remove(&patch);
	unit = event_at(&at, &event);
	assert_int_equal(event, STUB_PAUSE);
	assert_true(unit->time > unit[1].time && unit->time - unit[1].time < 1000000000);
	assert_int_equal(event_at(&at, &event) ? event : 99, STUB_ENTRY);
	assert_int_equal(event_at(&at, &event) ? event : 99, STUB_EXIT);
}

static void *call_in_thread(void *context)
{
	call_small(context);
	return NULL;
}

static void each_thread_finds_its_lane(void **state)
{
	struct local_patch patch;
	pthread_t threads[8];
	uint64_t bytes = 0;
	bool wrong = false;
	int before, full;

	(void)state;
	need_clock();
	reset_lane();
	before = local_lane_count;
	full = local_full;
	local_clock.thread_pointer_in_memory = false;
	patch_function((void *)small, 1, &patch);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_create(&threads[i], NULL, call_in_thread, &wrong);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	local_remove(&patch);
	local_clock.thread_pointer_in_memory = true;
	assert_false(wrong);
	assert_in_range(local_lane_count - before, 1, 8);
	for (int n = before; n < local_lane_count; n++)
		bytes += local_lane(n)->head;
	/* every call, and a pause for each lane made and each time one was full */
	assert_int_equal(bytes % 16, 0);
	assert_in_range(bytes, 8UL * 200000 * 48,
			8UL * 200000 * 48 + 32UL * (uint64_t)(local_full - full + 64));
}

static void handlers_nest_in_lanes(void **state)
{
	struct local_patch patch;
	bool wrong = false;
	uint64_t pauses;

	(void)state;
	need_clock();
	reset_lane();
	local_full = 0;
	in_loop = 0;
	patch_function((void *)small, 1, &patch);
	with_timer(call_small_often, &wrong);
	local_remove(&patch);
	pauses = (uint64_t)local_full;
	assert_false(wrong);
	assert_int_equal(local_lane(0)->head, 48 * (uint64_t)(in_loop + in_handler) + 32 * pauses);
}

/* -- stacks ------------------------------------------------------------------------------------------ */

static uint8_t unwind_code[STUB_UNWIND_MAX];
static void *unwind_object[16];

static void register_unwind(void)
{
	size_t size = stub_unwind(&local_clock, (uint64_t)(uintptr_t)local_window,
				  (uint64_t)(uintptr_t)local_window + LOCAL_WINDOW, unwind_code);

	assert_true(size <= STUB_UNWIND_MAX);
	__register_frame_info(unwind_code, unwind_object);
}

struct trace {
	uint64_t pcs[64];
	int depth;
};

static _Unwind_Reason_Code add_frame(struct _Unwind_Context *context, void *argument)
{
	struct trace *trace = argument;

	if (trace->depth < 64)
		trace->pcs[trace->depth++] = _Unwind_GetIP(context);
	return _URC_NO_REASON;
}

static struct trace trace;
static long take_trace(long argument)
{
	trace.depth = 0;
	_Unwind_Backtrace(add_frame, &trace);
	return argument;
}

static long nested(long depth)
{
	if (depth)
		return calling(nested, depth - 1);
	return take_trace(0);
}

/* The same frames, with one of a stub after each of the patched function. */
static void backtraces_go_through(void **state)
{
	struct local_patch patch;
	struct trace plain = { 0 };
	int extra = 0;

	(void)state;
	need_clock();
	reset_lane();
	for (volatile int patched = 0; patched < 2; patched++) { /* both from the same place */
		if (patched) {
			patch_function((void *)calling, 1, &patch);
			register_unwind();
		}
		assert_int_equal(nested(5), 5);
		if (!patched)
			plain = trace;
	}
	local_remove(&patch);
	__deregister_frame_info(unwind_code);
	for (int i = 0; i < trace.depth; i++) {
		if (trace.pcs[i] - (uint64_t)(uintptr_t)local_window < LOCAL_WINDOW)
			extra++;
		else
			assert_int_equal(trace.pcs[i], plain.pcs[i - extra]);
	}
	assert_int_equal(extra, 5);
	assert_int_equal(trace.depth, plain.depth + 5);
}

static jmp_buf jump_to;
static long jump(long argument)
{
	longjmp(jump_to, (int)argument);
}

static void longjmp_goes_past(void **state)
{
	struct local_patch patch;

	(void)state;
	need_clock();
	reset_lane();
	patch_function((void *)calling, 1, &patch);
	for (volatile int i = 1; i < 1000; i++) {
		int came = setjmp(jump_to);

		if (!came)
			calling(jump, i);
		assert_int_equal(came, i);
		assert_int_equal(calling(small, i), 3 * i + 2);
	}
	local_remove(&patch);
}

static volatile int cleaned;
static void clean(void *argument)
{
	cleaned += *(int *)argument;
}

static long leave(long argument)
{
	(void)argument;
	pthread_exit(NULL);
}

static void *exit_deep(void *argument)
{
	int one = 1;

	(void)argument;
	pthread_cleanup_push(clean, &one);
	calling(leave, 0);
	pthread_cleanup_pop(0);
	return NULL;
}

static void pthread_exit_unwinds_through(void **state)
{
	struct local_patch patch;
	pthread_t thread;

	(void)state;
	need_clock();
	reset_lane();
	patch_function((void *)calling, 1, &patch);
	register_unwind();
	for (int i = 0; i < 20; i++) {
		assert_int_equal(pthread_create(&thread, NULL, exit_deep, NULL), 0);
		pthread_join(thread, NULL);
	}
	local_remove(&patch);
	__deregister_frame_info(unwind_code);
	assert_int_equal(cleaned, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_tell_what_happened),
		cmocka_unit_test(tail_calls_share_an_exit),
		cmocka_unit_test(a_full_lane_waits_for_the_tracer),
		cmocka_unit_test(a_pause_is_told),
		cmocka_unit_test(each_thread_finds_its_lane),
		cmocka_unit_test(handlers_nest_in_lanes),
		cmocka_unit_test(backtraces_go_through),
		cmocka_unit_test(longjmp_goes_past),
		cmocka_unit_test(pthread_exit_unwinds_through),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
