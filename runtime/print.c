// SPDX-License-Identifier: Apache-2.0
#include "runtime.h"

#include <stdarg.h>

#include <asm/unistd.h>
#include <linux/elf.h>

struct line {
	size_t length;
	char text[1024];
};

static void put(struct line *line, const char *text)
{
	for (; *text && line->length < sizeof(line->text) - 1; text++)
		line->text[line->length++] = *text;
}

static void put_number(struct line *line, uint64_t value, unsigned int base)
{
	char digits[24];
	size_t at = sizeof(digits) - 1;

	digits[at] = '\0';
	do
		digits[--at] = "0123456789abcdef"[value % base];
	while (value /= base);
	put(line, digits + at);
}

static void put_hex(struct line *line, uint64_t value)
{
	put(line, "0x");
	put_number(line, value, 16);
}

/* Three significant digits or so: 57.9 us. */
static void put_time(struct line *line, uint64_t ns)
{
	static const char units[4][4] = { "ns", "us", "ms", "s" };
	uint64_t tenths = ns * 10;
	unsigned int unit = 0;

	for (; tenths >= 10000 && unit < 3; unit++)
		tenths = (tenths + 500) / 1000;
	put_number(line, tenths / 10, 10);
	if (unit) {
		put(line, ".");
		put_number(line, tenths % 10, 10);
	}
	put(line, " ");
	put(line, units[unit]);
}

static void put_offset(struct line *line, const char *name, uint64_t offset)
{
	put(line, name);
	if (offset) {
		put(line, "+");
		put_hex(line, offset);
	}
}

/* The symbol that covers an address: its name and start; NULL when there is none. */
static const char *symbol_at(uint64_t address, uint64_t *start)
{
	uint64_t low = 0, high;
	const Elf64_Sym *symbols = table(SNIPPET_SYMBOLS, &high);

	while (low < high) {
		uint64_t middle = (low + high) / 2;

		if (symbols[middle].st_value <= address)
			low = middle + 1;
		else
			high = middle;
	}
	/* Symbols may nest: look a few back for one that reaches this far. */
	for (unsigned int tries = 16; low > 0 && tries; tries--) {
		const Elf64_Sym *symbol = &symbols[--low];

		if (symbol->st_name &&
		    (address - symbol->st_value < symbol->st_size || address == symbol->st_value)) {
			*start = symbol->st_value;
			return string_at(symbol->st_name);
		}
	}
	return NULL;
}

/* The mapping of the original that held an address; NULL when there was none. */
static const struct snippet_mapping *mapping_at(uint64_t address, uint64_t *start)
{
	uint64_t count;
	const struct snippet_mapping *mappings = table(SNIPPET_MAPPINGS, &count);

	for (uint64_t i = 0; i < count; i++) {
		/* Offsets are most useful from where the module begins. */
		if (!i || mappings[i].name != mappings[i - 1].name)
			*start = mappings[i].start;
		if (address >= mappings[i].start && address < mappings[i].end)
			return &mappings[i];
	}
	return NULL;
}

static void put_address(struct line *line, uint64_t address)
{
	const struct snippet_mapping *mapping;
	const char *name;
	uint64_t start = 0;

	put_hex(line, address);
	name = symbol_at(address, &start);
	if (!name && address >= (uint64_t)runtime_base && address < rt.header->area_end)
		name = "the snippet's own memory";
	start = name && !start ? address : start;
	mapping = name ? NULL : mapping_at(address, &start);
	if (mapping)
		name = string_at(mapping->name);
	if (!name || !*name)
		return;
	put(line, " (");
	put_offset(line, name, address - start);
	put(line, ")");
}

static void put_argument(struct line *line, char kind, uint64_t value)
{
	switch (kind) {
	case 's':
		put(line, (const char *)value);
		break;
	case 'u':
		put_number(line, value, 10);
		break;
	case 'x':
		put_hex(line, value);
		break;
	case 't':
		put_time(line, value);
		break;
	case 'a':
		put_address(line, value);
		break;
	}
}

static void format(struct line *line, const char *fmt, va_list args)
{
	for (; *fmt; fmt++) {
		char one[2] = { *fmt, '\0' };

		if (*fmt == '%' && fmt[1])
			put_argument(line, *++fmt, va_arg(args, uint64_t));
		else
			put(line, one);
	}
}

static int finish(struct line *line, int fd)
{
	size_t done = 0;

	line->text[line->length++] = '\n';
	while (done < line->length) {
		long put_now = sys_write(fd, line->text + done, line->length - done);

		if (put_now <= 0)
			return put_now ? (int)put_now : -5 /* EIO */;
		done += (size_t)put_now;
	}
	return 0;
}

int say(int fd, const char *fmt, ...)
{
	struct line line = { .length = 0 };
	va_list args;

	va_start(args, fmt);
	format(&line, fmt, args);
	va_end(args);
	return finish(&line, fd);
}

void die(enum chop_status status, const char *fmt, ...)
{
	struct line line = { .length = 0 };
	va_list args;

	put(&line, rt.name[0] ? rt.name : "snippet");
	put(&line, ": ");
	va_start(args, fmt);
	format(&line, fmt, args);
	va_end(args);
	finish(&line, STDERR);
	exit_with(status);
}
