// SPDX-License-Identifier: Apache-2.0
#include "probe/spec.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/opt.h"

static const struct {
	const char *name, *longer;
	enum point_kind kind;
	bool at_return;
} kinds[] = {
	{ "u", "uprobe", POINT_USER, false },	{ "ur", "uretprobe", POINT_USER, true },
	{ "usdt", "usdt", POINT_USDT, false },	{ "t", "tracepoint", POINT_TRACEPOINT, false },
	{ "k", "kprobe", POINT_KERNEL, false }, { "kr", "kretprobe", POINT_KERNEL, true },
};

static const char *const forms[] = {
	[POINT_USER] = "u:FILE:FUNCTION",
	[POINT_USDT] = "usdt:FILE:PROVIDER:NAME",
	[POINT_TRACEPOINT] = "t:CATEGORY:NAME",
	[POINT_KERNEL] = "k:FUNCTION",
};

bool spec_is_pattern(const char *name)
{
	return name[strcspn(name, "*?[")] != '\0';
}

static int wrong(const struct point_spec *spec, const char *why)
{
	return err_set(CHOP_USAGE, EINVAL, "'%s': %s", spec->text, why);
}

/* The next part up to a colon; the rest if there is none. *at is moved behind it. */
static char *part(const char **at)
{
	size_t length = strcspn(*at, ":");
	char *text = xstrndup(*at, length);

	*at += length + ((*at)[length] == ':');
	return text;
}

static int parse_kind(struct point_spec *spec, const char **at)
{
	cleanup_free char *word = part(at);

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(word, kinds[i].name) && strcmp(word, kinds[i].longer))
			continue;
		spec->kind = kinds[i].kind;
		spec->at_return = kinds[i].at_return;
		return 0;
	}
	return wrong(spec, "a probe point begins with u: or ur: (functions of programs, their "
			   "returns), usdt:, t: (tracepoints), k: or kr: (functions of the "
			   "kernel)");
}

static int parse_names(struct point_spec *spec, const char *at)
{
	spec->file = spec->provider = NULL;
	if (spec->kind == POINT_USER || spec->kind == POINT_USDT) {
		if (!strchr(at, ':'))
			return err_set(CHOP_USAGE, EINVAL, "'%s': expected %s", spec->text,
				       forms[spec->kind]);
		spec->file = part(&at);
	}
	if (spec->kind == POINT_USDT || spec->kind == POINT_TRACEPOINT) {
		/* usdt:FILE:NAME is any provider. */
		if (!strchr(at, ':') && spec->kind == POINT_TRACEPOINT)
			return err_set(CHOP_USAGE, EINVAL, "'%s': expected %s", spec->text,
				       forms[spec->kind]);
		spec->provider = strchr(at, ':') ? part(&at) : xstrdup("*");
	}
	spec->name = xstrdup(at);
	if (!*spec->name)
		return err_set(CHOP_USAGE, EINVAL, "'%s': no name; expected %s", spec->text,
			       forms[spec->kind]);
	return 0;
}

static char *trimmed(const char *text, size_t length)
{
	while (length && isspace((unsigned char)*text)) {
		text++;
		length--;
	}
	while (length && isspace((unsigned char)text[length - 1]))
		length--;
	return xstrndup(text, length);
}

static int parse_args(struct point_spec *spec, const char *text, size_t length)
{
	size_t start = 0, depth = 0;

	spec->has_args = true;
	for (size_t i = 0; i <= length; i++) {
		char c = i < length ? text[i] : ',';

		depth += c == '(';
		depth -= c == ')';
		if (c != ',' || (depth && i < length))
			continue;
		if (i > start || start)
			*vec_push(&spec->args) = trimmed(text + start, i - start);
		start = i + 1;
	}
	for (size_t i = 0; i < spec->args.length; i++) {
		if (!*spec->args.items[i])
			return wrong(spec, "an argument is empty");
	}
	if (spec->args.length > CHOP_PROBE_ARGS)
		return wrong(spec, "more than 8 arguments");
	return 0;
}

/* Where the last group of parentheses begins, when it ends the text. */
static const char *last_group(const char *text, size_t length)
{
	size_t depth = 0;

	if (!length || text[length - 1] != ')')
		return NULL;
	for (size_t i = length; i-- > 0;) {
		depth += text[i] == ')';
		depth -= text[i] == '(';
		if (!depth)
			return text + i;
	}
	return NULL;
}

static const struct {
	const char *text;
	enum chop_probe_op op;
} ops[] = {
	{ "==", CHOP_TEST_EQ },	 { "!=", CHOP_TEST_NE }, { "<=", CHOP_TEST_LE },
	{ ">=", CHOP_TEST_GE },	 { "<", CHOP_TEST_LT },	 { ">", CHOP_TEST_GT },
	{ "&", CHOP_TEST_BITS }, { "=", CHOP_TEST_EQ },
};

static int parse_test(struct point_spec *spec, const char *text, size_t length)
{
	cleanup_free char *test = trimmed(text, length);
	size_t name = strcspn(test, "=!<>&");

	/* An arrow is no comparison. */
	while (test[name] == '>' && name && test[name - 1] == '-')
		name += 1 + strcspn(test + name + 1, "=!<>&");
	for (size_t i = 0; name && i < ARRAY_SIZE(ops); i++) {
		size_t size = strlen(ops[i].text);
		const char *value = test + name + size;

		if (strncmp(test + name, ops[i].text, size))
			continue;
		*vec_push(&spec->tests) =
			(struct spec_test){ trimmed(test, name), trimmed(value, strlen(value)),
					    ops[i].op };
		if (*vec_last(&spec->tests)->value)
			return 0;
		break;
	}
	return wrong(spec, "a test is ARGUMENT, then == != < <= > >= or &, then a value");
}

static int parse_tests(struct point_spec *spec, const char *text)
{
	int error = 0;

	while (!error) {
		const char *next = strstr(text, "&&");

		error = parse_test(spec, text, next ? (size_t)(next - text) : strlen(text));
		if (!next)
			break;
		text = next + 2;
	}
	if (!error && spec->tests.length > CHOP_PROBE_TESTS)
		error = wrong(spec, "more than 4 tests");
	return error;
}

int spec_parse(const char *text, struct point_spec *spec)
{
	const char *tests = strstr(text, " if "), *at = text, *group;
	size_t length = tests ? (size_t)(tests - text) : strlen(text);
	cleanup_free char *names = NULL;
	int error;

	*spec = (struct point_spec){ .text = xstrdup(text) };
	while (length && isspace((unsigned char)text[length - 1]))
		length--;
	error = parse_kind(spec, &at);
	if (error)
		return error;
	length -= (size_t)(at - text) < length ? (size_t)(at - text) : length;
	group = last_group(at, length);
	if (group)
		error = parse_args(spec, group + 1, (size_t)(at + length - 1 - (group + 1)));
	names = xstrndup(at, group ? (size_t)(group - at) : length);
	if (!error)
		error = parse_names(spec, names);
	if (!error && tests)
		error = parse_tests(spec, tests + 4);
	return error;
}

void spec_release(struct point_spec *spec)
{
	for (size_t i = 0; i < spec->args.length; i++)
		free(spec->args.items[i]);
	for (size_t i = 0; i < spec->tests.length; i++) {
		free(spec->tests.items[i].arg);
		free(spec->tests.items[i].value);
	}
	vec_release(&spec->args);
	vec_release(&spec->tests);
	free(spec->file);
	free(spec->provider);
	free(spec->name);
	free(spec->text);
	*spec = (struct point_spec){ 0 };
}
