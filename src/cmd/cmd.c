// SPDX-License-Identifier: Apache-2.0
#include "cmd/cmd.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"

bool cmd_parse(const struct opt_spec *spec, int argc, char **argv, void *options,
	       struct strvec *rest, int *status)
{
	cleanup_buf struct buf help = { 0 };

	switch (opt_parse(spec, argc, argv, options, rest)) {
	case OPT_DONE:
		return true;
	case OPT_SHOW_HELP:
		opt_help(spec, &help);
		fputs(buf_text(&help), stdout);
		*status = 0;
		return false;
	case OPT_FAILED:
		break;
	}
	*status = -EINVAL;
	return false;
}

int cmd_usage(const char *fmt, ...)
{
	cleanup_buf struct buf text = { 0 };
	va_list args;

	va_start(args, fmt);
	buf_vprintf(&text, fmt, args);
	va_end(args);
	return err_set(CHOP_USAGE, EINVAL, "%s", buf_text(&text));
}
