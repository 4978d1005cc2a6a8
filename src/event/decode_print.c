// SPDX-License-Identifier: Apache-2.0
/* Numbers, names and descriptors. Written without printf where a line has many of them. */
#include "event/decode_print.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>

void dec_text(struct decode *d, const char *text)
{
	buf_add_text(d->out, text);
}

void dec_printf(struct decode *d, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	buf_vprintf(d->out, fmt, args);
	va_end(args);
}

static void digits(struct decode *d, uint64_t value, unsigned int base)
{
	char text[24];
	size_t at = sizeof(text);

	do {
		text[--at] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	buf_add(d->out, text + at, sizeof(text) - at);
}

void dec_unsigned(struct decode *d, uint64_t value)
{
	digits(d, value, 10);
}

void dec_signed(struct decode *d, int64_t value)
{
	if (value < 0)
		buf_add_char(d->out, '-');
	digits(d, value < 0 ? -(uint64_t)value : (uint64_t)value, 10);
}

void dec_hex(struct decode *d, uint64_t value)
{
	if (value)
		buf_add(d->out, "0x", 2);
	digits(d, value, 16);
}

void dec_address(struct decode *d, uint64_t value)
{
	if (value)
		dec_hex(d, value);
	else
		dec_text(d, "NULL");
}

void dec_mode(struct decode *d, uint64_t value)
{
	buf_add_char(d->out, '0');
	if (value < 010)
		buf_add_char(d->out, '0');
	digits(d, value, 8);
}

void dec_id(struct decode *d, uint32_t value)
{
	if (value == UINT32_MAX)
		dec_text(d, "-1");
	else
		dec_unsigned(d, value);
}

void dec_dev(struct decode *d, uint64_t value)
{
	uint64_t major = ((value >> 8) & 0xfff) | ((value >> 32) & ~0xfffull);
	uint64_t minor = (value & 0xff) | ((value >> 12) & ~0xffull);

	dec_text(d, "makedev(");
	dec_hex(d, major);
	dec_text(d, ", ");
	dec_hex(d, minor & 0xffffffff);
	dec_text(d, ")");
}

/* <path>, or <path>(deleted) as the kernel writes it in /proc/PID/fd. */
static void descriptor_path(struct decode *d, int fd)
{
	struct buf path = { 0 };

	if (!d->options->paths || !d->memory || !d->memory->path)
		return;
	if (d->memory->path(d->memory->context, fd, &path)) {
		static const char deleted[] = " (deleted)";
		size_t length = path.length, end = sizeof(deleted) - 1;
		bool gone = length > end && !memcmp(path.data + length - end, deleted, end);

		dec_quoted(d, path.data, gone ? length - end : length, DEC_QUOTE_PATH);
		dec_text(d, gone ? "(deleted)" : "");
	}
	buf_release(&path);
}

void dec_fd(struct decode *d, int fd)
{
	dec_signed(d, fd);
	if (fd >= 0)
		descriptor_path(d, fd);
}

#define CHOP_AT_FDCWD -100

void dec_dirfd(struct decode *d, int fd)
{
	if (fd != CHOP_AT_FDCWD) {
		dec_fd(d, fd);
		return;
	}
	dec_text(d, "AT_FDCWD");
	descriptor_path(d, fd);
}

void decode_signal_name(struct buf *out, int sig)
{
	const char *name = call_name_of(&call_names_sig, (uint64_t)(unsigned int)sig);

	if (name)
		buf_add_text(out, name);
	else
		buf_printf(out, "%d", sig);
}

void dec_signal(struct decode *d, int sig)
{
	decode_signal_name(d->out, sig);
}

static void unknown(struct decode *d, const struct call_names *names, uint64_t value)
{
	dec_hex(d, value);
	if (names->unknown)
		dec_printf(d, " /* %s */", names->unknown);
}

static void enumeration(struct decode *d, const struct call_names *names, uint64_t value)
{
	const char *name = call_name_of(names, value);

	if (name)
		dec_text(d, name);
	else if (!names->unknown)
		dec_signed(d, (int32_t)value);
	else
		unknown(d, names, value);
}

/* The value part of a set of flags; returns the bits that are left. */
static uint64_t pick(struct decode *d, const struct call_names *names, uint64_t value)
{
	for (unsigned int i = 0; i < names->pick_count; i++) {
		if (names->items[i].value != (value & names->pick))
			continue;
		dec_text(d, names->items[i].name);
		return value & ~names->pick;
	}
	if (names->loose)
		return value;
	unknown(d, names, value & names->pick);
	return value & ~names->pick;
}

static void bar(struct decode *d, size_t start)
{
	if (d->out->length > start)
		buf_add_char(d->out, '|');
}

static uint64_t named_bits(struct decode *d, const struct call_names *names, uint64_t value,
			   size_t start)
{
	for (unsigned int i = names->pick_count; i < names->count && value; i++) {
		uint64_t bits = names->items[i].value;

		if (!bits || (value & bits) != bits)
			continue;
		bar(d, start);
		dec_text(d, names->items[i].name);
		value &= ~bits;
	}
	return value;
}

/* The octal or decimal part: always shown, last. */
static void number_part(struct decode *d, const struct call_names *names, uint64_t value,
			size_t start)
{
	if (names->octal) {
		bar(d, start);
		dec_mode(d, value & names->octal);
	} else if (names->decimal && (value & names->decimal || d->out->length > start)) {
		bar(d, start);
		dec_unsigned(d, value & names->decimal);
	}
}

static void flag_set(struct decode *d, const struct call_names *names, uint64_t value)
{
	uint64_t part = names->octal | names->decimal, left = value & ~part, shifted;
	size_t start = d->out->length;

	if (!value && names->zero) {
		dec_text(d, names->zero);
		return;
	}
	if (names->pick)
		left = pick(d, names, left);
	left = named_bits(d, names, left, start);
	shifted = names->shift ? left >> names->shift : 0;
	left -= names->shift ? shifted << names->shift : 0;
	if (left && d->out->length == start && !part) {
		unknown(d, names, left);
	} else if (left) {
		bar(d, start);
		dec_hex(d, left);
	}
	if (shifted) {
		bar(d, start);
		dec_unsigned(d, shifted);
		dec_printf(d, "<<%s", names->shift_name);
	}
	number_part(d, names, value, start);
	if (d->out->length == start)
		buf_add_char(d->out, '0');
}

void dec_names(struct decode *d, const struct call_names *names, uint64_t value)
{
	if (names->style == CALL_NAMES_ENUM)
		enumeration(d, names, value);
	else
		flag_set(d, names, value);
}

void dec_date(struct decode *d, int64_t sec, uint64_t fraction, int width)
{
	time_t when = (time_t)sec;
	char text[64], zone[16];
	struct tm local;

	if (!localtime_r(&when, &local) || !strftime(text, sizeof(text), "%FT%T", &local))
		return;
	dec_text(d, text);
	if (fraction && width)
		dec_printf(d, ".%0*llu", width, (unsigned long long)fraction);
	if (strftime(zone, sizeof(zone), "%z", &local))
		dec_text(d, zone);
}

void dec_dated(struct decode *d, int64_t sec, uint64_t fraction, int width)
{
	uint64_t limit = width == 9 ? 1000000000 : width == 6 ? 1000000 : UINT64_MAX;

	if ((!sec && !fraction) || fraction >= limit)
		return;
	dec_text(d, " /* ");
	dec_date(d, sec, fraction, width);
	dec_text(d, " */");
}
