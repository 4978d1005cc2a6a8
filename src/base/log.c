// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/progress.h"

static struct {
	const char *command;
	enum log_level level;
	int fd;
} state = { .level = LOG_INFO, .fd = STDERR_FILENO };

void log_set_command(const char *name)
{
	state.command = name;
}

void log_set_level(enum log_level level)
{
	state.level = level;
}

enum log_level log_level(void)
{
	return state.level;
}

int log_level_parse(const char *text, enum log_level *level)
{
	static const char *const names[] = {
		"silent", "error", "warn", "info", "verbose", "debug"
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(text, names[i])) {
			*level = (enum log_level)i;
			return 0;
		}
	}
	return err_set(CHOP_USAGE, EINVAL,
		       "'%s' is not a log level; use silent, error, warn, info, verbose or debug",
		       text);
}

int log_open(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

	if (fd < 0)
		return err_sys(CHOP_USAGE, errno, "cannot open the log %s", path);
	state.fd = fd;
	return 0;
}

void log_at(enum log_level level, const char *fmt, ...)
{
	cleanup_buf struct buf line = { 0 };
	va_list args;

	if (level > state.level)
		return;
	progress_clear();
	buf_add_text(&line, "chop: ");
	if (state.command)
		buf_printf(&line, "%s: ", state.command);
	if (level == LOG_WARN)
		buf_add_text(&line, "warning: ");
	va_start(args, fmt);
	buf_vprintf(&line, fmt, args);
	va_end(args);
	buf_add_char(&line, '\n');
	/* One write a line, so that lines of several processes do not mix. */
	if (write(state.fd, line.data, line.length) < 0)
		return;
}
