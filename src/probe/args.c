// SPDX-License-Identifier: Apache-2.0
#include "probe/args.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/probe_regs.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/opt.h"
#include "elf/variables.h"

/* -- types ------------------------------------------------------------------------------------ */

static const struct {
	const char *name;
	enum arg_format format;
	uint8_t size;
} types[] = {
	{ "s8", ARG_SIGNED, 1 },      { "s16", ARG_SIGNED, 2 },	  { "s32", ARG_SIGNED, 4 },
	{ "s64", ARG_SIGNED, 8 },     { "u8", ARG_UNSIGNED, 1 },  { "u16", ARG_UNSIGNED, 2 },
	{ "u32", ARG_UNSIGNED, 4 },   { "u64", ARG_UNSIGNED, 8 }, { "x8", ARG_HEX, 1 },
	{ "x16", ARG_HEX, 2 },	      { "x32", ARG_HEX, 4 },	  { "x64", ARG_HEX, 8 },
	{ "int", ARG_SIGNED, 4 },     { "long", ARG_SIGNED, 8 },  { "ptr", ARG_POINTER, 8 },
	{ "char", ARG_CHARACTER, 1 }, { "bool", ARG_BOOL, 1 },	  { "str", ARG_TEXT, 8 },
	{ "string", ARG_TEXT, 8 },    { "x", ARG_HEX, 0 },	  { "d", ARG_SIGNED, 0 },
	{ "u", ARG_UNSIGNED, 0 },
};

static int wrong(const struct arg_context *context, const char *text, const char *why)
{
	return err_set(CHOP_USAGE, EINVAL, "'%s', argument '%s': %s", context->spec->text, text,
		       why);
}

static bool is_kernel(const struct arg_context *context)
{
	return context->spec->kind == POINT_KERNEL || context->spec->kind == POINT_TRACEPOINT;
}

/* Pointers that system calls are given are the program's. */
static bool texts_are_kernels(const struct arg_context *context)
{
	if (context->category && !strcmp(context->category, "syscalls"))
		return false;
	return is_kernel(context);
}

static int set_type(const struct arg_context *context, const char *text, const char *name,
		    struct point_arg *arg)
{
	cleanup_buf struct buf known = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		buf_printf(&known, "%s%s", i ? " " : "", types[i].name);
		if (strcmp(name, types[i].name))
			continue;
		if (arg->fetch.kind == CHOP_KIND_LOCATION || arg->fetch.width)
			return types[i].format == ARG_TEXT
				       ? 0
				       : wrong(context, text, "a text cannot be shown as a number");
		arg->format = types[i].format;
		arg->fetch.size = types[i].size ? types[i].size : arg->fetch.size;
		arg->fetch.is_signed = arg->format == ARG_SIGNED;
		arg->fetch.kind = arg->format == ARG_TEXT ? CHOP_KIND_TEXT : CHOP_KIND_NUMBER;
		if (arg->format == ARG_TEXT)
			arg->fetch.kernel = texts_are_kernels(context);
		return 0;
	}
	return err_set(CHOP_USAGE, EINVAL, "'%s', argument '%s': no type '%s'; there are %s",
		       context->spec->text, text, name, known.data);
}

/* -- expressions --------------------------------------------------------------------------------- */

static void from_register(const struct arch_probe_reg *reg, struct point_arg *arg)
{
	arg->fetch.from = CHOP_FROM_REGISTER;
	arg->fetch.base = (uint16_t)(reg->offset + reg->shift / 8);
	arg->fetch.size = reg->size;
	arg->format = ARG_SIGNED;
	arg->fetch.is_signed = 1;
}

static int by_register(const struct arg_context *context, const char *text, const char *name,
		       struct point_arg *arg)
{
	struct arch_probe_reg reg;

	if (context->spec->kind == POINT_TRACEPOINT)
		return wrong(context, text, "a tracepoint has fields, not registers");
	if (!arch_probe_reg(name, &reg))
		return wrong(context, text, "no such register (rdi, edi, di...)");
	from_register(&reg, arg);
	return 0;
}

static int by_number(const struct arg_context *context, const char *text, unsigned int n,
		     struct point_arg *arg)
{
	struct arch_probe_reg reg;
	int error;

	if (context->usdt) {
		error = usdt_argument(context->usdt, n, arg);
		if (error == -ENOENT)
			return wrong(context, text, "the point has fewer arguments");
		return error ? wrong(context, text, "its place is not understood") : 0;
	}
	if (context->spec->kind == POINT_TRACEPOINT)
		return wrong(context, text, "a tracepoint has fields with names");
	if (context->spec->at_return)
		return wrong(context, text, "at the return of a function only ret is known");
	if (!context->at_entry)
		return wrong(context, text, "arguments are known at a function's entry only");
	if (arch_probe_argument(n, &reg)) {
		from_register(&reg, arg);
		return 0;
	}
	arch_probe_sp(&reg);
	from_register(&reg, arg);
	arg->fetch.loads = 1;
	arg->fetch.offset[0] = arch_probe_stack_argument(n - 6);
	arg->fetch.kernel = is_kernel(context);
	return 0;
}

static int by_result(const struct arg_context *context, const char *text, struct point_arg *arg)
{
	struct arch_probe_reg reg;

	if (!context->spec->at_return)
		return wrong(context, text, "a result is known at returns (ur:, kr:)");
	arch_probe_result(&reg);
	from_register(&reg, arg);
	return 0;
}

static int by_field(const struct arg_context *context, const char *text, const char *name,
		    struct point_arg *arg)
{
	const struct trace_field *field = trace_format_find(context->fields, name);
	unsigned int least = strlen(name) > 3 ? 3 : 2;
	cleanup_buf struct buf names = { 0 };
	const char *best = NULL;

	if (!field) {
		for (size_t i = 0; i < context->fields->fields.length; i++) {
			const char *known = context->fields->fields.items[i].name;
			unsigned int distance = opt_distance(known, name);

			if (distance < least) {
				least = distance;
				best = known;
			}
			buf_printf(&names, "%s%s", i ? ", " : "", known);
		}
		if (best)
			return err_set(CHOP_USAGE, ENOENT,
				       "'%s': no field '%s'; did you mean '%s'? There are %s",
				       context->spec->text, name, best, buf_text(&names));
		return err_set(CHOP_USAGE, ENOENT, "'%s': no field '%s'; there are %s",
			       context->spec->text, name, names.length ? names.data : "none");
	}
	if (field->is_array || (!field->is_text && field->size > 8))
		return wrong(context, text, "an array cannot be shown");
	arg->fetch.from = CHOP_FROM_FIELD;
	arg->fetch.base = field->offset;
	arg->fetch.size = (uint8_t)(field->size > 8 ? 8 : field->size);
	arg->fetch.is_signed = field->is_signed;
	arg->format = strchr(field->type, '*')	     ? ARG_POINTER
		      : !strcmp(field->type, "bool") ? ARG_BOOL
		      : field->is_signed	     ? ARG_SIGNED
						     : ARG_UNSIGNED;
	if (field->is_text || field->is_location) {
		arg->format = ARG_TEXT;
		arg->fetch.kernel = 1;
	}
	if (field->is_location) {
		arg->fetch.kind = CHOP_KIND_LOCATION;
		arg->fetch.size = 4;
	} else if (field->is_text) {
		arg->fetch.kind = CHOP_KIND_TEXT;
		arg->fetch.from = CHOP_FROM_ADDRESS;
		arg->fetch.width = field->size;
		arg->fetch.size = 8;
	}
	return 0;
}

static const enum arg_format formats[] = {
	[VARIABLE_SIGNED] = ARG_SIGNED,	      [VARIABLE_UNSIGNED] = ARG_UNSIGNED,
	[VARIABLE_CHARACTER] = ARG_CHARACTER, [VARIABLE_BOOL] = ARG_BOOL,
	[VARIABLE_POINTER] = ARG_POINTER,     [VARIABLE_TEXT] = ARG_TEXT,
};

static int by_variable(const struct arg_context *context, const char *text, const char *name,
		       struct point_arg *arg)
{
	struct chop_probe_fetch *fetch = &arg->fetch;
	struct arch_probe_reg reg;
	struct variable variable;
	int error;

	if (context->spec->at_return)
		return wrong(context, text, "at the return of a function only ret is known");
	error = variable_find(context->image, context->address, context->at_entry, name, &variable);
	if (error)
		return err_context(error, "'%s'", context->spec->text);
	if (!(variable.is_argument ? arch_probe_argument(variable.reg, &reg)
				   : arch_probe_dwarf(variable.reg, &reg)))
		return wrong(context, text, "it is not in a general register");
	fetch->from = CHOP_FROM_REGISTER;
	fetch->base = reg.offset;
	fetch->loads = (uint8_t)variable.loads;
	for (unsigned int i = 0; i < variable.loads; i++)
		fetch->offset[i] = (int32_t)variable.offset[i];
	fetch->after = (int32_t)variable.after;
	fetch->size = (uint8_t)variable.size;
	fetch->is_signed = variable.form == VARIABLE_SIGNED;
	arg->format = formats[variable.form];
	fetch->kind = arg->format == ARG_TEXT ? CHOP_KIND_TEXT : CHOP_KIND_NUMBER;
	return 0;
}

static int by_expression(const struct arg_context *context, const char *text, char *expression,
			 struct point_arg *arg);

/* "+8(EXPRESSION)", "-16(EXPRESSION)": memory there. */
static int by_memory(const struct arg_context *context, const char *text, char *expression,
		     struct point_arg *arg)
{
	struct chop_probe_fetch *fetch = &arg->fetch;
	size_t length = strlen(expression);
	char *end;
	long offset = strtol(expression, &end, 0);
	int error;

	if (*end != '(' || expression[length - 1] != ')')
		return wrong(context, text, "memory is written +OFFSET(ADDRESS)");
	expression[length - 1] = '\0';
	error = by_expression(context, text, end + 1, arg);
	if (error)
		return error;
	if (fetch->kind == CHOP_KIND_LOCATION || fetch->from == CHOP_FROM_ADDRESS)
		return wrong(context, text, "a text is no address");
	if (fetch->loads == CHOP_PROBE_LOADS)
		return wrong(context, text, "more than 4 addresses to follow");
	fetch->offset[fetch->loads++] = (int32_t)offset + fetch->after;
	fetch->after = 0;
	fetch->size = 8;
	fetch->kind = CHOP_KIND_NUMBER;
	fetch->kernel = is_kernel(context);
	arg->format = ARG_SIGNED;
	fetch->is_signed = 1;
	return 0;
}

static bool is_argument(const char *text, unsigned int *n)
{
	char *end;

	if (strncmp(text, "arg", 3) || !isdigit((unsigned char)text[3]))
		return false;
	*n = (unsigned int)strtoul(text + 3, &end, 10);
	return !*end;
}

static int by_expression(const struct arg_context *context, const char *text, char *expression,
			 struct point_arg *arg)
{
	unsigned int n;

	if (expression[0] == '%')
		return by_register(context, text, expression + 1, arg);
	if (expression[0] == '+' || expression[0] == '-')
		return by_memory(context, text, expression, arg);
	if (context->fields)
		return by_field(context, text, expression, arg);
	if (!strcmp(expression, "ret") || !strcmp(expression, "$retval"))
		return by_result(context, text, arg);
	if (is_argument(expression, &n))
		return by_number(context, text, n, arg);
	if (context->spec->kind == POINT_USER && context->image)
		return by_variable(context, text, expression, arg);
	return wrong(context, text,
		     context->usdt
			     ? "arguments of static points are called arg0, arg1..."
			     : "expected arg0, arg1..., a register (%di) or memory (+8(%di))");
}

/* [NAME=]EXPRESSION[:TYPE] */
static int parse_arg(const struct arg_context *context, const char *text, struct point_arg *arg)
{
	cleanup_free char *copy = xstrdup(text);
	char *equal = strchr(copy, '='), *colon, *expression = copy;
	int error;

	*arg = (struct point_arg){ 0 };
	if (equal) {
		*equal = '\0';
		expression = equal + 1;
	}
	colon = strrchr(expression, ':');
	if (colon)
		*colon = '\0';
	arg->name = xstrdup(equal ? copy : *expression == '%' ? expression + 1 : expression);
	error = by_expression(context, text, expression, arg);
	if (!error && colon)
		error = set_type(context, text, colon + 1, arg);
	return error;
}

/* -- plans ---------------------------------------------------------------------------------------- */

static int add_arg(const struct arg_context *context, struct point_plan *plan, const char *text)
{
	struct point_arg arg;
	int error = parse_arg(context, text, &arg);

	*vec_push(&plan->args) = arg;
	return error;
}

/* What is known of its own accord; what cannot be shown is left out. */
static void add_known(const struct arg_context *context, struct point_plan *plan)
{
	struct strvec names = { 0 };
	char number[16];

	if (context->fields) {
		for (size_t i = 0; i < context->fields->fields.length; i++)
			*vec_push(&names) = context->fields->fields.items[i].name;
	} else if (context->spec->kind == POINT_USER) {
		variable_parameters(context->image, context->address, &names);
	}
	for (size_t i = 0; plan->args.length < CHOP_PROBE_ARGS; i++) {
		struct point_arg arg;

		if (context->usdt) {
			snprintf(number, sizeof(number), "arg%zu", i);
			if (usdt_argument(context->usdt, (unsigned int)i, &arg) == -ENOENT)
				break;
		} else if (i >= names.length) {
			break;
		}
		if (!parse_arg(context, context->usdt ? number : names.items[i], &arg)) {
			*vec_push(&plan->args) = arg;
			continue;
		}
		err_clear();
		free(arg.name);
	}
	vec_release(&names);
}

static int add_args(const struct arg_context *context, struct point_plan *plan)
{
	const struct point_spec *spec = context->spec;
	int error = 0;

	if (!spec->has_args) {
		if (context->fields || context->usdt)
			add_known(context, plan);
		else if (spec->at_return)
			error = add_arg(context, plan, "ret");
	}
	for (size_t i = 0; i < spec->args.length && !error; i++) {
		if (!strcmp(spec->args.items[i], "*"))
			add_known(context, plan);
		else
			error = add_arg(context, plan, spec->args.items[i]);
	}
	if (!error && plan->args.length > CHOP_PROBE_ARGS)
		error = err_set(CHOP_USAGE, EINVAL, "'%s': more than 8 arguments", spec->text);
	return error;
}

static int find_arg(const struct arg_context *context, struct point_plan *plan, const char *name,
		    unsigned int *index)
{
	for (unsigned int i = 0; i < plan->args.length; i++) {
		if (!strcmp(plan->args.items[i].name, name)) {
			*index = i;
			return 0;
		}
	}
	/* A test may concern what is not asked for. */
	if (plan->args.length == CHOP_PROBE_ARGS)
		return err_set(CHOP_USAGE, EINVAL, "'%s': more than 8 arguments",
			       context->spec->text);
	*index = (unsigned int)plan->args.length;
	return add_arg(context, plan, name);
}

/* Within quotes or without. */
static char *text_value(const char *value)
{
	size_t length = strlen(value);

	if (length >= 2 && value[0] == '"' && value[length - 1] == '"')
		return xstrndup(value + 1, length - 2);
	return xstrdup(value);
}

static int number_value(const struct arg_context *context, const struct spec_test *test,
			uint64_t *value)
{
	char *end;

	errno = 0;
	*value = test->value[0] == '-' ? (uint64_t)strtoll(test->value, &end, 0)
				       : strtoull(test->value, &end, 0);
	if (test->value[0] == '\'' && test->value[1] && test->value[2] == '\'') {
		*value = (unsigned char)test->value[1];
		return 0;
	}
	if (*end || errno)
		return err_set(CHOP_USAGE, EINVAL, "'%s': '%s' is no number", context->spec->text,
			       test->value);
	return 0;
}

static int add_test(const struct arg_context *context, struct point_plan *plan,
		    const struct spec_test *test)
{
	const struct point_arg *arg;
	unsigned int index = 0;
	uint64_t value;
	int error = find_arg(context, plan, test->arg, &index);

	if (error)
		return error;
	arg = &plan->args.items[index];
	if (arg->format == ARG_TEXT) {
		if (test->op != CHOP_TEST_EQ && test->op != CHOP_TEST_NE)
			return wrong(context, test->arg, "texts are compared by == and !=");
		*vec_push(&plan->text_tests) =
			(struct point_text_test){ index, test->op == CHOP_TEST_EQ,
						  text_value(test->value) };
		return 0;
	}
	error = number_value(context, test, &value);
	plan->test[plan->test_count++] = (struct chop_probe_test){
		.arg = (uint8_t)index,
		.op = (uint8_t)test->op,
		.is_signed = arg->fetch.is_signed,
		.value = value,
	};
	return error;
}

int point_plan_make(const struct arg_context *context, struct point_plan *plan)
{
	int error;

	*plan = (struct point_plan){ .at_entry = context->at_entry && !context->spec->at_return };
	error = add_args(context, plan);
	for (size_t i = 0; i < context->spec->tests.length && !error; i++)
		error = add_test(context, plan, &context->spec->tests.items[i]);
	return error;
}

void point_plan_fill(const struct point_plan *plan, struct chop_probe_plan *abi)
{
	*abi = (struct chop_probe_plan){ .arg_count = (uint8_t)plan->args.length,
					 .test_count = (uint8_t)plan->test_count };
	for (size_t i = 0; i < plan->args.length; i++)
		abi->fetch[i] = plan->args.items[i].fetch;
	memcpy(abi->test, plan->test, sizeof(abi->test));
}

void point_plan_release(struct point_plan *plan)
{
	for (size_t i = 0; i < plan->args.length; i++)
		free(plan->args.items[i].name);
	for (size_t i = 0; i < plan->text_tests.length; i++)
		free(plan->text_tests.items[i].text);
	vec_release(&plan->args);
	vec_release(&plan->text_tests);
}
