// SPDX-License-Identifier: Apache-2.0
/* Probe points: what users write, arguments of notes, formats of tracepoints, buckets. */
#include "probe/points.h"

#include "test.h"

#include <errno.h>
#include <unistd.h>

#include "arch/probe_regs.h"
#include "base/alloc.h"
#include "base/err.h"
#include "elf/image.h"
#include "elf/usdt.h"
#include "elf/variables.h"
#include "probe/tally.h"

static struct point_spec parsed(const char *text)
{
	struct point_spec spec;

	if (spec_parse(text, &spec))
		fail_msg("%s: %s", text, err_message());
	return spec;
}

static void spec_names(void **state)
{
	struct point_spec spec = parsed("u:/lib/libc.so.6:malloc");

	(void)state;
	assert_int_equal(spec.kind, POINT_USER);
	assert_string_equal(spec.file, "/lib/libc.so.6");
	assert_string_equal(spec.name, "malloc");
	assert_false(spec.has_args || spec.at_return);
	spec_release(&spec);

	spec = parsed("ur::file.c:12");
	assert_true(spec.at_return);
	assert_string_equal(spec.file, "");
	assert_string_equal(spec.name, "file.c:12");
	spec_release(&spec);

	spec = parsed("usdt:app:shop:taken()");
	assert_string_equal(spec.provider, "shop");
	assert_true(spec.has_args && !spec.args.length);
	spec_release(&spec);

	spec = parsed("usdt:app:taken");
	assert_string_equal(spec.provider, "*");
	spec_release(&spec);

	/* The last parentheses are the arguments. */
	spec = parsed("u:app:ns::f(int)(a, +8(%di):u32)");
	assert_string_equal(spec.name, "ns::f(int)");
	assert_int_equal(spec.args.length, 2);
	assert_string_equal(spec.args.items[1], "+8(%di):u32");
	spec_release(&spec);
}

static void spec_tests(void **state)
{
	struct point_spec spec = parsed("t:sched:x(a) if a->b >= 5 && c & 0x3 && d == \"x y\"");

	(void)state;
	assert_int_equal(spec.tests.length, 3);
	assert_string_equal(spec.tests.items[0].arg, "a->b");
	assert_int_equal(spec.tests.items[0].op, CHOP_TEST_GE);
	assert_string_equal(spec.tests.items[0].value, "5");
	assert_int_equal(spec.tests.items[1].op, CHOP_TEST_BITS);
	assert_string_equal(spec.tests.items[2].value, "\"x y\"");
	spec_release(&spec);
}

static void spec_wrong(void **state)
{
	static const char *const wrong[] = {
		"",
		"malloc",
		"x:y:z",
		"u:malloc",
		"t:sched",
		"u:app:",
		"u:app:f(a,,b)",
		"u:app:f if a",
		"u:app:f if a ==",
		"usdt:app",
		"u:app:f(1,2,3,4,5,6,7,8,9)",
	};
	struct point_spec spec;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		err_clear();
		if (!spec_parse(wrong[i], &spec))
			fail_msg("'%s' was taken", wrong[i]);
		spec_release(&spec);
	}
	err_clear();
}

static struct chop_probe_fetch fetch_of(const char *text, unsigned int n)
{
	struct point_arg arg = { 0 };

	assert_int_equal(usdt_argument(text, n, &arg), 0);
	return arg.fetch;
}

static void usdt_operands(void **state)
{
	const char *text = "-4@%edi 8@$5 1@-20(%rbp) 8@16(%rsp,%rcx,8) -8@(%rax) %rsi";
	struct chop_probe_fetch fetch = fetch_of(text, 0);
	struct arch_probe_reg reg;
	struct point_arg arg = { 0 };

	(void)state;
	assert_true(arch_probe_reg("di", &reg));
	assert_int_equal(fetch.base, reg.offset);
	assert_true(fetch.is_signed && fetch.size == 4 && !fetch.loads);
	fetch = fetch_of(text, 1);
	assert_int_equal(fetch.from, CHOP_FROM_CONSTANT);
	assert_int_equal(fetch.constant, 5);
	fetch = fetch_of(text, 2);
	assert_int_equal(fetch.offset[0], -20);
	assert_int_equal(fetch.loads, 1);
	fetch = fetch_of(text, 3);
	assert_true(fetch.has_index && fetch.scale == 3 && fetch.offset[0] == 16);
	fetch = fetch_of(text, 5);
	assert_true(arch_probe_reg("rsi", &reg));
	assert_int_equal(fetch.base, reg.offset);
	assert_int_equal(usdt_argument(text, 6, &arg), -ENOENT);
	assert_int_equal(usdt_argument("8f@%xmm0", 0, &arg), -EINVAL);
	assert_int_equal(usdt_argument("4@global(%rip)", 0, &arg), -EINVAL);
	assert_int_equal(usdt_argument("3@%eax", 0, &arg), -EINVAL);
	assert_int_equal(usdt_argument("", 0, &arg), -ENOENT);
}

static void formats(void **state)
{
	static const char text[] =
		"name: x\nID: 372\nformat:\n"
		"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
		"\n\tfield:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"
		"\tfield:pid_t prev_pid;\toffset:24;\tsize:4;\tsigned:1;\n"
		"\tfield:__data_loc char[] file;\toffset:28;\tsize:4;\tsigned:0;\n"
		"\tfield:const char * name;\toffset:32;\tsize:8;\tsigned:0;\n"
		"\tfield:u8 raw[6];\toffset:40;\tsize:6;\tsigned:0;\n"
		"\nprint fmt: \"field:int no;\toffset:1;\tsize:1;\tsigned:1;\"\n";
	struct trace_format format;
	const struct trace_field *field;

	(void)state;
	assert_int_equal(trace_format_parse(text, &format), 0);
	assert_int_equal(format.id, 372);
	assert_int_equal(format.fields.length, 5);
	field = trace_format_find(&format, "prev_comm");
	assert_true(field && field->is_text && field->offset == 8 && field->size == 16);
	field = trace_format_find(&format, "prev_pid");
	assert_true(field && field->is_signed && !field->is_text);
	assert_string_equal(field->type, "pid_t");
	field = trace_format_find(&format, "file");
	assert_true(field && field->is_location);
	field = trace_format_find(&format, "name");
	assert_string_equal(field->type, "const char *");
	assert_true(trace_format_find(&format, "raw")->is_array);
	assert_null(trace_format_find(&format, "no"));
	trace_format_release(&format);
	assert_int_equal(trace_format_parse("nothing", &format), -EINVAL);
}

static void buckets(void **state)
{
	static const int64_t values[] = { 0, 1, 2, 3, 4, 1000, -1, -2, -3, -1000, INT64_MAX };
	struct tally_options options = { 0 };
	int64_t low, high;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		tally_range(tally_bucket(&options, (uint64_t)values[i], true), &low, &high);
		assert_true(low <= values[i]);
		assert_true(values[i] < high || high == INT64_MAX);
	}
	options = (struct tally_options){ .linear = true, .low = -10, .step = 5, .count = 4 };
	assert_int_equal(tally_bucket(&options, (uint64_t)-11, true), 0);
	assert_int_equal(tally_bucket(&options, (uint64_t)-10, true), 1);
	assert_int_equal(tally_bucket(&options, 9, true), 4);
	assert_int_equal(tally_bucket(&options, 10, true), 5);
}

static void tallies(void **state)
{
	struct tally tally = { 0 };

	(void)state;
	for (uint32_t i = 0; i < 3000; i++)
		tally_value(&tally, i % 3, i % 7, i, false);
	tally_sort(&tally);
	assert_int_equal(tally.sums.length, 21);
	assert_int_equal(tally.sums.items[0].row, 0);
	for (size_t i = 1; i < tally.counts.length; i++)
		assert_true(tally.counts.items[i - 1].key.row <= tally.counts.items[i].key.row);
	tally_release(&tally);
}

/* The notes and variables of the test's own target program. */
static const char *program(void)
{
	static char path[4096];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 64);
	char *slash;

	assert_true(length > 0);
	path[length] = '\0';
	slash = strstr(path, "/tests/unit/");
	assert_non_null(slash);
	memcpy(slash, "/tests/prog/probe_points", sizeof("/tests/prog/probe_points"));
	return path;
}

static void notes(void **state)
{
	struct usdt_vec points;
	struct image image;
	unsigned int twice = 0, semaphores = 0;

	(void)state;
	if (access(program(), R_OK))
		skip_because("tests/prog/probe_points is not built");
	assert_int_equal(image_open(program(), &image), 0);
	usdt_read(&image, &points);
	assert_int_equal(points.length, 5);
	for (size_t i = 0; i < points.length; i++) {
		assert_string_equal(points.items[i].provider, "shop");
		assert_int_equal(*image_bytes(&image, points.items[i].address, 1), 0x90);
		twice += !strcmp(points.items[i].name, "twice");
		semaphores += points.items[i].semaphore != 0;
	}
	assert_int_equal(twice, 2);
	assert_int_equal(semaphores, 1);
	vec_release(&points);
	image_close(&image);
}

static void variables(void **state)
{
	const struct symbol *take;
	struct variable variable;
	struct image image;

	(void)state;
	if (access(program(), R_OK))
		skip_because("tests/prog/probe_points is not built");
	assert_int_equal(image_open(program(), &image), 0);
	take = image_find(&image, "take", NULL);
	assert_non_null(take);
	assert_int_equal(variable_find(&image, take->address, true, "order->customer", &variable),
			 0);
	assert_int_equal(variable.form, VARIABLE_TEXT);
	assert_int_equal(variable.loads, 1);
	assert_int_equal(variable.offset[0], 8);
	assert_int_equal(
		variable_find(&image, take->address, true, "order->more.next->id", &variable), 0);
	assert_int_equal(variable.loads, 2);
	assert_int_equal(variable.size, 4);
	assert_int_equal(variable_find(&image, take->address, true, "kind", &variable), 0);
	assert_int_equal(variable.size, 1);
	assert_int_not_equal(variable_find(&image, take->address, true, "nobody", &variable), 0);
	assert_int_not_equal(variable_find(&image, take->address, true, "order->", &variable), 0);
	assert_int_not_equal(variable_find(&image, take->address, true, "kind.x", &variable), 0);
	err_clear();
	image_close(&image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spec_names), cmocka_unit_test(spec_tests),
		cmocka_unit_test(spec_wrong), cmocka_unit_test(usdt_operands),
		cmocka_unit_test(formats),    cmocka_unit_test(buckets),
		cmocka_unit_test(tallies),    cmocka_unit_test(notes),
		cmocka_unit_test(variables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
