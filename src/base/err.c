// SPDX-License-Identifier: Apache-2.0
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ERR_MAX 2048

static _Thread_local struct {
	enum chop_status status;
	char message[ERR_MAX];
} last;

static void format(const char *fmt, va_list args)
{
	/* Through a second buffer: the arguments may quote the old message. */
	char text[ERR_MAX];

	vsnprintf(text, sizeof(text), fmt, args);
	memcpy(last.message, text, sizeof(text));
}

int err_set(enum chop_status status, int error, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	format(fmt, args);
	va_end(args);
	last.status = status;
	return -error;
}

int err_sys(enum chop_status status, int error, const char *fmt, ...)
{
	va_list args;
	size_t used;

	va_start(args, fmt);
	format(fmt, args);
	va_end(args);
	used = strlen(last.message);
	snprintf(last.message + used, sizeof(last.message) - used, ": %s", strerror(error));
	last.status = status;
	return -error;
}

int err_context(int error, const char *fmt, ...)
{
	char context[ERR_MAX];
	char joined[ERR_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(context, sizeof(context), fmt, args);
	va_end(args);
	/* What failed recorded nothing: its errno is all there is to tell. */
	if (snprintf(joined, sizeof(joined), "%s: %s", context,
		     last.message[0] ? last.message : strerror(-error)) > 0)
		memcpy(last.message, joined, sizeof(joined));
	return error;
}

const char *err_message(void)
{
	return last.message;
}

enum chop_status err_status(void)
{
	return last.message[0] ? last.status : CHOP_USAGE;
}

void err_clear(void)
{
	last.message[0] = '\0';
	last.status = CHOP_USAGE;
}
