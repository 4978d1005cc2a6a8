// SPDX-License-Identifier: Apache-2.0
#include "base/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

#define INTERVAL_NS 100000000L

static struct {
	int forced;
	bool shown;
	struct timespec last;
} state = { .forced = -1 };

/* A longer line would wrap and could not be taken away again. */
static int columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || size.ws_col < 2)
		return 80;
	return size.ws_col;
}

static bool wanted(void)
{
	static int terminal = -1;

	if (state.forced >= 0)
		return state.forced;
	if (terminal < 0)
		terminal = isatty(STDERR_FILENO);
	return terminal && log_level() >= LOG_INFO;
}

void progress_show(const char *fmt, ...)
{
	struct timespec now;
	char line[256];
	va_list args;
	int length;

	if (!wanted())
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (state.shown &&
	    (now.tv_sec - state.last.tv_sec) * 1000000000L + now.tv_nsec - state.last.tv_nsec <
		    INTERVAL_NS)
		return;
	state.last = now;
	va_start(args, fmt);
	length = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (length > 0)
		state.shown = dprintf(STDERR_FILENO, "\r\033[K%.*s", columns() - 1, line) > 0;
}

void progress_clear(void)
{
	if (state.shown)
		dprintf(STDERR_FILENO, "\r\033[K");
	state.shown = false;
}

void progress_force(int on)
{
	state.forced = on;
}
