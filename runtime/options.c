// SPDX-License-Identifier: Apache-2.0
#include "runtime.h"

/* Alarms that come faster than their handler returns would fill its stack. */
#define SHORTEST_TIMEOUT_NS 1000000

static const char help_text[] =
	"\n"
	"Runs the captured region once, natively, and compares its end with the original's.\n"
	"\n"
	"  --verify          compare registers and every page (always done)\n"
	"  --iterations N    run N times from the same state, time each, compare the last\n"
	"  --cold            evict the captured pages from the caches before each iteration\n"
	"  --timeout TIME    give up when the end is not reached in TIME (ms s m h, default s);\n"
	"                    0 never\n"
	"  --friendly        leave what else is mapped in place and do without system-call\n"
	"                    filters: for valgrind, qemu and simulators\n"
	"  --user-dispatch   catch system calls by Syscall User Dispatch, not by seccomp\n"
	"  --show-output     print what the region wrote to standard output and error\n"
	"  --quiet           say nothing when it is equal\n"
	"  --help            this text\n"
	"\n"
	"Exit status: 0 equal, 1 differs, 2 usage or damaged file, 3 diverged or crashed,\n"
	"4 end never reached, 5 this machine lacks something.\n";

static void show_help(void)
{
	const struct snippet_header *header = rt.header;

	say(STDOUT, "Usage: %s [options]", rt.name);
	say(STDOUT, "Region %s of %s, invocation %u, made by chop %s.", string_at(header->function),
	    string_at(header->program), header->invocation, string_at(header->tool));
	sys_write(STDOUT, help_text, sizeof(help_text) - 1);
	exit_with(CHOP_OK);
}

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Decimal; advances *text past it. False when there is none or it is too big. */
static bool number(const char **text, uint64_t *value)
{
	const char *at = *text;

	for (*value = 0; digit(*at); at++) {
		if (*value > (UINT64_MAX - 9) / 10)
			return false;
		*value = *value * 10 + (uint64_t)(*at - '0');
	}
	if (at == *text)
		return false;
	*text = at;
	return true;
}

static uint64_t unit_ns(const char *unit)
{
	if (!*unit || same_text(unit, "s"))
		return 1000000000;
	if (same_text(unit, "us"))
		return 1000;
	if (same_text(unit, "ms"))
		return 1000000;
	if (same_text(unit, "m"))
		return 60000000000;
	if (same_text(unit, "h"))
		return 3600000000000;
	return 0;
}

static void set_iterations(const char *text)
{
	const char *at = text;

	rt.options.timed = true;
	if (!number(&at, &rt.options.iterations) || *at || !rt.options.iterations ||
	    rt.options.iterations > 10000000)
		die(CHOP_USAGE, "--iterations %s: expected a number from 1 to 10000000", text);
}

static void set_timeout(const char *text)
{
	const char *at = text;
	uint64_t value;

	if (!number(&at, &value) || !unit_ns(at) || value > UINT64_MAX / 2 / unit_ns(at))
		die(CHOP_USAGE, "--timeout %s: expected a time like 10, 500ms or 5m", text);
	rt.options.timeout_ns = value * unit_ns(at);
	if (value && rt.options.timeout_ns < SHORTEST_TIMEOUT_NS)
		rt.options.timeout_ns = SHORTEST_TIMEOUT_NS;
}

struct argument {
	const char *name, *value; /* value: behind '=', else NULL */
};

/* "--name=value" or "-name"; the word is ours to cut. */
static struct argument split(char *word)
{
	struct argument argument = { .name = word + 1 + (word[1] == '-'), .value = NULL };

	for (char *at = word; *at; at++) {
		if (*at == '=') {
			*at = '\0';
			argument.value = at + 1;
			break;
		}
	}
	return argument;
}

static bool set_flag(const char *name)
{
	if (same_text(name, "help") || same_text(name, "h"))
		rt.options.help = true;
	else if (same_text(name, "quiet") || same_text(name, "q"))
		rt.options.quiet = true;
	else if (same_text(name, "friendly"))
		rt.options.friendly = true;
	else if (same_text(name, "show-output"))
		rt.options.show_output = true;
	else if (same_text(name, "user-dispatch"))
		rt.options.dispatch = true;
	else if (same_text(name, "cold"))
		rt.options.cold = rt.options.timed = true;
	else if (!same_text(name, "verify"))
		return false;
	return true;
}

void parse_options(int argc, char **argv)
{
	rt.options.iterations = 1;
	rt.options.timeout_ns = rt.header->timeout_ns;
	for (int i = 1; i < argc; i++) {
		struct argument argument;

		if (argv[i][0] != '-')
			die(CHOP_USAGE, "unexpected argument '%s'; --help lists the options",
			    argv[i]);
		argument = split(argv[i]);
		if (!argument.value && set_flag(argument.name))
			continue;
		if (!same_text(argument.name, "iterations") && !same_text(argument.name, "timeout"))
			die(CHOP_USAGE, "unknown option --%s; --help lists the options",
			    argument.name);
		if (!argument.value && ++i == argc)
			die(CHOP_USAGE, "option --%s needs a value", argument.name);
		if (!argument.value)
			argument.value = argv[i];
		if (same_text(argument.name, "iterations"))
			set_iterations(argument.value);
		else
			set_timeout(argument.value);
	}
	if (rt.options.help)
		show_help();
}
