// SPDX-License-Identifier: Apache-2.0
/* Tables of counts, times and histograms. */
#include <inttypes.h>
#include <string.h>

#include "fmt/probe_text.h"

#define BAR_WIDTH 40

static const char *id_title(const struct tally *tally)
{
	return tally->options.by == CHOP_BY_THREAD ? "tid" : "pid";
}

static const char *row_name(const struct probe_writer *writer, uint32_t row)
{
	return writer->points->rows.items[row].name;
}

void probe_time(struct buf *out, double ns)
{
	if (ns < 1e3)
		buf_printf(out, "%.0f ns", ns);
	else if (ns < 1e6)
		buf_printf(out, "%.2f us", ns / 1e3);
	else if (ns < 1e9)
		buf_printf(out, "%.2f ms", ns / 1e6);
	else
		buf_printf(out, "%.2f s", ns / 1e9);
}

/* -- counts ------------------------------------------------------------------------------------- */

static void count_line(struct probe_writer *writer, const struct tally *tally, uint32_t row,
		       uint32_t id, uint64_t count)
{
	struct buf *out = &writer->out.buf;

	if (writer->json) {
		buf_add_char(out, '{');
		json_member(out, "probe", row_name(writer, row));
		if (tally->options.by != CHOP_BY_NOTHING)
			json_number(out, id_title(tally), id);
		json_number(out, "count", (int64_t)count);
		buf_add_text(out, "}\n");
		return;
	}
	buf_printf(out, "%12" PRIu64, count);
	if (tally->options.by != CHOP_BY_NOTHING)
		buf_printf(out, " %7" PRIu32, id);
	buf_printf(out, " %s\n", row_name(writer, row));
}

/* Sites without a hit: their number only, where there are many. */
static uint64_t silent_rows(struct probe_writer *writer, const struct tally *tally, bool show)
{
	uint64_t silent = 0;
	size_t at = 0;

	for (uint32_t row = 0; row < writer->points->rows.length; row++) {
		uint64_t sum = 0;

		for (; at < tally->counts.length && tally->counts.items[at].key.row == row; at++)
			sum += tally->counts.items[at].count;
		silent += !sum;
		if (!sum && show)
			count_line(writer, tally, row, 0, 0);
	}
	return silent;
}

void probe_write_counts(struct probe_writer *writer, struct tally *tally)
{
	struct buf *out = &writer->out.buf;
	uint64_t silent;

	tally_sort(tally);
	if (!writer->json)
		buf_printf(out, "%12s%s%s probe\n", "count",
			   tally->options.by == CHOP_BY_NOTHING ? "" : "     ",
			   tally->options.by == CHOP_BY_NOTHING ? "" : id_title(tally));
	for (size_t i = 0; i < tally->counts.length; i++) {
		const struct tally_count *count = &tally->counts.items[i];

		if (count->count)
			count_line(writer, tally, count->key.row, count->key.id, count->count);
	}
	silent = silent_rows(writer, tally, writer->points->rows.length <= 20);
	if (silent && !writer->json && writer->points->rows.length > 20)
		buf_printf(out, "%12d %" PRIu64 " others\n", 0, silent);
}

/* -- times -------------------------------------------------------------------------------------- */

void probe_write_times(struct probe_writer *writer, struct tally *tally)
{
	struct buf *out = &writer->out.buf;

	tally_sort(tally);
	if (!writer->json)
		buf_printf(out, "%12s %12s %12s%s%s probe\n", "calls", "total us", "mean us",
			   tally->options.by == CHOP_BY_NOTHING ? "" : "     ",
			   tally->options.by == CHOP_BY_NOTHING ? "" : id_title(tally));
	for (size_t i = 0; i < tally->sums.length; i++) {
		const struct tally_sum *sum = &tally->sums.items[i];

		if (writer->json) {
			buf_add_char(out, '{');
			json_member(out, "probe", row_name(writer, sum->row));
			if (tally->options.by != CHOP_BY_NOTHING)
				json_number(out, id_title(tally), sum->id);
			json_number(out, "count", (int64_t)sum->count);
			json_number(out, "total_ns", (int64_t)sum->sum);
			buf_add_text(out, "}\n");
			continue;
		}
		buf_printf(out, "%12" PRIu64 " %12.3f %12.3f", sum->count, (double)sum->sum / 1e3,
			   sum->count ? (double)sum->sum / 1e3 / (double)sum->count : 0);
		if (tally->options.by != CHOP_BY_NOTHING)
			buf_printf(out, " %7" PRIu32, sum->id);
		buf_printf(out, " %s\n", row_name(writer, sum->row));
	}
}

/* -- histograms ------------------------------------------------------------------------------------ */

/* The values of a bucket: from `low` up to below `high`; false: without that end. */
struct bounds {
	int64_t low, high;
	bool has_low, has_high;
};

static struct bounds bounds_of(const struct tally_options *options, uint32_t bucket)
{
	struct bounds bounds = { 0, 0, true, true };

	if (!options->linear) {
		tally_range(bucket, &bounds.low, &bounds.high);
		return bounds;
	}
	bounds.low = options->low + (int64_t)((bucket - 1) * options->step);
	bounds.high = bounds.low + (int64_t)options->step;
	if (!bucket) {
		bounds.high = options->low;
		bounds.has_low = false;
	}
	bounds.has_high = bucket <= options->count;
	return bounds;
}

static void add_bound(struct buf *text, bool has, int64_t value, bool times)
{
	if (!has)
		buf_add_text(text, "...");
	else if (times)
		probe_time(text, (double)value);
	else
		buf_printf(text, "%" PRId64, value);
}

static void bar_line(struct buf *out, const struct bounds *bounds, uint64_t count, uint64_t most,
		     bool times)
{
	cleanup_buf struct buf low = { 0 }, high = { 0 };
	int width = most ? (int)(count * BAR_WIDTH / most) : 0;

	add_bound(&low, bounds->has_low, bounds->low, times);
	add_bound(&high, bounds->has_high, bounds->high, times);
	buf_printf(out, "%14s up to %-14s %10" PRIu64 " |%-*.*s|\n", low.data, high.data, count,
		   BAR_WIDTH, count && !width ? 1 : width,
		   "########################################");
}

static void json_bucket(struct buf *out, const struct bounds *bounds, uint64_t count)
{
	if (out->data[out->length - 1] == '}')
		buf_add_char(out, ',');
	buf_add_char(out, '{');
	if (bounds->has_low)
		json_number(out, "low", bounds->low);
	if (bounds->has_high)
		json_number(out, "high", bounds->high);
	json_number(out, "count", (int64_t)count);
	buf_add_char(out, '}');
}

static void value_head(struct probe_writer *writer, const struct tally *tally,
		       const struct tally_sum *sum, bool times)
{
	struct buf *out = &writer->out.buf;
	double mean = sum->count ? (double)(int64_t)sum->sum / (double)sum->count : 0;

	if (writer->json) {
		buf_add_char(out, '{');
		json_member(out, "probe", row_name(writer, sum->row));
		if (tally->options.by != CHOP_BY_NOTHING)
			json_number(out, id_title(tally), sum->id);
		json_number(out, "count", (int64_t)sum->count);
		json_number(out, times ? "total_ns" : "sum", (int64_t)sum->sum);
		json_key(out, "buckets");
		buf_add_char(out, '[');
		return;
	}
	buf_printf(out, "%s", row_name(writer, sum->row));
	if (tally->options.by != CHOP_BY_NOTHING)
		buf_printf(out, ", %s %" PRIu32, id_title(tally), sum->id);
	buf_printf(out, ": %" PRIu64 " %s, mean ", sum->count, times ? "calls" : "values");
	if (times)
		probe_time(out, mean);
	else
		buf_printf(out, "%.3f", mean);
	buf_add_char(out, '\n');
}

static uint64_t count_of(const struct tally *tally, size_t first, size_t end, uint32_t bucket)
{
	for (size_t i = first; i < end; i++) {
		if (tally->counts.items[i].key.bucket == bucket)
			return tally->counts.items[i].count;
	}
	return 0;
}

/* Buckets first to last, the empty ones between them, too. */
static void value_lines(struct probe_writer *writer, const struct tally *tally, size_t first,
			size_t end, bool times)
{
	uint32_t last = tally->counts.items[end - 1].key.bucket;
	uint64_t most = 0;

	for (size_t i = first; i < end; i++)
		most = tally->counts.items[i].count > most ? tally->counts.items[i].count : most;
	for (uint32_t bucket = tally->counts.items[first].key.bucket; bucket <= last; bucket++) {
		struct bounds bounds = bounds_of(&tally->options, bucket);
		uint64_t count = count_of(tally, first, end, bucket);

		if (writer->json && count)
			json_bucket(&writer->out.buf, &bounds, count);
		else if (!writer->json)
			bar_line(&writer->out.buf, &bounds, count, most, times);
	}
}

void probe_write_values(struct probe_writer *writer, struct tally *tally, bool times)
{
	size_t at = 0;

	tally_sort(tally);
	for (size_t i = 0; i < tally->sums.length; i++) {
		const struct tally_sum *sum = &tally->sums.items[i];
		size_t first = at;

		while (at < tally->counts.length && tally->counts.items[at].key.row == sum->row &&
		       tally->counts.items[at].key.id == sum->id)
			at++;
		value_head(writer, tally, sum, times);
		if (at > first)
			value_lines(writer, tally, first, at, times);
		buf_add_text(&writer->out.buf, writer->json ? "]}\n" : "\n");
	}
}
