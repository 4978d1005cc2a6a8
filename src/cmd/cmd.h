/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands. Each is `int cmd_NAME(int argc, char **argv)` in src/cmd/NAME.c, listed in
 * commands.txt. It returns an exit status (enum chop_status, or the status of a
 * traced program), or a negative errno after recording a message (base/err.h): main
 * prints it and exits with the status recorded beside it.
 */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include "base/opt.h"

#define COMMAND(name, aliases, group, summary) int cmd_##name(int argc, char **argv);
#include "commands.inc"
#undef COMMAND

/*
 * Parse options; for -h prints the help to stdout. Returns true when the command should
 * go on; otherwise it returns *status, and what was collected is released already.
 */
bool cmd_parse(const struct opt_spec *spec, int argc, char **argv, void *options,
	       struct strvec *rest, int *status);

/* The command line as one would type it, quoted where a shell needs it; the caller frees. */
char *cmd_line(int argc, char **argv);

/*
 * A library of ours that programs load: beside the tool in the build directory, or installed
 * with it. 0 with its absolute path, which the caller frees, or -errno with a message.
 */
int cmd_library(const char *name, char **path);

/* Record "expected ...; try chop NAME --help" style usage errors; returns -EINVAL. */
int cmd_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
