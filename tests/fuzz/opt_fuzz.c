// SPDX-License-Identifier: Apache-2.0
/*
 * The option parser on arbitrary words (separated by newlines or NULs), and the value
 * parsers on each word alone: no crash, a message with every refusal, values in range.
 */
#include "base/opt.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"

struct options {
	bool flag;
	const char *text;
	uint64_t number, address, time, size;
	double fraction;
	struct strvec list;
};

static const struct opt table[] = {
	OPT_FLAG('f', "flag", struct options, flag, "flag"),
	OPT_TEXT('t', "text", struct options, text, "TEXT", "text"),
	OPT_NUMBER('n', "number", struct options, number, "N", "number", .min = 1, .max = 1000),
	OPT_ADDRESS(0, "address", struct options, address, "A", "address"),
	OPT_TIME(0, "time", struct options, time, "T", "time", .max = 86400000000000),
	OPT_SIZE(0, "size", struct options, size, "S", "size"),
	OPT_FRACTION(0, "fraction", struct options, fraction, "P", "fraction"),
	OPT_LIST('l', "list", struct options, list, "WORD", "list"),
	OPT_HEADING("Heading"),
	OPT_END
};

static void must(bool right)
{
	if (!right)
		abort();
}

static void try_values(const char *word)
{
	uint64_t value = 0;
	double fraction = 0;

	err_clear();
	must(!opt_number(word, &value) == !*err_message());
	err_clear();
	must(!opt_address(word, &value) == !*err_message());
	err_clear();
	must(!opt_time(word, &value) == !*err_message());
	err_clear();
	must(!opt_size(word, &value) == !*err_message());
	err_clear();
	must(opt_fraction(word, &fraction) || (fraction >= 0 && fraction <= 1));
}

static void try_options(int argc, char **argv, bool intermixed)
{
	const struct opt_spec spec = {
		.usage = "x", .about = "y", .options = table, .intermixed = intermixed
	};
	struct options options = { .number = 1 };
	struct strvec rest = { 0 };
	enum opt_result result;

	err_clear();
	result = opt_parse(&spec, argc, argv, &options, &rest);
	must((result == OPT_FAILED) == (*err_message() != '\0'));
	must(options.fraction >= 0 && options.fraction <= 1);
	if (result == OPT_DONE)
		must(options.number >= 1 && options.number <= 1000 && !rest.items[rest.length] &&
		     options.time <= 86400000000000);
	vec_release(&options.list);
	vec_release(&rest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = xstrndup((const char *)data, 0);
	char *argv[66] = { (char *)"chop" };
	int argc = 1;

	if (size > 4096)
		return 0;
	text = xrealloc(text, size + 1);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	for (size_t at = 0; at < size && argc < 65; argc++) {
		argv[argc] = text + at;
		at += strcspn(text + at, "\n") + 1;
		text[at - 1] = '\0';
		/* The log must not write files the input names. */
		if (strstr(argv[argc], "log-path"))
			return 0;
	}
	argv[argc] = NULL;
	for (int i = 1; i < argc; i++)
		try_values(argv[i]);
	try_options(argc, argv, false);
	try_options(argc, argv, true);
	return 0;
}
