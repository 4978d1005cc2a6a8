// SPDX-License-Identifier: Apache-2.0
#include "event/filter.h"

#include <ctype.h>
#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "arch/calls.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/opt.h"
#include "event/decode.h"

#include "call_names.h"

void filter_init(struct filter *filter)
{
	memset(filter->wanted, 1, sizeof(filter->wanted));
	memset(filter->signals, 1, sizeof(filter->signals));
	filter->successful = filter->failed = filter->unfinished = true;
}

/* -- suggestions ----------------------------------------------------------------------------- */

struct nearest {
	const char *word, *best;
	unsigned int distance;
};

static void consider(struct nearest *nearest, const char *name)
{
	unsigned int d = opt_distance(name, nearest->word);

	if (d >= nearest->distance)
		return;
	nearest->distance = d;
	nearest->best = name;
}

static int unknown(const char *what, struct nearest *nearest, const char *mark)
{
	if (nearest->best)
		return err_set(CHOP_USAGE, EINVAL, "unknown %s '%s%s'; did you mean '%s%s'?", what,
			       mark, nearest->word, mark, nearest->best);
	return err_set(CHOP_USAGE, EINVAL, "unknown %s '%s%s'", what, mark, nearest->word);
}

/* -- calls ----------------------------------------------------------------------------------- */

static int add_class(uint8_t *set, const char *name)
{
	uint32_t class = call_class_find(name);
	struct nearest nearest = { name, NULL, 3 };

	if (!class) {
		for (unsigned int i = 0; call_class_name(i); i++)
			consider(&nearest, call_class_name(i));
		return unknown("class of system calls", &nearest, "%");
	}
	for (long n = 0; n < CHOP_CALLS; n++) {
		const struct call *call = call_find(n);

		if (call && (call->classes & class))
			set[n] = 1;
	}
	return 0;
}

static int add_pattern(uint8_t *set, const char *pattern)
{
	bool any = false;
	regex_t regex;

	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB))
		return err_set(CHOP_USAGE, EINVAL, "'%s' is not a regular expression", pattern);
	for (long n = 0; n < CHOP_CALLS; n++) {
		const struct call *call = call_find(n);

		if (!call || regexec(&regex, call->name, 0, NULL, 0))
			continue;
		set[n] = 1;
		any = true;
	}
	regfree(&regex);
	return any ? 0 : err_set(CHOP_USAGE, EINVAL, "no system call matches '%s'", pattern);
}

static int add_call(uint8_t *set, const char *name, bool forgive)
{
	struct nearest nearest = { name, NULL, strlen(name) > 4 ? 4 : 2 };
	long number = isdigit((unsigned char)*name) ? atol(name) : call_number(name);

	if (number >= 0 && number < CHOP_CALLS) {
		set[number] = 1;
		return 0;
	}
	if (forgive)
		return 0;
	/* Classes had no mark once, and still work without. */
	if (call_class_find(name))
		return add_class(set, name);
	for (long n = 0; n < CHOP_CALLS; n++) {
		if (call_find(n))
			consider(&nearest, call_find(n)->name);
	}
	return unknown("system call", &nearest, "");
}

static int add_call_word(void *context, const char *word)
{
	bool forgive = *word == '?';

	word += forgive;
	if (!strcmp(word, "all") || !strcmp(word, "none")) {
		memset(context, word[0] == 'a', CHOP_CALLS);
		return 0;
	}
	if (*word == '%')
		return forgive && !call_class_find(word + 1) ? 0 : add_class(context, word + 1);
	if (*word == '/')
		return add_pattern(context, word + 1);
	return add_call(context, word, forgive);
}

/* -- signals --------------------------------------------------------------------------------- */

static int add_signal_word(void *context, const char *word)
{
	const struct call_names *names = &call_names_sig;
	struct nearest nearest = { word, NULL, 3 };
	bool *set = context;

	if (!strcmp(word, "all") || !strcmp(word, "none")) {
		memset(set, word[0] == 'a', 128);
		return 0;
	}
	if (isdigit((unsigned char)*word) && atoi(word) > 0 && atoi(word) < 128) {
		set[atoi(word)] = true;
		return 0;
	}
	for (unsigned int i = 0; i < names->count; i++) {
		const char *name = names->items[i].name;

		if (!strcasecmp(name, word) || !strcasecmp(name + 3, word)) {
			set[names->items[i].value] = true;
			return 0;
		}
		consider(&nearest, name);
	}
	return unknown("signal", &nearest, "");
}

/* -- results --------------------------------------------------------------------------------- */

static int add_status_word(void *context, const char *word)
{
	static const char *const words[] = { "successful", "failed", "unfinished" };
	struct nearest nearest = { word, NULL, 4 };
	bool *set = context;

	if (!strcmp(word, "all") || !strcmp(word, "none")) {
		memset(set, word[0] == 'a', 3);
		return 0;
	}
	for (unsigned int i = 0; i < 3; i++) {
		if (!strcmp(words[i], word)) {
			set[i] = true;
			return 0;
		}
		consider(&nearest, words[i]);
	}
	return unknown("status", &nearest, "");
}

static int add_error_word(void *context, const char *word)
{
	struct nearest nearest = { word, NULL, 3 };
	bool *set = context;
	int number = atoi(word);

	if (isdigit((unsigned char)*word) && number > 0 && number < FILTER_ERRORS) {
		set[number] = true;
		return 0;
	}
	for (int n = 1; n < FILTER_ERRORS; n++) {
		const char *name = decode_errno((unsigned int)n, NULL);

		if (name && !strcasecmp(name, word)) {
			set[n] = true;
			return 0;
		}
		if (name)
			consider(&nearest, name);
	}
	return unknown("error", &nearest, "");
}

/* -- lists ----------------------------------------------------------------------------------- */

static int each_word(const char *list, int (*add)(void *context, const char *word), void *context)
{
	int error = 0;

	while (!error && *list) {
		size_t length = *list == '/' ? strlen(list) : strcspn(list, ",");
		cleanup_free char *word = xstrndup(list, length);

		/* A pattern may be closed by a slash, as elsewhere. */
		if (*word == '/' && length > 1 && word[length - 1] == '/')
			word[length - 1] = '\0';
		error = *word ? add(context, word) : 0;
		list += length + (list[length] == ',');
	}
	return error;
}

static int parse_calls(struct filter *filter, const char *list)
{
	bool invert = *list == '!';
	uint8_t set[CHOP_CALLS] = { 0 };
	int error = each_word(list + invert, add_call_word, set);

	for (unsigned int n = 0; n < CHOP_CALLS; n++)
		filter->wanted[n] = set[n] != invert;
	return error;
}

static int parse_signals(struct filter *filter, const char *list)
{
	bool invert = *list == '!', set[128] = { 0 };
	int error = each_word(list + invert, add_signal_word, set);

	for (unsigned int n = 0; n < 128; n++)
		filter->signals[n] = set[n] != invert;
	return error;
}

static int parse_status(struct filter *filter, const char *list)
{
	bool invert = *list == '!', set[3] = { 0 };
	int error = each_word(list + invert, add_status_word, set);

	filter->successful = set[0] != invert;
	filter->failed = set[1] != invert;
	filter->unfinished = set[2] != invert;
	return error;
}

static int parse_errors(struct filter *filter, const char *list)
{
	bool invert = *list == '!', set[FILTER_ERRORS] = { 0 };
	int error = each_word(list + invert, add_error_word, set);

	for (unsigned int n = 0; n < FILTER_ERRORS; n++)
		filter->errors[n] = set[n] != invert;
	filter->by_error = true;
	return error;
}

int filter_parse(struct filter *filter, const char *text)
{
	static const struct {
		const char *name;
		int (*parse)(struct filter *filter, const char *list);
	} kinds[] = {
		{ "trace", parse_calls },    { "t", parse_calls },
		{ "signal", parse_signals }, { "signals", parse_signals },
		{ "s", parse_signals },	     { "status", parse_status },
		{ "error", parse_errors },   { "errno", parse_errors },
	};
	size_t length = strcspn(text, "=");

	if (!text[length])
		return parse_calls(filter, text);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strlen(kinds[i].name) == length && !strncmp(kinds[i].name, text, length))
			return kinds[i].parse(filter, text + length + 1);
	}
	return err_set(CHOP_USAGE, EINVAL,
		       "unknown expression '%s'; there are trace=, signal=, status= "
		       "and error=",
		       text);
}
