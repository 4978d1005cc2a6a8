// SPDX-License-Identifier: Apache-2.0
#include "test.h"

#include "base/err.h"
#include "store/syslog.h"

static void build(struct syslog *log)
{
	struct chop_event read_call = { .kind = CHOP_EVENT_CALL,
					.thread = 7,
					.number = 0,
					.args = { 3, 0x1000, 5 },
					.result = 5,
					.ip = 0x401000 };
	struct chop_event signal = { .kind = CHOP_EVENT_SIGNAL, .thread = 7, .number = 11 };
	struct chop_event_signal at = { .at.rip = 1, .to.rip = 2, .xstate_size = 3 };

	syslog_begin(log, &read_call);
	syslog_input(log, 0x2000, "in", 2);
	syslog_input(log, 0x3000, "put", 3);
	syslog_write(log, 0x1000, "hello", 5);
	syslog_write(log, 0x1100, "", 0);
	syslog_end(log);
	syslog_begin(log, &read_call);
	syslog_write(log, 0x1000, "never", 5);
	syslog_cancel(log);
	syslog_begin(log, &signal);
	syslog_write(log, 0x7000, "frame", 5);
	syslog_signal(log, &at, "abc");
	syslog_end(log);
}

static void check_content(const struct syslog *log)
{
	const uint8_t *payload = (const uint8_t *)log->payload.data;
	const struct chop_event_range *write;
	const struct chop_event *event;
	struct chop_event_parts parts;
	uint64_t offset = 0;

	assert_int_equal(log->events, 2);
	event = chop_event_next(payload, log->payload.length, &offset, &parts);
	assert_non_null(event);
	assert_int_equal(event->inputs, 2);
	assert_int_equal(parts.inputs[1].address, 0x3000);
	assert_int_equal(event->result, 5);
	write = (const void *)parts.writes;
	assert_int_equal(write->size, 5);
	assert_memory_equal(write + 1, "hello", 5);
	assert_int_equal(chop_event_write_after(write)->address, 0x1100);
	event = chop_event_next(payload, log->payload.length, &offset, &parts);
	assert_non_null(event);
	assert_int_equal(parts.signal->to.rip, 2);
	assert_memory_equal(parts.xstate, "abc", 3);
	assert_null(chop_event_next(payload, log->payload.length, &offset, &parts));
	assert_int_equal(offset, log->payload.length);
}

static void round_trip(void **state)
{
	cleanup_syslog struct syslog log = { 0 }, again = { 0 };
	cleanup_buf struct buf image = { 0 };

	(void)state;
	build(&log);
	syslog_image(&log, &image);
	assert_int_equal(syslog_load(&again, image.data, image.length, "x.sys"), 0);
	check_content(&again);
}

static void every_damage_is_refused(void **state)
{
	cleanup_syslog struct syslog log = { 0 };
	cleanup_buf struct buf image = { 0 };
	struct syslog again;

	(void)state;
	build(&log);
	syslog_image(&log, &image);
	for (size_t i = 0; i < image.length; i++) {
		assert_true(syslog_load(&again, image.data, i, "x.sys") < 0);
		image.data[i] ^= 0x41;
		assert_true(syslog_load(&again, image.data, image.length, "x.sys") < 0);
		image.data[i] ^= 0x41;
		assert_non_null(strstr(err_message(), "x.sys"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(every_damage_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
