// SPDX-License-Identifier: Apache-2.0
#include "fmt/invocations_json.h"

#include <jansson.h>

static json_t *time_of(const struct invok_result *result, uint64_t ticks)
{
	return json_integer((json_int_t)((double)ticks * result->ns + 0.5));
}

static json_t *callers_of(const struct invok_result *result, const struct stats *stats)
{
	json_t *array = json_array();

	for (size_t i = 0; i < stats->callers.length; i++) {
		const struct stats_caller *caller = &stats->callers.items[i];

		json_array_append_new(array, json_pack("{s:I, s:s, s:I, s:o}", "address",
						       (json_int_t)caller->address, "place",
						       invok_caller(result, caller->address),
						       "count", (json_int_t)caller->count,
						       "time_ns", time_of(result, caller->ticks)));
	}
	return array;
}

static json_t *percentiles_of(const struct invok_result *result, const struct stats *stats)
{
	static const struct {
		const char *name;
		double part;
	} wanted[] = { { "50", 0.5 }, { "90", 0.9 }, { "99", 0.99 }, { "99.9", 0.999 } };
	json_t *object = json_object();

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		json_object_set_new(object, wanted[i].name,
				    time_of(result, stats_percentile(stats, wanted[i].part)));
	return object;
}

static json_t *function_of(const struct invok_result *result, size_t id)
{
	const struct invok_function *function = &result->functions.items[id];
	const struct stats *stats = &function->stats;
	json_t *object =
		json_pack("{s:I, s:s, s:s, s:I, s:I, s:I, s:I, s:i}", "function", (json_int_t)id,
			  "name", function->name, "module", function->module, "address",
			  (json_int_t)function->address, "count", (json_int_t)stats->count,
			  "outermost", (json_int_t)stats->outermost, "left",
			  (json_int_t)stats->left, "levels", (int)stats->levels);

	if (function->reason)
		json_object_set_new(object, "stops", json_string(function->reason));
	if (!stats->count)
		return object;
	json_object_set_new(object, "time_ns", time_of(result, stats->ticks));
	json_object_set_new(object, "self_ns", time_of(result, stats->self));
	json_object_set_new(object, "least_ns", time_of(result, stats->least));
	json_object_set_new(object, "most_ns", time_of(result, stats->most));
	json_object_set_new(object, "percentiles_ns", percentiles_of(result, stats));
	if (!function->region)
		json_object_set_new(object, "callers", callers_of(result, stats));
	return object;
}

static json_t *counters_of(const struct invok_result *result)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < INVOK_COUNTERS; i++) {
		if (result->counted >> i & 1)
			json_array_append_new(array, json_string(invok_counter_names[i]));
	}
	return array;
}

void invocations_json_totals(const struct invok_result *result, struct buf *out)
{
	json_t *functions = json_array(), *object;
	char *text;

	for (size_t i = 0; i < result->functions.length; i++) {
		if (result->functions.items[i].name)
			json_array_append_new(functions, function_of(result, i));
	}
	object = json_pack("{s:o, s:I, s:o, s:o, s:o, s:I, s:I, s:I, s:I}", "functions", functions,
			   "wall_ns", (json_int_t)result->wall, "counters", counters_of(result),
			   "subtracted_inside_ns", time_of(result, (uint64_t)result->cost.inside),
			   "subtracted_pair_ns", time_of(result, (uint64_t)result->cost.pair),
			   "unfinished_events", (json_int_t)result->lost, "unmatched_exits",
			   (json_int_t)result->unmatched, "threads_not_watched",
			   (json_int_t)result->crowded, "children_not_watched",
			   (json_int_t)result->children);
	text = json_dumps(object, JSON_EMBED | JSON_PRESERVE_ORDER);
	buf_add_text(out, text ? text : "");
	free(text);
	json_decref(object);
}
