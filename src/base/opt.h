/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Declarative command-line options. Each command has a static const table; the
 * parser gives -h/--help, types, ranges, negation and suggestions.
 *
 *	struct options { const char *output; bool gzip; uint64_t count; };
 *	static const struct opt table[] = {
 *		OPT_TEXT('o', "output", struct options, output, "FILE", "write to FILE"),
 *		OPT_FLAG(0, "gzip", struct options, gzip, "compress"),
 *		OPT_END
 *	};
 *
 * Rules: long options take one dash or two, and "=VALUE" or the next word. A flag
 * NAME is also switched off by -no-NAME. Single letters may be bundled (-fo FILE,
 * -oFILE) where no long option has that name. "--" ends the options; so does the
 * first other word unless the command sets `intermixed`. -h, -q, -v, --log-level
 * and --log-path are understood everywhere and act at once.
 */
#ifndef BASE_OPT_H
#define BASE_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"

enum opt_type {
	OPT_TYPE_END,
	OPT_TYPE_FLAG,	   /* bool */
	OPT_TYPE_TEXT,	   /* const char *, points into argv */
	OPT_TYPE_NUMBER,   /* uint64_t, decimal or 0x */
	OPT_TYPE_ADDRESS,  /* uint64_t, hex with optional 0x */
	OPT_TYPE_TIME,	   /* uint64_t, nanoseconds; us ms s m h d, default s */
	OPT_TYPE_SIZE,	   /* uint64_t, bytes; K M G T, powers of 1024 */
	OPT_TYPE_FRACTION, /* double, 0.5 or 50% */
	OPT_TYPE_LIST,	   /* struct strvec, one word per occurrence */
	OPT_TYPE_HEADING,  /* a heading line in the help text */
};

struct opt {
	enum opt_type type;
	char letter;	      /* 0 when there is only a long name */
	const char *name;     /* without dashes; NULL when there is only a letter */
	size_t offset;	      /* of the field in the command's options structure */
	const char *argument; /* its name in the help text; NULL for flags */
	const char *help;
	uint64_t min, max; /* for numbers, times and sizes; max 0 means no limit */
};

#define OPT_ROW(type_, letter_, name_, structure, field, argument_, help_, ...)                 \
	{                                                                                       \
		.type = OPT_TYPE_##type_, .letter = (letter_), .name = (name_),                 \
		.offset = offsetof(structure, field), .argument = (argument_), .help = (help_), \
		##__VA_ARGS__                                                                   \
	}
#define OPT_FLAG(letter, name, structure, field, help) \
	OPT_ROW(FLAG, letter, name, structure, field, NULL, help)
#define OPT_TEXT(letter, name, structure, field, argument, help) \
	OPT_ROW(TEXT, letter, name, structure, field, argument, help)
#define OPT_NUMBER(letter, name, structure, field, argument, help, ...) \
	OPT_ROW(NUMBER, letter, name, structure, field, argument, help, ##__VA_ARGS__)
#define OPT_ADDRESS(letter, name, structure, field, argument, help) \
	OPT_ROW(ADDRESS, letter, name, structure, field, argument, help)
#define OPT_TIME(letter, name, structure, field, argument, help, ...) \
	OPT_ROW(TIME, letter, name, structure, field, argument, help, ##__VA_ARGS__)
#define OPT_SIZE(letter, name, structure, field, argument, help, ...) \
	OPT_ROW(SIZE, letter, name, structure, field, argument, help, ##__VA_ARGS__)
#define OPT_FRACTION(letter, name, structure, field, argument, help) \
	OPT_ROW(FRACTION, letter, name, structure, field, argument, help)
#define OPT_LIST(letter, name, structure, field, argument, help) \
	OPT_ROW(LIST, letter, name, structure, field, argument, help)
#define OPT_HEADING(text)                                \
	{                                                \
		.type = OPT_TYPE_HEADING, .help = (text) \
	}
#define OPT_END                      \
	{                            \
		.type = OPT_TYPE_END \
	}

struct opt_spec {
	const char *usage; /* one or more lines, each "chop NAME [options] ..." */
	const char *about; /* a sentence or paragraph */
	const struct opt *options;
	const char *examples; /* NULL or lines for the end of the help text */
	bool intermixed;      /* other words may stand between options */
};

enum opt_result {
	OPT_DONE,      /* parsed */
	OPT_SHOW_HELP, /* -h was given: the caller prints opt_help and returns 0 */
	OPT_FAILED,    /* a message is recorded (base/err.h) */
};

/*
 * Parse argv[1..]. Fields of `options` are set; `rest` receives the words that are
 * not options, in order (the traced command, files); it points into argv and is
 * NULL-terminated: rest->items[rest->length] is NULL.
 */
enum opt_result opt_parse(const struct opt_spec *spec, int argc, char **argv, void *options,
			  struct strvec *rest);

/* Free the lists in a command's options; the strings are argv's. */
void opt_release(const struct opt *table, void *options);

struct buf;
/* The help text of a command. */
void opt_help(const struct opt_spec *spec, struct buf *out);

/* The value parsers, for arguments that are not options: 0 or -EINVAL, message recorded. */
int opt_number(const char *text, uint64_t *value);
int opt_address(const char *text, uint64_t *value);
int opt_time(const char *text, uint64_t *nanoseconds);
int opt_size(const char *text, uint64_t *bytes);
int opt_fraction(const char *text, double *value);

/* Smallest number of single-character edits between two words, for suggestions. */
unsigned int opt_distance(const char *a, const char *b);

#endif
