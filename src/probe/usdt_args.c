// SPDX-License-Identifier: Apache-2.0
/*
 * Arguments of static points, SIZE@OPERAND in the assembler's syntax: registers, constants,
 * memory at OFFSET(BASE,INDEX,SCALE). SIZE is negative for signed values, and may be missing.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/probe_regs.h"
#include "base/alloc.h"
#include "probe/args.h"

/* Blanks separate arguments, but not within parentheses. */
static size_t length_of(const char *text)
{
	size_t i = 0, depth = 0;

	for (; text[i] && (text[i] != ' ' || depth); i++) {
		depth += text[i] == '(';
		depth -= text[i] == ')' && depth;
	}
	return i;
}

static bool read_register(const char **at, struct arch_probe_reg *reg)
{
	char name[8];
	size_t length = 0;

	if (**at != '%')
		return false;
	for (++*at; isalnum((unsigned char)**at) && length < sizeof(name) - 1; ++*at)
		name[length++] = **at;
	name[length] = '\0';
	return arch_probe_reg(name, reg);
}

/* "(BASE,INDEX,SCALE)" or "(BASE)" */
static bool read_memory(const char **at, struct chop_probe_fetch *fetch)
{
	struct arch_probe_reg reg;

	if (*(*at)++ != '(' || !read_register(at, &reg))
		return false;
	fetch->base = reg.offset;
	if (**at == ',') {
		unsigned long scale = 1;

		++*at;
		if (!read_register(at, &reg))
			return false;
		if (**at == ',') {
			char *end;

			scale = strtoul(*at + 1, &end, 10);
			*at = end;
		}
		fetch->has_index = 1;
		fetch->index = reg.offset;
		fetch->scale = scale == 8 ? 3 : scale == 4 ? 2 : scale == 2;
		if (scale != 1 && scale != 2 && scale != 4 && scale != 8)
			return false;
	}
	return *(*at)++ == ')';
}

static bool read_operand(const char *at, struct chop_probe_fetch *fetch)
{
	struct arch_probe_reg reg;
	char *end;

	if (*at == '$') {
		fetch->from = CHOP_FROM_CONSTANT;
		fetch->constant = (uint64_t)strtoll(at + 1, &end, 0);
		return end != at + 1 && !*end;
	}
	fetch->from = CHOP_FROM_REGISTER;
	if (*at == '%') {
		if (!read_register(&at, &reg))
			return false;
		fetch->base = reg.offset;
		/* The high byte of a register is not what its offset says. */
		return !*at && !reg.shift;
	}
	fetch->loads = 1;
	fetch->offset[0] = (int32_t)strtol(at, &end, 0);
	at = end;
	return read_memory(&at, fetch) && !*at;
}

static int parse(const char *text, size_t length, struct point_arg *arg)
{
	cleanup_free char *copy = xstrndup(text, length);
	char *sign = strchr(copy, '@'), *end;
	long size = sign ? strtol(copy, &end, 10) : -8;
	bool is_float = sign && *end == 'f';

	if (sign && end != sign && !is_float)
		return -EINVAL;
	if (is_float || (labs(size) != 1 && labs(size) != 2 && labs(size) != 4 && labs(size) != 8))
		return -EINVAL;
	arg->fetch.size = (uint8_t)labs(size);
	arg->fetch.is_signed = size < 0;
	arg->format = size < 0 ? ARG_SIGNED : ARG_UNSIGNED;
	return read_operand(sign ? sign + 1 : copy, &arg->fetch) ? 0 : -EINVAL;
}

int usdt_argument(const char *text, unsigned int n, struct point_arg *arg)
{
	size_t length;

	*arg = (struct point_arg){ .name = arg->name };
	for (;; text += length, n--) {
		while (*text == ' ')
			text++;
		if (!*text)
			return -ENOENT;
		length = length_of(text);
		if (!n)
			return parse(text, length, arg);
	}
}
