// SPDX-License-Identifier: Apache-2.0
/* chop probe: what happens at functions, static probe points and tracepoints. */
#include "cmd/cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "base/program.h"
#include "cmd/probe_list.h"
#include "cmd/probe_watch.h"
#include "tracee/interrupt.h"

static const struct opt table[] = {
	OPT_HEADING("What to watch"),
	OPT_FLAG('f', "follow", struct probe_options, follow, "child processes, too"),
	OPT_LIST('p', "attach", struct probe_options, pids, "PID",
		 "a process that runs already; may be repeated"),
	OPT_FLAG('a', "all", struct probe_options, everyone, "all processes"),
	OPT_FLAG(0, "force", struct probe_options, force, "also what may crash the program"),
	OPT_HEADING("What to show"),
	OPT_FLAG('l', "list", struct probe_options, list,
		 "what can be probed: FILE, u:FILE:*, usdt:FILE, t:sched,\n"
		 "k:vfs_*, call:execve"),
	OPT_FLAG('c', "count", struct probe_options, count, "counts instead of each hit"),
	OPT_FLAG('L', "latency", struct probe_options, latency,
		 "time between entry and return of functions: a histogram;\n"
		 "with -c calls, total and mean"),
	OPT_FLAG('H', "histogram", struct probe_options, values,
		 "a histogram of each point's first argument"),
	OPT_TEXT(0, "linear", struct probe_options, linear, "LOW:HIGH:STEP",
		 "buckets of equal size instead of powers of two\n"
		 "(of times: in ns)"),
	OPT_TEXT(0, "by", struct probe_options, by, "WHAT", "thread or process: count each apart"),
	OPT_FLAG('k', "stack", struct probe_options, stack,
		 "the program's stack; with -c folded stacks"),
	OPT_FLAG('K', "kernel-stack", struct probe_options, kernel_stack, "the kernel's stack"),
	OPT_NUMBER('s', "string-limit", struct probe_options, text_limit, "N",
		   "bytes of a text (64)", .max = CHOP_PROBE_TEXT_MAX - 3),
	OPT_HEADING("Result"),
	OPT_TEXT('o', "output", struct probe_options, output, "FILE",
		 "write to FILE (default: stderr with a command, else\nstdout)"),
	OPT_TEXT(0, "format", struct probe_options, format, "NAME", "text or json"),
	OPT_NUMBER(0, "stop-count", struct probe_options, stop_count, "N",
		   "stop watching after N hits"),
	OPT_TIME(0, "stop-time", struct probe_options, stop_time, "T",
		 "stop watching after this time"),
	OPT_HEADING("How"),
	OPT_TEXT(0, "source", struct probe_options, source, "NAME",
		 "bpf or ftrace (default: the best there is)"),
	OPT_SIZE(0, "buffer", struct probe_options, buffer, "SIZE",
		 "between the kernel and us (64M)", .min = 4096),
	OPT_END,
};

static const struct opt_spec spec = {
	.usage = "chop probe [options] POINT... -- COMMAND [ARGUMENT...]\n"
		 "chop probe [options] POINT... -p PID\n"
		 "chop probe [options] POINT... --all\n"
		 "chop probe -l WHAT...",
	.about = "Show what happens at probe points while a program runs. POINT is\n"
		 "  u:FILE:FUNCTION, ur:FILE:FUNCTION    functions, their returns\n"
		 "  u:FILE:SOURCE:LINE, u:FILE:0xADDRESS other places in the code\n"
		 "  usdt:FILE:PROVIDER:NAME              static probe points\n"
		 "  t:CATEGORY:NAME                      tracepoints of the kernel\n"
		 "  k:FUNCTION, kr:FUNCTION              functions of the kernel\n"
		 "then (ARGUMENT,...) and ' if TEST && TEST'. Names may be patterns: str*. FILE is "
		 "a\n"
		 "path, the name of a library (libc), or nothing for the command itself. An\n"
		 "argument is a variable, arg0, ret, %register or +OFFSET(ADDRESS), with :TYPE.",
	.options = table,
	.examples = "  chop probe 'u::work(number, text:str) if number > 10' -- ./app\n"
		    "  chop probe -c 'u:libc:str*' -- ls\n"
		    "  chop probe -L u:libc:nanosleep -p 4711\n"
		    "  chop probe 'usdt:./app:shop:*' -- ./app\n"
		    "  chop probe -a -H 't:syscalls:sys_enter_write(count)' --stop-time 5",
	.intermixed = true,
};

/* -- options ------------------------------------------------------------------------------------- */

static int parse_pids(struct probe_session *s)
{
	s->pids = xcalloc(s->o.pids.length + 1, sizeof(*s->pids));
	return watch_pids(&s->o.pids, s->pids);
}

static int parse_linear(const char *text, struct tally_options *tally)
{
	int64_t low, high, step;
	char end;

	if (sscanf(text, "%" SCNi64 ":%" SCNi64 ":%" SCNi64 "%c", &low, &high, &step, &end) != 3)
		return cmd_usage("--linear wants LOW:HIGH:STEP, not '%s'", text);
	if (step <= 0 || high <= low || (high - low - 1) / step >= CHOP_BUCKETS)
		return cmd_usage("--linear %s is not 1 to %d buckets", text, CHOP_BUCKETS);
	tally->linear = true;
	tally->low = low;
	tally->step = (uint64_t)step;
	tally->count = (uint32_t)((high - low + step - 1) / step);
	return 0;
}

static int parse_by(struct probe_session *s)
{
	if (!s->o.by)
		return 0;
	if (!strcmp(s->o.by, "thread"))
		s->tally.options.by = CHOP_BY_THREAD;
	else if (!strcmp(s->o.by, "process"))
		s->tally.options.by = CHOP_BY_PROCESS;
	else
		return cmd_usage("--by wants thread or process, not '%s'", s->o.by);
	return 0;
}

static int check_options(struct probe_session *s)
{
	const struct probe_options *o = &s->o;

	if (o->latency && o->values)
		return cmd_usage("-L is a histogram of times, -H one of arguments: take one");
	if (o->values && o->count)
		return cmd_usage("-H and -c are two ways to count: take one");
	if ((o->stack || o->kernel_stack) && (o->latency || o->values))
		return cmd_usage("stacks are shown of hits, or counted with -c");
	if (o->linear && !o->latency && !o->values)
		return cmd_usage("--linear is for histograms: -H or -L");
	if (o->by && !o->latency && !o->values && !o->count)
		return cmd_usage("--by is for counts and histograms: -c, -H or -L");
	if (o->format && strcmp(o->format, "text") && strcmp(o->format, "json"))
		return cmd_usage("no format '%s'; there are text and json", o->format);
	if (o->source && strcmp(o->source, "bpf") && strcmp(o->source, "ftrace"))
		return cmd_usage("no source '%s'; there are bpf and ftrace", o->source);
	return 0;
}

static int parse_options(struct probe_session *s)
{
	int error = check_options(s);

	if (!error)
		error = parse_pids(s);
	if (!error)
		error = parse_by(s);
	if (!error && s->o.linear)
		error = parse_linear(s->o.linear, &s->tally.options);
	return error;
}

/* -- points --------------------------------------------------------------------------------------- */

static struct points_options points_options(const struct probe_session *s)
{
	return (struct points_options){ .command = s->command,
					.pid = s->o.pids.length ? s->pids[0] : 0,
					.latency = s->o.latency,
					.force = s->o.force };
}

static int add_points(struct probe_session *s, char *const *words, size_t count)
{
	struct points_options options = points_options(s);
	int error = 0;

	for (size_t i = 0; i < count && !error; i++) {
		struct point_spec point;

		error = spec_parse(words[i], &point);
		if (!error)
			error = probe_points_add(&s->points, &point, &options);
		spec_release(&point);
	}
	return error;
}

static int list(struct probe_session *s, const struct strvec *words)
{
	struct points_options options = points_options(s);
	int error = 0;

	if (!words->length)
		return cmd_usage("list what? FILE, u:FILE:*, usdt:FILE, t:CATEGORY, k:vfs_*, "
				 "call:NAME");
	for (size_t i = 0; i < words->length && !error; i++)
		error = probe_list(words->items[i], &options);
	return error;
}

/* A histogram needs something to count. */
static int check_values(const struct probe_session *s)
{
	for (size_t i = 0; i < s->points.sites.length && s->o.values; i++) {
		const struct point_site *site = &s->points.sites.items[i];
		const struct point_plan *plan = &s->points.plans.items[site->plan];

		if (!plan->args.length)
			return cmd_usage("-H: %s has no argument; name one: POINT(ARGUMENT)",
					 s->points.rows.items[site->row].name);
		if (plan->args.items[0].format == ARG_TEXT)
			return cmd_usage("-H: the first argument of %s is a text",
					 s->points.rows.items[site->row].name);
	}
	return 0;
}

static void report_attached(const struct probe_session *s)
{
	size_t total = s->points.sites.length + s->points.skips.length, failed = 0;
	const char *name = NULL, *why = NULL;

	for (size_t i = 0; i < s->points.skips.length; i++) {
		log_verbose("skipped %s: %s", s->points.skips.items[i].name,
			    s->points.skips.items[i].why);
		name = s->points.skips.items[i].name;
		why = s->points.skips.items[i].why;
	}
	for (size_t i = 0; i < s->points.sites.length; i++) {
		const struct point_site *site = &s->points.sites.items[i];

		if (!site->error)
			continue;
		failed++;
		name = s->points.rows.items[site->row].name;
		why = site->error == 524 ? "the kernel cannot put a breakpoint at its instruction"
					 : strerror(site->error);
		log_verbose("skipped %s: %s", name, why);
	}
	failed += s->points.skips.length;
	if (failed)
		log_info("attached %zu of %zu, %zu skipped (%s: %s)%s", total - failed, total,
			 failed, name, why, failed > 1 ? "; -v tells all" : "");
	else if (total > 1)
		log_info("attached %zu of %zu", total, total);
	log_verbose("attached in %.3f s", (double)s->source->attach_ns / 1e9);
}

/* -- setting up -------------------------------------------------------------------------------------- */

/* Length of the longest text something is compared with; 0: texts are not compared. */
static size_t longest_test(const struct points *points)
{
	size_t longest = 0;

	for (size_t i = 0; i < points->plans.length; i++) {
		const struct point_plan *plan = &points->plans.items[i];

		for (size_t k = 0; k < plan->text_tests.length; k++) {
			size_t length = strlen(plan->text_tests.items[k].text) + 1;

			longest = length > longest ? length : longest;
		}
	}
	return longest;
}

static void fill_request(struct probe_session *s, char *const *argv)
{
	struct point_request *r = &s->request;
	bool stacks = s->o.stack || s->o.kernel_stack;
	size_t tests = longest_test(&s->points);

	r->argv = argv;
	r->pids = s->pids;
	r->pid_count = s->o.pids.length;
	r->follow = s->o.follow;
	r->everyone = s->o.everyone;
	r->points = &s->points;
	r->latency = s->o.latency;
	r->tally = s->tally.options;
	r->stack_user = s->o.stack;
	r->stack_kernel = s->o.kernel_stack;
	r->text_limit = (uint32_t)(tests > s->o.text_limit ? tests : s->o.text_limit);
	if (r->text_limit > CHOP_PROBE_TEXT_MAX - 3)
		r->text_limit = CHOP_PROBE_TEXT_MAX - 3;
	s->writer.text_limit = s->o.text_limit;
	r->buffer = s->o.buffer;
	r->mode = CHOP_PROBE_RECORDS;
	if (tests || stacks || s->o.stop_count)
		return;
	if (s->o.count && !s->o.latency)
		r->mode = CHOP_PROBE_COUNTS;
	else if (s->o.values)
		r->mode = CHOP_PROBE_VALUES;
}

static int choose_source(struct probe_session *s)
{
	const char *name = s->o.source ? s->o.source : "";
	int error = -ENOSYS;

	if (strcmp(name, "ftrace"))
		error = point_bpf_open(&s->source, &s->request);
	/* Only what is missing here may be had another way; a wrong command may not. */
	if (error && strcmp(name, "bpf") && (*name || err_status() == CHOP_MISSING)) {
		cleanup_free char *first = xstrdup(err_message());

		err_clear();
		error = point_ftrace_open(&s->source, &s->request);
		if (error && *first)
			return err_set(CHOP_MISSING, -error, "%s", first);
	}
	if (error)
		return error;
	s->in_kernel = s->request.mode != CHOP_PROBE_RECORDS || s->o.latency;
	s->in_kernel = s->in_kernel && s->source->ops->collect;
	log_verbose("watching by %s", s->source->ops->name);
	return 0;
}

/* Words before "--" are points, those behind it the command. */
static int split_words(struct probe_session *s, int argc, char **argv, const struct strvec *rest,
		       char *const **command)
{
	size_t points = rest->length;

	*command = NULL;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--"))
			continue;
		*command = argv + i + 1;
		points = rest->length - (size_t)(argc - i - 1);
		break;
	}
	if (!points)
		return cmd_usage("no probe point; try: chop probe u::main -- COMMAND");
	if (*command && !**command)
		return cmd_usage("no command behind --");
	if (!*command && !s->o.pids.length && !s->o.everyone)
		return cmd_usage("whom to watch? -- COMMAND, -p PID or --all");
	if (*command) {
		s->command = program_find(**command);
		if (!s->command)
			return -ENOENT;
	}
	return (int)points;
}

static int run(struct probe_session *s, int argc, char **argv, const struct strvec *rest)
{
	char *const *command;
	int error = parse_options(s), points;

	if (error)
		return error;
	if (s->o.list)
		return list(s, rest);
	points = split_words(s, argc, argv, rest, &command);
	if (points < 0)
		return points;
	error = add_points(s, (char *const *)rest->items, (size_t)points);
	if (!error)
		error = check_values(s);
	if (error)
		return error;
	fill_request(s, command);
	interrupt_catch();
	error = choose_source(s);
	if (error)
		return error;
	report_attached(s);
	return probe_watch(s);
}

int cmd_probe(int argc, char **argv)
{
	struct probe_session s = { .o = { .text_limit = 64 } };
	struct strvec rest = { 0 };
	int status;

	if (!cmd_parse(&spec, argc, argv, &s.o, &rest, &status))
		return status;
	status = run(&s, argc, argv, &rest);
	if (s.source)
		s.source->ops->close(s.source);
	probe_writer_release(&s.writer);
	tally_release(&s.tally);
	probe_points_release(&s.points);
	free(s.command);
	free(s.pids);
	vec_release(&rest);
	vec_release(&s.o.pids);
	return status;
}
