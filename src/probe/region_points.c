// SPDX-License-Identifier: Apache-2.0
#include "probe/region_points.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "arch/calls.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/opt.h"

#define BUFFER (1 << 20)
/* One for each call and direction: sys_enter_newfstat is the longest. */
#define NAME_MAX_SIZE 64

/* A record as the kernel makes it for its tracepoints of system calls, on 64-bit machines. */
struct call_record {
	uint64_t common, number;
	uint64_t args[6]; /* of an exit: the result alone */
};

bool region_points_take(const char *text)
{
	return !strncmp(text, "t:", 2) || !strncmp(text, "tracepoint:", 11);
}

/* -- entries and exits of system calls --------------------------------------------------------- */

static int test_unfit(const struct point_spec *spec)
{
	return err_set(CHOP_USAGE, EINVAL,
		       "'%s': regions begin and end by tests of numbers, not of texts or memory",
		       spec->text);
}

/* Only tests say when: they are all that is fetched. */
static int make_plan(const struct point_spec *spec, const char *category, const char *name,
		     struct point_plan *plan)
{
	struct trace_format format;
	struct arg_context context = { .spec = spec, .fields = &format, .category = category };
	const char *directory;
	int error;

	if (!spec->tests.length)
		return 0;
	directory = tracefs_path();
	error = directory ? trace_format_read(directory, category, name, &format) : -ENOENT;
	if (error)
		return directory ? err_sys(CHOP_MISSING, -error, "cannot read the fields of %s:%s",
					   category, name)
				 : error;
	error = point_plan_make(&context, plan);
	trace_format_release(&format);
	for (size_t i = 0; i < plan->args.length && !error; i++) {
		const struct chop_probe_fetch *fetch = &plan->args.items[i].fetch;

		if (fetch->from != CHOP_FROM_FIELD || fetch->loads || fetch->has_index)
			error = test_unfit(spec);
	}
	return error || !plan->text_tests.length ? error : test_unfit(spec);
}

static int add_call(struct region_points *points, const struct point_spec *spec, long number,
		    const char *name, bool exit, unsigned int purpose)
{
	struct region_call *call = vec_push(&points->calls);

	*call = (struct region_call){ .number = number, .exit = exit, .purpose = purpose };
	points->base.calls = true;
	return make_plan(spec, spec->provider, name, &call->plan);
}

/* Those of a number whose names match. */
static int match_call(struct region_points *points, const struct point_spec *spec, long number,
		      unsigned int purpose)
{
	const struct call *call = call_find(number);
	int error = 0;

	for (int exit = 0; call && exit < 2 && !error; exit++) {
		const char *which = exit ? "exit" : "enter";
		char plain[NAME_MAX_SIZE], kernel[NAME_MAX_SIZE];

		snprintf(plain, sizeof(plain), "sys_%s_%s", which, call->name);
		snprintf(kernel, sizeof(kernel), "sys_%s_%s", which, call_kernel_name(call->name));
		if (!fnmatch(spec->name, plain, 0) || !fnmatch(spec->name, kernel, 0))
			error = add_call(points, spec, number, kernel, exit, purpose);
	}
	return error;
}

static int no_call(const struct point_spec *spec)
{
	const char *best = NULL, *which = strstr(spec->name, "exit") ? "exit" : "enter";
	unsigned int least = 5;

	for (long number = 0; number < CHOP_CALLS; number++) {
		const struct call *call = call_find(number);
		char name[NAME_MAX_SIZE];
		unsigned int distance;

		if (!call)
			continue;
		snprintf(name, sizeof(name), "sys_%s_%s", which, call->name);
		distance = opt_distance(name, spec->name);
		if (distance >= least)
			continue;
		least = distance;
		best = call->name;
	}
	if (best)
		return err_set(CHOP_USAGE, ENOENT,
			       "there is no tracepoint syscalls:%s; did you mean sys_%s_%s?",
			       spec->name, which, best);
	return err_set(CHOP_USAGE, ENOENT,
		       "there is no tracepoint syscalls:%s; they are called sys_enter_CALL and "
		       "sys_exit_CALL",
		       spec->name);
}

static int add_calls(struct region_points *points, const struct point_spec *spec,
		     unsigned int purpose)
{
	size_t before = points->calls.length;
	int error = 0;

	for (long number = 0; number < CHOP_CALLS && !error; number++)
		error = match_call(points, spec, number, purpose);
	return error || points->calls.length > before ? error : no_call(spec);
}

static int add_raw_calls(struct region_points *points, const struct point_spec *spec,
			 unsigned int purpose)
{
	bool exit = !strcmp(spec->name, "sys_exit");

	if (!exit && strcmp(spec->name, "sys_enter"))
		return err_set(CHOP_USAGE, ENOENT,
			       "'%s': of raw_syscalls there are sys_enter and sys_exit",
			       spec->text);
	return add_call(points, spec, -1, spec->name, exit, purpose);
}

static bool tests_hold(const struct point_plan *plan, const struct call_record *record)
{
	for (unsigned int i = 0; i < plan->test_count; i++) {
		const struct chop_probe_test *test = &plan->test[i];
		const struct chop_probe_fetch *fetch = &plan->args.items[test->arg].fetch;
		uint64_t value = 0;

		if (fetch->size > sizeof(value) || fetch->base + fetch->size > sizeof(*record))
			return false;
		memcpy(&value, (const uint8_t *)record + fetch->base, fetch->size);
		if (!chop_probe_holds(test, chop_probe_sized(fetch, value)))
			return false;
	}
	return true;
}

static unsigned int at_call(struct session_points *base, const struct arch_call *call, bool exit)
{
	const struct region_points *points = (const struct region_points *)base;
	struct call_record record = { .number = (uint64_t)call->number };
	unsigned int purpose = 0;

	if (exit)
		record.args[0] = (uint64_t)call->result;
	else
		memcpy(record.args, call->args, sizeof(record.args));
	for (size_t i = 0; i < points->calls.length; i++) {
		const struct region_call *one = &points->calls.items[i];

		if (one->exit == exit && (one->number < 0 || one->number == call->number) &&
		    tests_hold(&one->plan, &record))
			purpose |= one->purpose;
	}
	return purpose;
}

/* -- the others ---------------------------------------------------------------------------------- */

static int add_others(struct region_points *points, struct point_spec *spec, unsigned int purpose)
{
	const struct points_options options = { 0 };
	int error;

	/* Only what tests need is fetched. */
	spec->has_args = true;
	error = probe_points_add(&points->points, spec, &options);
	while (points->purposes.length < points->points.plans.length) {
		const struct point_plan *plan =
			&points->points.plans.items[points->purposes.length];

		if (!error && plan->text_tests.length)
			error = test_unfit(spec);
		*vec_push(&points->purposes) = purpose;
	}
	return error;
}

static int on_hit(void *context, const struct point_event *event)
{
	struct region_points *points = context;

	*vec_push(&points->passed) =
		(struct region_passed){ event->tid, points->purposes.items[event->plan] };
	return 0;
}

static unsigned int passed(struct session_points *base, pid_t tid)
{
	struct region_points *points = (struct region_points *)base;
	unsigned int purpose = 0;
	size_t kept = 0;

	if (points->source)
		points->source->ops->read(points->source, on_hit, points);
	if (points->source)
		points->source->ops->stopped(points->source, tid);
	for (size_t i = 0; i < points->passed.length; i++) {
		if (points->passed.items[i].tid == tid)
			purpose |= points->passed.items[i].purpose;
		else
			points->passed.items[kept++] = points->passed.items[i];
	}
	points->passed.length = kept;
	return purpose;
}

static int open_points(struct session_points *base, pid_t pid)
{
	struct region_points *points = (struct region_points *)base;

	if (!points->points.sites.length)
		return 0;
	points->pid = pid;
	points->request = (struct point_request){
		.pids = &points->pid,
		.pid_count = 1,
		.points = &points->points,
		.mode = CHOP_PROBE_STOPS,
		.buffer = BUFFER,
	};
	return point_bpf_open(&points->source, &points->request);
}

static void errand(struct session_points *base, pid_t tid)
{
	struct region_points *points = (struct region_points *)base;

	if (points->source)
		points->source->ops->errand(points->source, tid);
}

static void close_points(struct session_points *base)
{
	struct region_points *points = (struct region_points *)base;
	uint64_t lost;

	if (!points->source)
		return;
	points->source->ops->stop(points->source);
	lost = points->source->ops->lost(points->source);
	if (lost)
		log_warn("tracepoints were passed %llu times that could not be told, and began or "
			 "ended no region",
			 (unsigned long long)lost);
	points->source->ops->close(points->source);
	points->source = NULL;
}

/* -- from what users write --------------------------------------------------------------------- */

static int add(struct region_points *points, struct point_spec *spec, unsigned int purpose)
{
	if (spec->has_args)
		return err_set(CHOP_USAGE, EINVAL,
			       "'%s': nothing is shown of arguments here; tests follow the name: "
			       "'t:CATEGORY:NAME if FIELD == 1'",
			       spec->text);
	if (!strcmp(spec->provider, "syscalls"))
		return add_calls(points, spec, purpose);
	if (!strcmp(spec->provider, "raw_syscalls"))
		return add_raw_calls(points, spec, purpose);
	if (spec_is_pattern(spec->provider))
		return err_set(CHOP_USAGE, EINVAL,
			       "'%s': name one category; patterns are for names", spec->text);
	return add_others(points, spec, purpose);
}

int region_points_add(struct region_points *points, const char *text, unsigned int purpose)
{
	struct session_points *base = &points->base;
	struct point_spec spec;
	int error = spec_parse(text, &spec);

	base->open = open_points;
	base->at_call = at_call;
	base->passed = passed;
	base->errand = errand;
	base->close = close_points;
	base->begins |= purpose == SESSION_BEGINS;
	base->ends |= purpose == SESSION_ENDS;
	if (!error)
		error = add(points, &spec, purpose);
	spec_release(&spec);
	return error;
}

void region_points_release(struct region_points *points)
{
	for (size_t i = 0; i < points->calls.length; i++)
		point_plan_release(&points->calls.items[i].plan);
	vec_release(&points->calls);
	vec_release(&points->purposes);
	vec_release(&points->passed);
	probe_points_release(&points->points);
}
