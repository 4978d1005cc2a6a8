// SPDX-License-Identifier: Apache-2.0
#include "base/opt.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"

struct globals {
	bool help, quiet, verbose;
	const char *log_level, *log_path;
};

static const struct opt global_table[] = {
	OPT_HEADING("Everywhere"),
	OPT_FLAG('h', "help", struct globals, help, "show this text"),
	OPT_FLAG('q', "quiet", struct globals, quiet, "only errors"),
	OPT_FLAG('v', "verbose", struct globals, verbose, "say more about what is done"),
	OPT_TEXT(0, "log-level", struct globals, log_level, "LEVEL",
		 "silent, error, warn, info, verbose or debug"),
	OPT_TEXT(0, "log-path", struct globals, log_path, "FILE", "append messages to FILE"),
	OPT_END
};

struct parser {
	const struct opt_spec *spec;
	char **argv;
	int argc, at;
	size_t words; /* that are no options, so far */
	void *options;
	struct globals globals;
};

struct match {
	const struct opt *opt;
	void *base; /* structure the field belongs to */
	bool negated;
	const char *value; /* text after '=' or bundled; NULL when none */
};

static const struct opt *by_name(const struct opt *table, const char *name, size_t length)
{
	for (; table->type != OPT_TYPE_END; table++) {
		if (table->name && strlen(table->name) == length &&
		    !strncmp(table->name, name, length))
			return table;
	}
	return NULL;
}

static const struct opt *by_letter(const struct opt *table, char letter)
{
	for (; table->type != OPT_TYPE_END; table++) {
		if (table->letter && table->letter == letter)
			return table;
	}
	return NULL;
}

static bool find_name(struct parser *parser, const char *name, size_t length, struct match *match)
{
	match->opt = by_name(parser->spec->options, name, length);
	match->base = parser->options;
	if (!match->opt) {
		match->opt = by_name(global_table, name, length);
		match->base = &parser->globals;
	}
	return match->opt != NULL;
}

/* The same for -no-NAME, which only flags have. */
static bool find_negated(struct parser *parser, const char *name, size_t length,
			 struct match *match)
{
	if (length < 4 || strncmp(name, "no-", 3))
		return false;
	match->negated = true;
	return find_name(parser, name + 3, length - 3, match) && match->opt->type == OPT_TYPE_FLAG;
}

static bool find_letter(struct parser *parser, char letter, struct match *match)
{
	match->opt = by_letter(parser->spec->options, letter);
	match->base = parser->options;
	if (!match->opt) {
		match->opt = by_letter(global_table, letter);
		match->base = &parser->globals;
	}
	return match->opt != NULL;
}

static void suggest_from(const struct opt *table, const char *word, const char **best,
			 unsigned int *distance)
{
	for (; table->type != OPT_TYPE_END; table++) {
		unsigned int d = table->name ? opt_distance(table->name, word) : *distance;

		if (d < *distance) {
			*distance = d;
			*best = table->name;
		}
	}
}

/* The long option that a word without dashes and value was probably meant to be, or NULL. */
static const char *suggestion(struct parser *parser, const char *plain)
{
	unsigned int distance = strlen(plain) > 4 ? 3 : 2;
	const char *best = NULL;

	suggest_from(parser->spec->options, plain, &best, &distance);
	suggest_from(global_table, plain, &best, &distance);
	return best;
}

static int unknown(struct parser *parser, const char *word)
{
	cleanup_free char *name = xstrndup(word, strcspn(word, "="));
	const char *best = suggestion(parser, name + strspn(name, "-"));

	if (best)
		return err_set(CHOP_USAGE, EINVAL, "unknown option %s; did you mean --%s?", name,
			       best);
	if (parser->words > 1 && strstr(parser->spec->usage, "-- COMMAND"))
		return err_set(
			CHOP_USAGE, EINVAL,
			"unknown option %s; if it is the command's, put -- before the command",
			name);
	return err_set(CHOP_USAGE, EINVAL, "unknown option %s; --help lists them", name);
}

static int in_range(const struct opt *opt, uint64_t value, const char *text)
{
	if (value >= opt->min && (!opt->max || value <= opt->max))
		return 0;
	/* Times and sizes were given with a unit; the bare limits would only confuse. */
	if (opt->type != OPT_TYPE_NUMBER)
		return err_set(CHOP_USAGE, ERANGE, "%s is too %s", text,
			       value < opt->min ? "small" : "large");
	if (!opt->max)
		return err_set(CHOP_USAGE, ERANGE, "%s is less than %" PRIu64, text, opt->min);
	return err_set(CHOP_USAGE, ERANGE, "%s is not in the range %" PRIu64 " to %" PRIu64, text,
		       opt->min, opt->max);
}

static int store(const struct match *match, const char *text)
{
	void *field = (char *)match->base + match->opt->offset;
	uint64_t number = 0;
	int error = 0;

	switch (match->opt->type) {
	case OPT_TYPE_FLAG:
		*(bool *)field = !match->negated;
		return 0;
	case OPT_TYPE_TEXT:
		*(const char **)field = text;
		return 0;
	case OPT_TYPE_LIST:
		*vec_push((struct strvec *)field) = text;
		return 0;
	case OPT_TYPE_FRACTION:
		return opt_fraction(text, field);
	case OPT_TYPE_NUMBER:
		error = opt_number(text, &number);
		break;
	case OPT_TYPE_ADDRESS:
		error = opt_address(text, &number);
		break;
	case OPT_TYPE_TIME:
		error = opt_time(text, &number);
		break;
	case OPT_TYPE_SIZE:
		error = opt_size(text, &number);
		break;
	case OPT_TYPE_END:
	case OPT_TYPE_HEADING:
		break;
	}
	if (!error)
		error = in_range(match->opt, number, text);
	if (!error)
		*(uint64_t *)field = number;
	return error;
}

/* Give the matched option its value, taking the next word where it needs one. */
static int apply(struct parser *parser, struct match *match, const char *shown)
{
	const char *text = match->value;
	int error;

	if (match->opt->type == OPT_TYPE_FLAG) {
		if (text)
			return err_set(CHOP_USAGE, EINVAL, "option %s takes no value", shown);
	} else if (!text) {
		if (parser->at >= parser->argc)
			return err_set(CHOP_USAGE, EINVAL, "option %s needs a value: %s", shown,
				       match->opt->argument);
		text = parser->argv[parser->at++];
	}
	error = store(match, text);
	return error ? err_context(error, "option %s", shown) : 0;
}

/* -abc: flags in one word, the last may take a value. */
static int bundle(struct parser *parser, const char *word)
{
	for (const char *letter = word + 1; *letter; letter++) {
		struct match match = { 0 };
		char shown[3] = { '-', *letter, '\0' };
		int error;

		if (!find_letter(parser, *letter, &match))
			return unknown(parser, word);
		if (match.opt->type != OPT_TYPE_FLAG && letter[1]) {
			/* -outptu is a misspelt -output, not -o with the value utptu. */
			if (letter == word + 1 && letter[2] && suggestion(parser, word + 1))
				return unknown(parser, word);
			match.value = letter + 1;
		}
		error = apply(parser, &match, shown);
		if (error || match.opt->type != OPT_TYPE_FLAG)
			return error;
	}
	return 0;
}

static int option(struct parser *parser, const char *word)
{
	const char *name = word + (word[1] == '-' ? 2 : 1);
	size_t length = strcspn(name, "=");
	struct match match = { 0 };

	if (length > 1 && (find_name(parser, name, length, &match) ||
			   find_negated(parser, name, length, &match))) {
		cleanup_free char *shown = xstrndup(word, (size_t)(name - word) + length);

		match.value = name[length] ? name + length + 1 : NULL;
		return apply(parser, &match, shown);
	}
	if (word[1] == '-')
		return unknown(parser, word);
	return bundle(parser, word);
}

static int act_on_globals(const struct globals *globals)
{
	enum log_level level;

	if (globals->quiet)
		log_set_level(LOG_ERROR);
	if (globals->verbose)
		log_set_level(LOG_VERBOSE);
	if (globals->log_level) {
		if (log_level_parse(globals->log_level, &level))
			return -EINVAL;
		log_set_level(level);
	}
	return globals->log_path ? log_open(globals->log_path) : 0;
}

enum opt_result opt_parse(const struct opt_spec *spec, int argc, char **argv, void *options,
			  struct strvec *rest)
{
	struct parser parser = {
		.spec = spec, .argv = argv, .argc = argc, .at = 1, .options = options
	};

	while (parser.at < argc) {
		const char *word = argv[parser.at];

		if (!strcmp(word, "--")) {
			parser.at++;
			break;
		}
		if (word[0] == '-' && word[1]) {
			parser.at++;
			if (option(&parser, word))
				return OPT_FAILED;
			if (parser.globals.help)
				return OPT_SHOW_HELP;
			continue;
		}
		if (!spec->intermixed)
			break;
		*vec_push(rest) = word;
		parser.words++;
		parser.at++;
	}
	for (; parser.at < argc; parser.at++)
		*vec_push(rest) = argv[parser.at];
	*vec_push(rest) = NULL;
	rest->length--;
	return act_on_globals(&parser.globals) ? OPT_FAILED : OPT_DONE;
}

void opt_release(const struct opt *table, void *options)
{
	for (; table->type != OPT_TYPE_END; table++) {
		if (table->type == OPT_TYPE_LIST)
			vec_release((struct strvec *)((char *)options + table->offset));
	}
}

static void help_row(struct buf *out, const struct opt *opt)
{
	size_t start = out->length;
	size_t width;

	if (opt->type == OPT_TYPE_HEADING) {
		buf_printf(out, "\n%s:\n", opt->help);
		return;
	}
	if (opt->letter)
		buf_printf(out, "  -%c%s", opt->letter, opt->name ? ", " : "");
	else
		buf_add_text(out, "      ");
	if (opt->name)
		buf_printf(out, "--%s", opt->name);
	if (opt->argument)
		buf_printf(out, " %s", opt->argument);
	width = out->length - start;
	if (!*opt->help) {
		buf_add_char(out, '\n');
		return;
	}
	if (width > 30)
		buf_printf(out, "\n%*s", 32, "");
	else
		buf_printf(out, "%*s", (int)(32 - width), "");
	for (const char *line = opt->help; line;) {
		size_t length = strcspn(line, "\n");

		buf_add(out, line, length);
		buf_add_char(out, '\n');
		line = line[length] ? line + length + 1 : NULL;
		if (line)
			buf_printf(out, "%*s", 32, "");
	}
}

void opt_help(const struct opt_spec *spec, struct buf *out)
{
	const char *lead = "Usage: ";

	for (const char *line = spec->usage; line;) {
		size_t length = strcspn(line, "\n");

		buf_printf(out, "%s%.*s\n", lead, (int)length, line);
		line = line[length] ? line + length + 1 : NULL;
		lead = "       ";
	}
	buf_printf(out, "\n%s\n", spec->about);
	if (spec->options[0].type != OPT_TYPE_END && spec->options[0].type != OPT_TYPE_HEADING)
		buf_add_text(out, "\nOptions:\n");
	for (const struct opt *opt = spec->options; opt->type != OPT_TYPE_END; opt++)
		help_row(out, opt);
	for (const struct opt *opt = global_table; opt->type != OPT_TYPE_END; opt++)
		help_row(out, opt);
	if (spec->examples)
		buf_printf(out, "\nExamples:\n%s\n", spec->examples);
}
