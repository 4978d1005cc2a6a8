// SPDX-License-Identifier: Apache-2.0
#include "store/references_text.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/io.h"

/* A hexadecimal number and where it ends; false when there is none. */
static bool hex(const char **at, uint64_t *value)
{
	char *end;

	if (!isxdigit((unsigned char)**at))
		return false;
	errno = 0;
	*value = strtoull(*at, &end, 16);
	*at = end;
	return !errno;
}

static bool at_end(const char *at)
{
	return !at[strspn(at, " \t\r\n")];
}

static bool is_blank_or_comment(const char *line)
{
	return at_end(line) || *line == '#' || !strncmp(line, "==", 2) || !strncmp(line, "--", 2);
}

/* "I  04001000,3", " L 1ffeffe7e0,8", " S ...", " M ..." */
static int parse_lackey(const char *line, struct references_line *out)
{
	const char *at = line + 3;
	char *end;

	if (strlen(line) < 5 || line[2] != ' ' ||
	    !((line[0] == 'I' && line[1] == ' ') || (line[0] == ' ' && strchr("LSM", line[1]))))
		return -1;
	out->fetch = line[0] == 'I';
	if (!hex(&at, &out->address) || *at++ != ',' || !isdigit((unsigned char)*at))
		return -1;
	out->size = strtoull(at, &end, 10);
	return at_end(end) && out->size && out->size <= 65536 ? 1 : -1;
}

/* "2 400af0": 0 read, 1 write, 2 fetch; 3 and 4 are no references. */
static int parse_din(const char *line, struct references_line *out)
{
	const char *at = line + 2;

	if (line[0] < '0' || line[0] > '4' || (line[1] != ' ' && line[1] != '\t'))
		return -1;
	at += strspn(at, " \t");
	if (!hex(&at, &out->address))
		return -1;
	out->fetch = line[0] == '2';
	out->size = 1;
	return line[0] < '3';
}

static int parse_vmtrace(const char *line, struct references_line *out)
{
	const char *at = line;

	if (!strncmp(line, "one", 3) || !strncmp(line, "End", 3))
		return at_end(line + 3) ? 0 : -1;
	if (strspn(line, "0123456789ABCDEF") != 16 || !hex(&at, &out->address))
		return -1;
	out->size = 1;
	return at_end(at) ? 1 : -1;
}

static int parse_number(const char *line, struct references_line *out)
{
	const char *at = line + strspn(line, " \t");

	if (!hex(&at, &out->address))
		return -1;
	out->size = 1;
	return at_end(at) ? 1 : -1;
}

int references_parse(enum references_format format, const char *line, struct references_line *out)
{
	*out = (struct references_line){ 0 };
	if (is_blank_or_comment(line))
		return 0;
	switch (format) {
	case REFERENCES_LACKEY:
		return parse_lackey(line, out);
	case REFERENCES_DIN:
		return parse_din(line, out);
	case REFERENCES_VMTRACE:
		return parse_vmtrace(line, out);
	case REFERENCES_NUMBERS:
		return parse_number(line, out);
	default:
		return -1;
	}
}

enum references_format references_guess(const char *line)
{
	/* The strictest first: a VMTRACE address is a number as well. */
	static const enum references_format order[] = { REFERENCES_LACKEY, REFERENCES_VMTRACE,
							REFERENCES_DIN, REFERENCES_NUMBERS };
	struct references_line parsed;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (references_parse(order[i], line, &parsed) > 0)
			return order[i];
	}
	return REFERENCES_FORMATS;
}

static int touch_line(struct references *references, const struct references_line *line)
{
	uint64_t block = references->block, first = line->address / block;
	uint64_t last = line->address + (line->size - 1);
	int error = 0;

	if (references->format == REFERENCES_NUMBERS)
		return stream_touch(&references->stream, line->address);
	if (last < line->address) /* beyond the end of all addresses */
		last = UINT64_MAX;
	for (uint64_t i = 0; i <= last / block - first && !error; i++)
		error = stream_touch(&references->stream, first + i);
	return error;
}

struct text_reader {
	struct references *references;
	const struct references_options *options;
	const char *path;
	uint64_t number;
	bool ended; /* VMTRACE's End was there */
};

static int no_trace(const struct text_reader *reader, const char *line)
{
	return err_set(CHOP_USAGE, EINVAL,
		       "%s, line %" PRIu64 ": '%.*s' is of no trace format known here (chop pages, "
		       "chop mem, lackey, Dinero, VMTRACE, hexadecimal page numbers)",
		       reader->path, reader->number, (int)strcspn(line, "\r\n") % 60, line);
}

static int read_line(struct text_reader *reader, const char *line)
{
	struct references *references = reader->references;
	struct references_line parsed;
	int result;

	reader->number++;
	if (references->format == REFERENCES_FORMATS && !is_blank_or_comment(line))
		references->format = references_guess(line);
	if (references->format == REFERENCES_FORMATS)
		return is_blank_or_comment(line) ? 0 : no_trace(reader, line);
	result = references_parse(references->format, line, &parsed);
	reader->ended |= references->format == REFERENCES_VMTRACE && !strncmp(line, "End", 3);
	if (result < 0)
		references->unknown_lines++;
	if (result <= 0 || (parsed.fetch && !reader->options->fetches))
		return 0;
	return touch_line(references, &parsed);
}

static int read_all(struct text_reader *reader, FILE *file)
{
	char *line = NULL;
	size_t size = 0;
	int error = 0;

	while (!error && getline(&line, &size, file) >= 0)
		error = read_line(reader, line);
	free(line);
	if (!error && ferror(file))
		error = err_sys(CHOP_USAGE, errno, "cannot read %s", reader->path);
	if (!error && !reader->references->stream.references)
		error = err_set(CHOP_USAGE, EINVAL, "%s holds no references", reader->path);
	if (!error && reader->references->format == REFERENCES_VMTRACE && !reader->ended)
		reader->references->incomplete = strdup("the trace has no End");
	return error;
}

int references_read_text(struct references *references, const char *path,
			 const struct references_options *options)
{
	struct text_reader reader = { .references = references, .options = options, .path = path };
	FILE *file = strcmp(path, "-") ? fopen(path, "re") : stdin;
	int error;

	references->format = REFERENCES_FORMATS;
	if (!file)
		return err_sys(CHOP_USAGE, errno, "cannot read %s", path);
	error = file == stdin ? 0 : io_no_device(fileno(file), path);
	if (!error)
		error = read_all(&reader, file);
	if (file != stdin)
		fclose(file);
	return error;
}
