// SPDX-License-Identifier: Apache-2.0
#include "cmd/cmd.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"

bool cmd_parse(const struct opt_spec *spec, int argc, char **argv, void *options,
	       struct strvec *rest, int *status)
{
	cleanup_buf struct buf help = { 0 };

	*status = -EINVAL;
	switch (opt_parse(spec, argc, argv, options, rest)) {
	case OPT_DONE:
		return true;
	case OPT_SHOW_HELP:
		opt_help(spec, &help);
		fputs(buf_text(&help), stdout);
		*status = 0;
		break;
	case OPT_FAILED:
		break;
	}
	opt_release(spec->options, options);
	vec_release(rest);
	return false;
}

static void add_quoted(struct buf *out, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_-+=:,./@%^";

	if (*word && strspn(word, plain) == strlen(word)) {
		buf_add_text(out, word);
		return;
	}
	buf_add_char(out, '\'');
	for (; *word; word++) {
		if (*word == '\'')
			buf_add_text(out, "'\\''");
		else
			buf_add_char(out, *word);
	}
	buf_add_char(out, '\'');
}

char *cmd_line(int argc, char **argv)
{
	struct buf line = { 0 };

	buf_add_text(&line, "chop");
	for (int i = 0; i < argc; i++) {
		buf_add_char(&line, ' ');
		add_quoted(&line, argv[i]);
	}
	return buf_detach(&line);
}

int cmd_library(const char *name, char **path)
{
	static const char *const places[] = { "%s/%s", "%s/../lib/chop/%s" };
	char self[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (length < 0)
		return err_sys(CHOP_MISSING, errno, "cannot read /proc/self/exe");
	self[length] = '\0';
	*strrchr(self, '/') = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		cleanup_free char *place = xasprintf(places[i], self, name);

		*path = realpath(place, NULL);
		if (*path)
			return 0;
	}
	return err_set(CHOP_MISSING, ENOENT, "%s is neither in %s nor in %s/../lib/chop", name,
		       self, self);
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
