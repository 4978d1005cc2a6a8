// SPDX-License-Identifier: Apache-2.0
#include "fmt/invocations.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "fmt/invocations_json.h"

#define CHUNK (1UL << 20)

static const char *const names[] = {
	[INVOCATIONS_CHOPSTIX] = "chopstix",
	[INVOCATIONS_CSV] = "csv",
	[INVOCATIONS_JSON] = "json",
};

int invocations_format_parse(const char *name, enum invocations_format *format)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(name, names[i])) {
			*format = (enum invocations_format)i;
			return 0;
		}
	}
	return err_set(CHOP_USAGE, EINVAL, "no format '%s'; there are chopstix, csv and json",
		       name);
}

/* -- numbers: rows may come by the ten million ------------------------------------------------- */

static void add_number(struct buf *buf, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + value % 10);
	while (value /= 10);
	buf_add(buf, digits + at, sizeof(digits) - at);
}

static void add_hex(struct buf *buf, uint64_t value)
{
	char digits[16];
	size_t at = sizeof(digits);

	do
		digits[--at] = "0123456789abcdef"[value & 15];
	while (value >>= 4);
	buf_add(buf, "0x", 2);
	buf_add(buf, digits + at, sizeof(digits) - at);
}

static uint64_t nanoseconds(const struct invocations *rows, uint64_t ticks)
{
	return (uint64_t)((double)ticks * rows->result->ns + 0.5);
}

static uint64_t since_start(const struct invocations *rows, uint64_t time)
{
	return time > rows->result->zero ? nanoseconds(rows, time - rows->result->zero) : 0;
}

static bool counted(const struct invocations *rows, unsigned int counter)
{
	return rows->result->counted >> counter & 1;
}

/* -- ChopStiX ------------------------------------------------------------------------------- */

static void add_counter(const struct invocations *rows, struct buf *buf,
			const struct invok_call *call, unsigned int first, unsigned int second)
{
	if (call->counters && counted(rows, first) && counted(rows, second))
		add_number(buf,
			   call->counters[first] + (second == first ? 0 : call->counters[second]));
	buf_add(buf, ", ", 2);
}

static bool have(const struct invocations *rows, const struct invok_call *call, unsigned int a,
		 unsigned int b)
{
	return call->counters && counted(rows, a) && counted(rows, b);
}

static void add_ratios(const struct invocations *rows, struct buf *buf,
		       const struct invok_call *call)
{
	const uint64_t *values = call->counters;

	if (have(rows, call, INVOK_CYCLES, INVOK_INSTRUCTIONS) && values[INVOK_CYCLES])
		buf_printf(buf, "%f",
			   (double)values[INVOK_INSTRUCTIONS] / (double)values[INVOK_CYCLES]);
	buf_add(buf, ", ", 2);
	if (have(rows, call, INVOK_READS, INVOK_WRITES) &&
	    have(rows, call, INVOK_READ_MISSES, INVOK_WRITE_MISSES) &&
	    values[INVOK_READS] + values[INVOK_WRITES])
		buf_printf(
			buf, "%f",
			100.0 * (double)(values[INVOK_READ_MISSES] + values[INVOK_WRITE_MISSES]) /
				(double)(values[INVOK_READS] + values[INVOK_WRITES]));
	buf_add_char(buf, '\n');
}

static void add_chopstix(struct invocations *rows, const struct invok_call *call)
{
	struct buf *buf = &rows->buf;

	add_counter(rows, buf, call, INVOK_CYCLES, INVOK_CYCLES);
	add_number(buf, nanoseconds(rows, call->ticks) / 1000);
	buf_add(buf, ", ", 2);
	add_counter(rows, buf, call, INVOK_INSTRUCTIONS, INVOK_INSTRUCTIONS);
	add_counter(rows, buf, call, INVOK_READS, INVOK_WRITES);
	add_counter(rows, buf, call, INVOK_READ_MISSES, INVOK_WRITE_MISSES);
	add_ratios(rows, buf, call);
}

/* -- CSV ---------------------------------------------------------------------------------------- */

static const char *end_of(const struct invok_call *call)
{
	return call->left ? "left" : "return";
}

static void add_csv(struct invocations *rows, const struct invok_call *call)
{
	const struct invok_function_vec *functions = &rows->result->functions;
	struct buf *buf = &rows->buf;
	const uint64_t numbers[] = { (uint64_t)call->tid, call->level,
				     since_start(rows, call->start), nanoseconds(rows, call->ticks),
				     nanoseconds(rows, call->self) };

	if (call->function < functions->length)
		buf_add_text(buf, functions->items[call->function].name);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		buf_add_char(buf, ',');
		add_number(buf, numbers[i]);
	}
	buf_add_char(buf, ',');
	if (call->caller)
		add_hex(buf, call->caller);
	buf_add_char(buf, ',');
	buf_add_text(buf, end_of(call));
	if (rows->allocations) {
		buf_add_char(buf, ',');
		add_number(buf, call->marks);
	}
	for (unsigned int i = 0; rows->counters && i < INVOK_COUNTERS; i++) {
		buf_add_char(buf, ',');
		if (call->counters && counted(rows, i))
			add_number(buf, call->counters[i]);
	}
	buf_add_char(buf, '\n');
}

/* -- JSON: {"invocations":[...], and what invocations_json_totals adds } ------------------------------------- */

static void add_json(struct invocations *rows, const struct invok_call *call)
{
	struct buf *buf = &rows->buf;

	buf_add_text(buf, rows->rows ? ",\n" : "\n");
	buf_add_text(buf, "{\"function\":");
	add_number(buf, call->function);
	buf_add_text(buf, ",\"thread\":");
	add_number(buf, (uint64_t)call->tid);
	buf_add_text(buf, ",\"level\":");
	add_number(buf, call->level);
	buf_add_text(buf, ",\"start_ns\":");
	add_number(buf, since_start(rows, call->start));
	buf_add_text(buf, ",\"time_ns\":");
	add_number(buf, nanoseconds(rows, call->ticks));
	buf_add_text(buf, ",\"self_ns\":");
	add_number(buf, nanoseconds(rows, call->self));
	if (call->caller) {
		buf_add_text(buf, ",\"caller\":\"");
		add_hex(buf, call->caller);
		buf_add_char(buf, '"');
	}
	if (call->left)
		buf_add_text(buf, ",\"left\":true");
	if (rows->allocations) {
		buf_add_text(buf, ",\"allocations\":");
		add_number(buf, call->marks);
	}
	for (unsigned int i = 0; call->counters && i < INVOK_COUNTERS; i++) {
		if (counted(rows, i))
			buf_printf(buf, ",\"%s\":%" PRIu64, invok_counter_names[i],
				   call->counters[i]);
	}
	buf_add_char(buf, '}');
}

/* -- the file ---------------------------------------------------------------------------------- */

static void write_out(struct invocations *rows)
{
	if (!rows->error)
		rows->error = io_write(rows->file.fd, rows->buf.data, rows->buf.length);
	buf_reset(&rows->buf);
}

static void add_header(struct invocations *rows)
{
	static const char chopstix[] = "Cycles, Time Elapsed (us), Retired Instructions, Retired "
				       "Memory Instructions, Data Cache Misses, Instructions Per "
				       "Cycle, Miss Percentage\n";

	if (rows->format == INVOCATIONS_CHOPSTIX) {
		buf_add_text(&rows->buf, chopstix);
		return;
	}
	if (rows->format == INVOCATIONS_JSON) {
		buf_add_text(&rows->buf, "{\"invocations\":[");
		return;
	}
	buf_add_text(&rows->buf, "function,thread,level,start_ns,time_ns,self_ns,caller,end");
	if (rows->allocations)
		buf_add_text(&rows->buf, ",allocations");
	for (unsigned int i = 0; rows->counters && i < INVOK_COUNTERS; i++)
		buf_printf(&rows->buf, ",%s", invok_counter_names[i]);
	buf_add_char(&rows->buf, '\n');
}

int invocations_open(struct invocations *rows, const char *path)
{
	int error = io_create(&rows->file, path, 0666);

	if (error)
		return error;
	buf_reserve(&rows->buf, CHUNK + 4096);
	add_header(rows);
	return 0;
}

bool invocations_add(struct invocations *rows, const struct invok_call *call)
{
	if (rows->format == INVOCATIONS_CHOPSTIX)
		add_chopstix(rows, call);
	else if (rows->format == INVOCATIONS_CSV)
		add_csv(rows, call);
	else
		add_json(rows, call);
	rows->rows++;
	if (rows->buf.length >= CHUNK)
		write_out(rows);
	return !rows->error;
}

int invocations_close(struct invocations *rows)
{
	cleanup_free char *path = xstrdup(rows->file.path);
	int error;

	if (rows->format == INVOCATIONS_JSON) {
		buf_add_text(&rows->buf, "\n],\n");
		invocations_json_totals(rows->result, &rows->buf);
		buf_add_text(&rows->buf, "}\n");
	}
	write_out(rows);
	error = rows->error;
	buf_release(&rows->buf);
	if (!error)
		return io_commit(&rows->file);
	io_abandon(&rows->file);
	return err_sys(CHOP_USAGE, -error, "cannot write %s", path);
}
