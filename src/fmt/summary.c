// SPDX-License-Identifier: Apache-2.0
#include "fmt/summary.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "fmt/text_out.h"

static unsigned int bucket_of(uint64_t ns)
{
	unsigned int power;

	if (ns < SUMMARY_STEPS)
		return (unsigned int)ns;
	power = 63 - (unsigned int)__builtin_clzll(ns);
	if (power > 62)
		return SUMMARY_BUCKETS - 1;
	/* The bits after the highest one say which step of its power it is in. */
	return (power - 4) * SUMMARY_STEPS + (unsigned int)((ns >> (power - 5)) - SUMMARY_STEPS);
}

/* The largest time of a bucket. */
static uint64_t bucket_end(unsigned int bucket)
{
	unsigned int power = bucket / SUMMARY_STEPS + 4;

	if (bucket < SUMMARY_STEPS)
		return bucket;
	return (((uint64_t)bucket % SUMMARY_STEPS + SUMMARY_STEPS + 1) << (power - 5)) - 1;
}

uint64_t summary_percentile(const struct summary_row *row, double percent)
{
	uint64_t wanted = (uint64_t)((double)row->calls * percent / 100 + 0.5), seen = 0;

	for (unsigned int i = 0; row->buckets && i < SUMMARY_BUCKETS; i++) {
		seen += row->buckets[i];
		if (seen && seen >= wanted)
			return bucket_end(i) < row->max ? bucket_end(i) : row->max;
	}
	return row->max;
}

static struct summary_row *row_of(struct summary *summary, unsigned int number)
{
	const struct call *call = call_find((long)number);
	struct summary_row *row;
	uint64_t at;

	if (map_get(&summary->index, number, &at))
		return &summary->rows.items[at];
	map_put(&summary->index, number, summary->rows.length);
	row = vec_push(&summary->rows);
	*row = (struct summary_row){ .name = call ? call->name : "?", .min = UINT64_MAX };
	row->buckets = xcalloc(SUMMARY_BUCKETS, sizeof(*row->buckets));
	return row;
}

static void add(struct summary *summary, unsigned int number, uint64_t wall, uint64_t cpu,
		int64_t result)
{
	struct summary_row *row = row_of(summary, number);

	row->calls++;
	row->errors += decode_failed(result);
	row->wall += wall;
	row->cpu += cpu;
	row->min = wall < row->min ? wall : row->min;
	row->max = wall > row->max ? wall : row->max;
	row->buckets[bucket_of(wall)]++;
}

int summary_step(void *context, const struct track_step *step)
{
	const struct track_thread *thread = step->thread;

	if (step->kind == TRACK_SUMMARY)
		add(context, step->number, step->wall, step->cpu, step->value);
	else if (step->kind == TRACK_LEAVE)
		add(context, (unsigned int)thread->call.call.number, step->time - thread->entered,
		    step->cpu, step->value);
	return 0;
}

/* -- the table --------------------------------------------------------------------------------- */

static const struct summary *sorting;

static uint64_t main_time(const struct summary_row *row)
{
	return sorting->wall ? row->wall : row->cpu;
}

static int descending(uint64_t a, uint64_t b)
{
	return a < b ? 1 : a > b ? -1 : 0;
}

static int compare(const void *left, const void *right)
{
	const struct summary_row *a = left, *b = right;
	int order = 0;

	switch (sorting->sort) {
	case SUMMARY_BY_TIME:
		order = descending(main_time(a), main_time(b));
		break;
	case SUMMARY_BY_CALLS:
		order = descending(a->calls, b->calls);
		break;
	case SUMMARY_BY_ERRORS:
		order = descending(a->errors, b->errors);
		break;
	case SUMMARY_BY_MAX:
		order = descending(a->max, b->max);
		break;
	case SUMMARY_BY_NAME:
	case SUMMARY_UNSORTED:
		break;
	}
	return order ? order : strcmp(a->name, b->name);
}

static void rule(const struct summary *summary, struct buf *out)
{
	if (summary->untimed) {
		buf_add_text(out, "--------- --------- ----------------\n");
		return;
	}
	buf_add_text(out, "------ ----------- ----------- --------- ---------");
	if (!summary->plain)
		buf_add_text(out, " ----------- ---------- ---------- ----------");
	buf_add_text(out, " ----------------\n");
}

static void heading(const struct summary *summary, struct buf *out)
{
	if (summary->untimed) {
		buf_add_text(out, "    calls    errors syscall\n");
		rule(summary, out);
		return;
	}
	buf_add_text(out, "% time     seconds  usecs/call     calls    errors");
	if (!summary->plain)
		buf_printf(out, " %11s %10s %10s %10s", summary->wall ? "cpu seconds" : "wall secs",
			   "p50 us", "p99 us", "max us");
	buf_add_text(out, " syscall\n");
	rule(summary, out);
}

static void times(const struct summary *summary, const struct summary_row *row, struct buf *out)
{
	if (summary->plain || summary->untimed)
		return;
	buf_printf(out, " %11.6f %10.1f %10.1f %10.1f",
		   (double)(summary->wall ? row->cpu : row->wall) / 1e9,
		   (double)summary_percentile(row, 50) / 1e3,
		   (double)summary_percentile(row, 99) / 1e3, (double)row->max / 1e3);
}

static void line(const struct summary *summary, const struct summary_row *row, uint64_t total,
		 struct buf *out)
{
	uint64_t time = main_time(row);

	if (!summary->untimed)
		buf_printf(out, "%6.2f %11.6f %11llu ",
			   total ? 100.0 * (double)time / (double)total : 0.0, (double)time / 1e9,
			   (unsigned long long)(row->calls ? time / row->calls / 1000 : 0));
	buf_printf(out, "%9llu ", (unsigned long long)row->calls);
	if (row->errors)
		buf_printf(out, "%9llu", (unsigned long long)row->errors);
	else
		buf_add_text(out, "         ");
	times(summary, row, out);
	buf_printf(out, " %s\n", row->name);
}

void summary_print(struct summary *summary, struct buf *out)
{
	struct summary_row sum = { .name = "total" };

	sorting = summary;
	if (summary->sort != SUMMARY_UNSORTED)
		vec_sort(&summary->rows, compare);
	sum.buckets = xcalloc(SUMMARY_BUCKETS, sizeof(*sum.buckets));
	for (size_t i = 0; i < summary->rows.length; i++) {
		const struct summary_row *row = &summary->rows.items[i];

		sum.calls += row->calls;
		sum.errors += row->errors;
		sum.wall += row->wall;
		sum.cpu += row->cpu;
		sum.max = row->max > sum.max ? row->max : sum.max;
		for (unsigned int b = 0; b < SUMMARY_BUCKETS; b++)
			sum.buckets[b] += row->buckets[b];
	}
	heading(summary, out);
	for (size_t i = 0; i < summary->rows.length; i++)
		line(summary, &summary->rows.items[i], main_time(&sum), out);
	rule(summary, out);
	if (summary->untimed) {
		line(summary, &sum, 0, out);
	} else {
		size_t start = out->length;

		line(summary, &sum, main_time(&sum), out);
		/* strace says so even of nothing. */
		memcpy(out->data + start, "100.00", 6);
	}
	free(sum.buckets);
}

static void json_seconds(struct buf *out, const char *key, uint64_t ns)
{
	json_key(out, key);
	buf_printf(out, "%llu.%09llu", (unsigned long long)(ns / 1000000000),
		   (unsigned long long)(ns % 1000000000));
}

static void json_times(const struct summary_row *row, struct buf *out)
{
	json_seconds(out, "wall", row->wall);
	json_seconds(out, "cpu", row->cpu);
	json_seconds(out, "min", row->min);
	json_seconds(out, "p50", summary_percentile(row, 50));
	json_seconds(out, "p99", summary_percentile(row, 99));
	json_seconds(out, "max", row->max);
}

void summary_json(struct summary *summary, struct buf *out)
{
	sorting = summary;
	if (summary->sort != SUMMARY_UNSORTED)
		vec_sort(&summary->rows, compare);
	for (size_t i = 0; i < summary->rows.length; i++) {
		const struct summary_row *row = &summary->rows.items[i];

		buf_add_char(out, '{');
		json_member(out, "event", "summary");
		json_member(out, "call", row->name);
		json_number(out, "calls", (int64_t)row->calls);
		json_number(out, "errors", (int64_t)row->errors);
		if (!summary->untimed)
			json_times(row, out);
		buf_add_text(out, "}\n");
	}
}

int summary_sort_parse(const char *text, enum summary_sort *sort)
{
	static const struct {
		const char *name;
		enum summary_sort sort;
	} names[] = {
		{ "time", SUMMARY_BY_TIME },	 { "total-time", SUMMARY_BY_TIME },
		{ "calls", SUMMARY_BY_CALLS },	 { "count", SUMMARY_BY_CALLS },
		{ "errors", SUMMARY_BY_ERRORS }, { "error", SUMMARY_BY_ERRORS },
		{ "name", SUMMARY_BY_NAME },	 { "syscall", SUMMARY_BY_NAME },
		{ "max", SUMMARY_BY_MAX },	 { "max-time", SUMMARY_BY_MAX },
		{ "none", SUMMARY_UNSORTED },	 { "nothing", SUMMARY_UNSORTED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i].name, text))
			continue;
		*sort = names[i].sort;
		return 0;
	}
	return err_set(CHOP_USAGE, EINVAL,
		       "cannot sort by '%s'; there are time, calls, errors, name, max, none", text);
}

void summary_release(struct summary *summary)
{
	for (size_t i = 0; i < summary->rows.length; i++)
		free(summary->rows.items[i].buckets);
	vec_release(&summary->rows);
	map_release(&summary->index);
}
