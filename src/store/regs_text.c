// SPDX-License-Identifier: Apache-2.0
#include "store/regs_text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "arch/arch.h"
#include "base/alloc.h"
#include "base/err.h"

void regs_text_write(const struct thread_state *thread, struct buf *out)
{
	struct arch_wide_reg wide;
	const char *name;
	uint64_t value;

	for (unsigned int n = 0; (name = arch_reg(&thread->regs, n, &value)); n++) {
		for (; *name; name++)
			buf_add_char(out, (char)toupper((unsigned char)*name));
		buf_printf(out, " 0x%016" PRIx64 "\n", value);
	}
	for (unsigned int n = 0; arch_wide_reg(thread->xstate, thread->xstate_size, n, &wide);
	     n++) {
		buf_printf(out, "%s 0x", wide.name);
		for (size_t i = wide.size; i--;)
			buf_add_hex(out, wide.bytes + i, 1);
		buf_add_char(out, '\n');
	}
}

/* One line: a name and digits, at most 64 bytes of them. */
struct line {
	const char *name, *digits;
	size_t name_length, digit_count;
};

static bool split(const char *text, size_t length, struct line *line)
{
	const char *end = text + length, *at = text;

	line->name = at;
	while (at < end && *at != ' ')
		at++;
	line->name_length = (size_t)(at - text);
	if (end - at < 4 || strncmp(at, " 0x", 3))
		return false;
	line->digits = at + 3;
	for (at += 3; at < end && isxdigit((unsigned char)*at); at++)
		;
	line->digit_count = (size_t)(at - line->digits);
	return at == end && line->name_length && line->digit_count &&
	       line->digit_count <= 2 * sizeof(((struct arch_wide_reg *)0)->bytes);
}

static unsigned int digit(char c)
{
	return c <= '9' ? (unsigned int)(c - '0') : (unsigned int)((c | 0x20) - 'a') + 10;
}

/* Least significant byte first. */
static void take_bytes(const struct line *line, struct arch_wide_reg *reg)
{
	reg->size = (line->digit_count + 1) / 2;
	memset(reg->bytes, 0, sizeof(reg->bytes));
	for (size_t i = 0; i < line->digit_count; i++) {
		unsigned int value = digit(line->digits[line->digit_count - 1 - i]);

		reg->bytes[i / 2] = (uint8_t)(reg->bytes[i / 2] | value << 4 * (i & 1));
	}
}

static bool is_named(const struct line *line, const char *name)
{
	return strlen(name) == line->name_length &&
	       !strncasecmp(line->name, name, line->name_length);
}

static bool set_general(struct chop_regs *regs, const struct line *line,
			const struct arch_wide_reg *bytes)
{
	const char *name;
	uint64_t value;

	for (unsigned int n = 0; (name = arch_reg(regs, n, &value)); n++) {
		if (!is_named(line, name))
			continue;
		memcpy(&value, bytes->bytes, sizeof(value));
		arch_set_reg(regs, n, value);
		return bytes->size <= sizeof(value);
	}
	return false;
}

static bool set_register(struct thread_state *thread, const struct line *line)
{
	struct arch_wide_reg reg;

	take_bytes(line, &reg);
	if (set_general(&thread->regs, line, &reg))
		return true;
	if (line->name_length >= sizeof(reg.name))
		return false;
	memcpy(reg.name, line->name, line->name_length);
	reg.name[line->name_length] = '\0';
	return arch_set_wide_reg(thread->xstate, thread->xstate_size, &reg);
}

/* The width of the vector registers, which decides what else there is. */
static size_t vector_size(const char *text, size_t length)
{
	if (memmem(text, length, "ZMM0 ", 5))
		return 64;
	return memmem(text, length, "YMM0 ", 5) ? 32 : 16;
}

int regs_text_read(const char *text, size_t length, const char *file, struct thread_state *thread)
{
	size_t number = 0;

	arch_usual_regs(&thread->regs);
	thread->xstate = xcalloc(1, CHOP_XSTATE_MAX);
	thread->xstate_size = arch_xstate_blank(thread->xstate, vector_size(text, length));
	for (size_t at = 0; at < length;) {
		const char *newline = memchr(text + at, '\n', length - at);
		size_t size = newline ? (size_t)(newline - text) - at : length - at;
		struct line line;

		number++;
		if (!split(text + at, size, &line))
			return err_set(CHOP_USAGE, EBADMSG, "%s: line %zu is not NAME 0xVALUE",
				       file, number);
		if (!set_register(thread, &line))
			return err_set(CHOP_USAGE, EBADMSG,
				       "%s: %.*s is no register of this architecture, or wider "
				       "than one",
				       file, line.name_length < 32 ? (int)line.name_length : 32,
				       line.name);
		at += size + 1;
	}
	return 0;
}
