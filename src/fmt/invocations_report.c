// SPDX-License-Identifier: Apache-2.0
/* What invocations come to, for people. */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "fmt/invocations.h"

#define DETAILED 4 /* functions told one by one; more make a table */
#define ROWS	 40
#define CALLERS	 5

static void add_time(const struct invok_result *result, struct buf *out, uint64_t ticks)
{
	stats_time(out, (double)ticks * result->ns);
}

static const char *plural(uint64_t count)
{
	return count == 1 ? "" : "s";
}

static void add_percentiles(const struct invok_result *result, const struct stats *stats,
			    struct buf *out)
{
	static const struct {
		const char *name;
		double part;
	} wanted[] = { { "50 %", 0.5 }, { "90 %", 0.9 }, { "99 %", 0.99 }, { "99.9 %", 0.999 } };

	buf_add_text(out, "  mean ");
	add_time(result, out, stats->all_ticks / stats->count);
	buf_add_text(out, ", least ");
	add_time(result, out, stats->least);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		buf_printf(out, ", %s ", wanted[i].name);
		add_time(result, out, stats_percentile(stats, wanted[i].part));
	}
	buf_add_text(out, ", most ");
	add_time(result, out, stats->most);
	buf_add_char(out, '\n');
}

static void add_callers(const struct invok_result *result, const struct stats *stats,
			struct buf *out)
{
	for (size_t i = 0; i < stats->callers.length && i < CALLERS; i++) {
		const struct stats_caller *caller = &stats->callers.items[i];

		buf_printf(out, "  %5.1f %% called from %s\n",
			   100.0 * (double)caller->count / (double)stats->count,
			   invok_caller(result, caller->address));
	}
	if (stats->callers.length > CALLERS)
		buf_printf(out, "          and %zu other places\n",
			   stats->callers.length - CALLERS);
}

static void add_function(const struct invok_result *result, const struct invok_function *function,
			 struct buf *out)
{
	const struct stats *stats = &function->stats;

	buf_printf(out, "%s (%s): %" PRIu64 " invocation%s", function->name, function->module,
		   stats->count, plural(stats->count));
	if (!stats->count) {
		buf_add_char(out, '\n');
		return;
	}
	buf_add_text(out, ", ");
	add_time(result, out, stats->ticks);
	buf_printf(out, " in all, %.1f %% of ",
		   100.0 * (double)stats->ticks * result->ns / (double)result->wall);
	stats_time(out, (double)result->wall);
	buf_add_char(out, '\n');
	add_percentiles(result, stats, out);
	if (stats->levels > 1)
		buf_printf(out, "  %u levels of recursion, %" PRIu64 " outermost\n", stats->levels,
			   stats->outermost);
	if (stats->left)
		buf_printf(out,
			   "  %" PRIu64 " did not return: an exception, longjmp, the end of a "
			   "thread or of the watching\n",
			   stats->left);
	if (stats->marks)
		buf_printf(out, "  %.2f allocations each\n",
			   (double)stats->marks / (double)stats->count);
	if (!function->region)
		add_callers(result, stats, out);
	stats_histogram(stats, result->ns, out);
}

struct row_vec VEC_BODY(const struct invok_function *);

static int by_self(const void *a, const void *b)
{
	const struct invok_function *left = *(const struct invok_function *const *)a;
	const struct invok_function *right = *(const struct invok_function *const *)b;

	if (left->stats.self != right->stats.self)
		return left->stats.self < right->stats.self ? 1 : -1;
	return strcmp(left->name, right->name);
}

static void add_cell(const struct invok_result *result, struct buf *out, uint64_t ticks)
{
	cleanup_buf struct buf cell = { 0 };

	add_time(result, &cell, ticks);
	buf_printf(out, " %9s", buf_text(&cell));
}

static void add_table(const struct invok_result *result, struct row_vec *rows, struct buf *out)
{
	vec_sort(rows, by_self);
	buf_printf(out, "%10s %9s %9s %9s %9s %9s  %s\n", "calls", "self", "total", "mean", "99 %",
		   "most", "function");
	for (size_t i = 0; i < rows->length && i < ROWS; i++) {
		const struct invok_function *function = rows->items[i];
		const struct stats *stats = &function->stats;

		buf_printf(out, "%10" PRIu64, stats->count);
		add_cell(result, out, stats->self);
		add_cell(result, out, stats->ticks);
		add_cell(result, out, stats->all_ticks / stats->count);
		add_cell(result, out, stats_percentile(stats, 0.99));
		add_cell(result, out, stats->most);
		buf_printf(out, "  %s (%s)%s\n", function->name, function->module,
			   function->reason ? " *" : "");
	}
	if (rows->length > ROWS)
		buf_printf(out, "and %zu more functions (-o FILE -format json has all)\n",
			   rows->length - ROWS);
	if (result->stopping)
		buf_printf(out, "* the program stopped at each invocation: times are too long\n");
}

void invocations_report(const struct invok_result *result, struct buf *out)
{
	struct row_vec rows = { 0 };
	size_t count = 0;

	for (size_t i = 0; i < result->functions.length; i++) {
		const struct invok_function *function = &result->functions.items[i];

		count += function->name != NULL;
		if (function->name && function->stats.count)
			*vec_push(&rows) = function;
	}
	if (count > DETAILED) {
		buf_printf(out, "%zu of %zu functions were called\n", rows.length, count);
		add_table(result, &rows, out);
	} else {
		for (size_t i = 0; i < result->functions.length; i++) {
			if (result->functions.items[i].name)
				add_function(result, &result->functions.items[i], out);
		}
	}
	vec_release(&rows);
}
