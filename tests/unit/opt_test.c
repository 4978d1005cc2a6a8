// SPDX-License-Identifier: Apache-2.0
#include "base/opt.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "test.h"

struct options {
	bool zip, save;
	const char *output;
	uint64_t count, address, time, size;
	double share;
	struct strvec begin;
};

static const struct opt table[] = {
	OPT_FLAG('z', "zip", struct options, zip, "compress"),
	OPT_FLAG(0, "save", struct options, save, "save\nor not"),
	OPT_TEXT('o', "output", struct options, output, "FILE", "write to FILE"),
	OPT_NUMBER('n', "count", struct options, count, "N", "how many", .min = 1, .max = 100),
	OPT_ADDRESS(0, "address", struct options, address, "A", "where"),
	OPT_TIME(0, "time", struct options, time, "T", "how long"),
	OPT_SIZE(0, "size", struct options, size, "S", "how much"),
	OPT_HEADING("Choice"),
	OPT_FRACTION(0, "share", struct options, share, "P", "how often"),
	OPT_LIST('b', "begin", struct options, begin, "A", "repeatable"),
	OPT_END
};

static struct opt_spec spec = {
	.usage = "chop x [options]\nchop x -y",
	.about = "About x.",
	.options = table,
	.examples = "  chop x",
};

static struct options got;
static struct strvec rest;

/* Parse a command line of words separated by blanks. */
static enum opt_result parse(const char *line)
{
	static char words[512];
	char *argv[40] = { (char *)"x" };
	int argc = 1;

	vec_release(&got.begin);
	vec_release(&rest);
	got = (struct options){ .save = true };
	err_clear();
	snprintf(words, sizeof(words), "%s", line);
	for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	return opt_parse(&spec, argc, argv, &got, &rest);
}

static void fails(const char *line, const char *message)
{
	assert_int_equal(parse(line), OPT_FAILED);
	assert_string_equal(err_message(), message);
	assert_int_equal(err_status(), CHOP_USAGE);
}

static void one_dash_or_two(void **state)
{
	(void)state;
	assert_int_equal(parse("-zip -output f --count 7 -no-save cmd -z"), OPT_DONE);
	assert_true(got.zip);
	assert_false(got.save);
	assert_string_equal(got.output, "f");
	assert_int_equal(got.count, 7);
	assert_int_equal(rest.length, 2);
	assert_string_equal(rest.items[0], "cmd");
	assert_string_equal(rest.items[1], "-z");
	assert_null(rest.items[2]);
	assert_int_equal(parse("--output=g=h -count=0x10 --no-zip --zip"), OPT_DONE);
	assert_string_equal(got.output, "g=h");
	assert_int_equal(got.count, 16);
	assert_true(got.zip && got.save);
	assert_int_equal(rest.length, 0);
	assert_null(rest.items[0]);
}

static void letters_in_one_word(void **state)
{
	(void)state;
	assert_int_equal(parse("-zo f"), OPT_DONE);
	assert_true(got.zip);
	assert_string_equal(got.output, "f");
	assert_int_equal(parse("-zofile -n5"), OPT_DONE);
	assert_string_equal(got.output, "file");
	assert_int_equal(got.count, 5);
	fails("-zx", "unknown option -zx; --help lists them");
	/* not -o with the value utptu */
	fails("-outptu f", "unknown option -outptu; did you mean --output?");
}

static void words_among_options(void **state)
{
	(void)state;
	spec.intermixed = true;
	assert_int_equal(parse("a -z - b -- -o c"), OPT_DONE);
	spec.intermixed = false;
	assert_true(got.zip);
	assert_null(got.output);
	assert_int_equal(rest.length, 5);
	assert_string_equal(rest.items[1], "-");
	assert_string_equal(rest.items[3], "-o");
	assert_int_equal(parse("-z -- -z"), OPT_DONE);
	assert_int_equal(rest.length, 1);
}

static void lists_collect(void **state)
{
	(void)state;
	assert_int_equal(parse("-begin 1 -b 2 --begin=3 -b4"), OPT_DONE);
	assert_int_equal(got.begin.length, 4);
	assert_string_equal(got.begin.items[0], "1");
	assert_string_equal(got.begin.items[3], "4");
}

static void values_are_checked(void **state)
{
	(void)state;
	fails("-n 0", "option -n: 0 is not in the range 1 to 100");
	fails("--count 101", "option --count: 101 is not in the range 1 to 100");
	fails("--count x", "option --count: 'x' is not a whole number");
	fails("--address 0xzz", "option --address: '0xzz' is not a hexadecimal address");
	fails("--size 5X", "option --size: '5X' is not a size; use a number and K, M, G or T");
	fails("--share 1.1", "option --share: '1.1' is not a fraction; use 0 to 1 or a percentage");
	fails("--zip=1", "option --zip takes no value");
	fails("--output", "option --output needs a value: FILE");
	fails("--no-output", "unknown option --no-output; --help lists them");
	fails("--no-no-zip", "unknown option --no-no-zip; --help lists them");
	fails("--adress 1", "unknown option --adress; did you mean --address?");
	fails("--log-level loud", "'loud' is not a log level; use silent, error, warn, info, "
				  "verbose or debug");
}

static void numbers(void **state)
{
	uint64_t value = 1;

	(void)state;
	assert_int_equal(opt_number("18446744073709551615", &value), 0);
	assert_int_equal(value, UINT64_MAX);
	assert_int_not_equal(opt_number("18446744073709551616", &value), 0);
	assert_int_not_equal(opt_number("-1", &value), 0);
	assert_int_not_equal(opt_number(" 1", &value), 0);
	assert_int_not_equal(opt_number("", &value), 0);
	assert_int_not_equal(opt_number("0x", &value), 0);
	assert_int_equal(value, UINT64_MAX); /* left alone by what failed */
	assert_int_equal(opt_address("7fff0010", &value), 0);
	assert_int_equal(value, 0x7fff0010);
	assert_int_equal(opt_address("0x401000", &value), 0);
	assert_int_equal(value, 0x401000);
}

static void times_sizes_fractions(void **state)
{
	uint64_t value;
	double share;

	(void)state;
	assert_int_equal(opt_time("2", &value), 0);
	assert_int_equal(value, 2000000000);
	assert_int_equal(opt_time("1.5us", &value), 0);
	assert_int_equal(value, 1500);
	assert_int_equal(opt_time("3m", &value), 0);
	assert_int_equal(value, 180000000000);
	assert_int_equal(opt_time("1d", &value), 0);
	assert_int_equal(value, 86400000000000);
	assert_int_not_equal(opt_time("1w", &value), 0);
	assert_int_equal(opt_size("4K", &value), 0);
	assert_int_equal(value, 4096);
	assert_int_equal(opt_size("1.5G", &value), 0);
	assert_int_equal(value, 1610612736);
	assert_int_equal(opt_size("7", &value), 0);
	assert_int_equal(value, 7);
	assert_int_not_equal(opt_size("1e30", &value), 0);
	assert_int_not_equal(opt_size("inf", &value), 0);
	assert_int_equal(opt_fraction("25%", &share), 0);
	assert_true(share == 0.25);
	assert_int_not_equal(opt_fraction("nan", &share), 0);
	assert_int_not_equal(opt_fraction("-0.1", &share), 0);
}

static void help_shows_every_option(void **state)
{
	struct buf out = { 0 };

	(void)state;
	assert_int_equal(parse("-z -h --bad"), OPT_SHOW_HELP);
	opt_help(&spec, &out);
	assert_non_null(strstr(out.data, "Usage: chop x [options]\n       chop x -y\n\nAbout x."));
	assert_non_null(strstr(out.data, "\nOptions:\n  -z, --zip                     compress\n"));
	assert_non_null(strstr(out.data, "      --save                    save\n"
					 "                                or not\n"));
	assert_non_null(strstr(out.data, "\nChoice:\n      --share P "));
	assert_non_null(strstr(out.data, "\nEverywhere:\n  -h, --help "));
	assert_non_null(strstr(out.data, "\nExamples:\n  chop x\n"));
	buf_release(&out);
}

static void globals_act_at_once(void **state)
{
	enum log_level before = log_level();

	(void)state;
	assert_int_equal(parse("-q"), OPT_DONE);
	assert_int_equal(log_level(), LOG_ERROR);
	assert_int_equal(parse("-v"), OPT_DONE);
	assert_int_equal(log_level(), LOG_VERBOSE);
	assert_int_equal(parse("-log-level debug -q"), OPT_DONE);
	assert_int_equal(log_level(), LOG_DEBUG);
	log_set_level(before);
}

static void distances(void **state)
{
	(void)state;
	assert_int_equal(opt_distance("", ""), 0);
	assert_int_equal(opt_distance("abc", ""), 3);
	assert_int_equal(opt_distance("trace", "trace"), 0);
	assert_int_equal(opt_distance("trace", "tarce"), 2);
	assert_int_equal(opt_distance("kitten", "sitting"), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_dash_or_two),	 cmocka_unit_test(letters_in_one_word),
		cmocka_unit_test(words_among_options),	 cmocka_unit_test(lists_collect),
		cmocka_unit_test(values_are_checked),	 cmocka_unit_test(numbers),
		cmocka_unit_test(times_sizes_fractions), cmocka_unit_test(help_shows_every_option),
		cmocka_unit_test(globals_act_at_once),	 cmocka_unit_test(distances),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	vec_release(&got.begin);
	vec_release(&rest);
	return failed;
}
