// SPDX-License-Identifier: Apache-2.0
/* Dispatch: `chop NAME ...`, or by the name we were called by (chop-marks == chop marks). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "version.h"

struct command {
	const char *name, *aliases, *group, *summary;
	int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
#define COMMAND(name, aliases, group, summary) { #name, aliases, group, summary, cmd_##name },
#include "commands.inc"
#undef COMMAND
	{ 0 }
};

static bool listed(const char *aliases, const char *name)
{
	size_t length = strlen(name);

	while (*aliases) {
		size_t word = strcspn(aliases, ",");

		if (word == length && !strncmp(aliases, name, length))
			return true;
		aliases += word + (aliases[word] == ',');
	}
	return false;
}

static const struct command *find(const char *name)
{
	for (const struct command *c = commands; c->name; c++) {
		if (!strcmp(c->name, name) || listed(c->aliases, name))
			return c;
	}
	return NULL;
}

static void print_help(FILE *out)
{
	const char *group = "";

	fputs("Usage: chop COMMAND [options] [-- PROGRAM ARGS]\n\n"
	      "Cut a region out of a running program and make it useful on its own.\n",
	      out);
	for (const struct command *c = commands; c->name; c++) {
		if (strcmp(group, c->group))
			fprintf(out, "\n%s:\n", c->group);
		group = c->group;
		fprintf(out, "  %-10s %s%s%s%s\n", c->name, c->summary, *c->aliases ? " (" : "",
			c->aliases, *c->aliases ? ")" : "");
	}
	fputs("\n`chop COMMAND --help` tells more; so does `man chop-COMMAND`.\n"
	      "Exit status: 0 done, 1 differs or nothing captured, 2 usage or bad input, 3 "
	      "diverged,\n"
	      "4 end never reached, 5 facility missing, 126/127 command cannot be run / not "
	      "found.\n",
	      out);
}

static int unknown(const char *name)
{
	const struct command *best = NULL;
	unsigned int distance = 3;

	for (const struct command *c = commands; c->name; c++) {
		unsigned int d = opt_distance(c->name, name);

		if (d < distance) {
			distance = d;
			best = c;
		}
	}
	if (name[0] == '-')
		log_error("unknown option %s before the command; options follow it", name);
	else if (best)
		log_error("no command '%s'; did you mean '%s'?", name, best->name);
	else
		log_error("no command '%s'; `chop --help` lists them", name);
	return CHOP_USAGE;
}

/* A full disk or closed pipe behind stdout must not look like success, nor be told twice. */
static int finish(int status, bool told)
{
	bool failed = ferror(stdout);

	/* fclose, because some file systems tell of a full disk only then. */
	errno = 0;
	if (fclose(stdout) || failed) {
		if (told)
			return status;
		if (!errno)
			log_error("cannot write to stdout");
		else if (errno != EPIPE)
			log_error("cannot write to stdout: %s", strerror(errno));
		return status ? status : CHOP_USAGE;
	}
	return status;
}

static int run(const struct command *command, int argc, char **argv)
{
	int status;
	bool failed;

	log_set_command(command->name);
	err_clear();
	status = command->run(argc, argv);
	failed = status < 0;
	if (failed) {
		if (*err_message())
			log_error("%s", err_message());
		else
			log_error("%s", strerror(-status));
		status = err_status();
	}
	return finish(status, failed);
}

/* `chop help`, `chop help COMMAND` */
static int help(int argc, char **argv)
{
	bool named = argc > 2 && strcmp(argv[2], "help");
	const struct command *command = named ? find(argv[2]) : NULL;

	if (named && !command)
		return unknown(argv[2]);
	if (command) {
		char *words[] = { argv[2], "--help", NULL };

		return run(command, 2, words);
	}
	print_help(stdout);
	return finish(CHOP_OK, false);
}

int main(int argc, char **argv)
{
	const char *slash = argc ? strrchr(argv[0], '/') : NULL;
	const char *self = argc ? (slash ? slash + 1 : argv[0]) : "chop";
	const struct command *command = find(self);

	/* "chop" itself is no command; "chop-marks" and the like are. */
	if (command && strcmp(self, "chop") && listed(command->aliases, self))
		return run(command, argc, argv);
	if (argc < 2) {
		print_help(stderr);
		return CHOP_USAGE;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-version")) {
		printf("chop %s\n", CHOP_VERSION);
		return finish(CHOP_OK, false);
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-help") || !strcmp(argv[1], "-h") ||
	    !strcmp(argv[1], "help"))
		return help(argc, argv);
	command = find(argv[1]);
	if (!command)
		return unknown(argv[1]);
	return run(command, argc - 1, argv + 1);
}
