// SPDX-License-Identifier: Apache-2.0
/* Output functions: inside a region what they write is kept. */
#include "interpose.h"

#include <stdarg.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* Texts up to this size are formatted once, longer ones twice. */
#define SHORT_TEXT 1024

/* Some are macros as well. */
#undef fwrite_unlocked
#undef putc
#undef putc_unlocked
#undef putchar
#undef putchar_unlocked

/* Not in headers: what _FORTIFY_SOURCE makes of the functions, and what putc_unlocked calls. */
int __printf_chk(int flag, const char *format, ...);
int __fprintf_chk(FILE *stream, int flag, const char *format, ...);
int __vprintf_chk(int flag, const char *format, va_list args);
int __vfprintf_chk(FILE *stream, int flag, const char *format, va_list args);
int __dprintf_chk(int fd, int flag, const char *format, ...);
int __vdprintf_chk(int fd, int flag, const char *format, va_list args);
int __vsnprintf_chk(char *text, size_t size, int flag, size_t room, const char *format,
		    va_list args);
int __overflow(FILE *stream, int c);
int _IO_putc(int c, FILE *stream);
int _IO_puts(const char *text);

struct text {
	int flag; /* of the checked forms; -1 for the plain ones */
	const char *format;
	va_list *args;
};

static int format_text(const struct text *text, char *room, size_t size)
{
	va_list args;
	int length;

	va_copy(args, *text->args);
	length = text->flag < 0 ? vsnprintf(room, size, text->format, args)
				: __vsnprintf_chk(room, size, text->flag, size, text->format, args);
	va_end(args);
	return length;
}

/* Keep a formatted text. False when it cannot be: *length is what to return otherwise. */
static bool keep_text(enum keep_kind kind, FILE *stream, int fd, const struct text *text,
		      int *length)
{
	char brief[SHORT_TEXT], *room;

	*length = format_text(text, brief, sizeof(brief));
	if (*length <= 0)
		return true;
	if ((size_t)*length < sizeof(brief))
		return keep_bytes(kind, stream, fd, brief, (size_t)*length);
	/* The NUL behind a text of size N is in the room of N + 1, and not carried out. */
	room = keep_begin(kind, stream, fd, (size_t)*length + 1);
	if (!room)
		return false;
	format_text(text, room, (size_t)*length + 1);
	keep_shrink(room, (size_t)*length);
	keep_done(room);
	return true;
}

/* -- formatted ---------------------------------------------------------------------------------- */

EXPORT int vfprintf(FILE *stream, const char *format, va_list args)
{
	int length;
	va_list copy;
	bool kept;

	if (!is_active() || !keeps_stream(stream))
		return REAL(vfprintf)(stream, format, args);
	va_copy(copy, args);
	kept = keep_text(KEEP_STREAM, stream, 0, &(struct text){ -1, format, &copy }, &length);
	va_end(copy);
	return kept ? length : REAL(vfprintf)(stream, format, args);
}

EXPORT int __vfprintf_chk(FILE *stream, int flag, const char *format, va_list args)
{
	int length;
	va_list copy;
	bool kept;

	if (!is_active() || !keeps_stream(stream))
		return REAL(__vfprintf_chk)(stream, flag, format, args);
	va_copy(copy, args);
	kept = keep_text(KEEP_STREAM, stream, 0, &(struct text){ flag, format, &copy }, &length);
	va_end(copy);
	return kept ? length : REAL(__vfprintf_chk)(stream, flag, format, args);
}

EXPORT int __vdprintf_chk(int fd, int flag, const char *format, va_list args)
{
	int length;
	va_list copy;
	bool kept;

	if (!is_active() || !keeps_fd(fd))
		return REAL(__vdprintf_chk)(fd, flag, format, args);
	va_copy(copy, args);
	kept = keep_text(KEEP_WRITE, NULL, fd, &(struct text){ flag, format, &copy }, &length);
	va_end(copy);
	return kept ? length : REAL(__vdprintf_chk)(fd, flag, format, args);
}

EXPORT int vdprintf(int fd, const char *format, va_list args)
{
	int length;
	va_list copy;
	bool kept;

	if (!is_active() || !keeps_fd(fd))
		return REAL(vdprintf)(fd, format, args);
	va_copy(copy, args);
	kept = keep_text(KEEP_WRITE, NULL, fd, &(struct text){ -1, format, &copy }, &length);
	va_end(copy);
	return kept ? length : REAL(vdprintf)(fd, format, args);
}

EXPORT int vprintf(const char *format, va_list args)
{
	return vfprintf(stdout, format, args);
}

EXPORT int __vprintf_chk(int flag, const char *format, va_list args)
{
	return __vfprintf_chk(stdout, flag, format, args);
}

/* The functions with three dots: through the one with a va_list. */
#define WITH_DOTS(call)         \
	va_list args;           \
	int length;             \
                                \
	va_start(args, format); \
	length = call;          \
	va_end(args);           \
	return length

EXPORT int printf(const char *format, ...)
{
	WITH_DOTS(vfprintf(stdout, format, args));
}

EXPORT int fprintf(FILE *stream, const char *format, ...)
{
	WITH_DOTS(vfprintf(stream, format, args));
}

EXPORT int dprintf(int fd, const char *format, ...)
{
	WITH_DOTS(vdprintf(fd, format, args));
}

EXPORT int __printf_chk(int flag, const char *format, ...)
{
	WITH_DOTS(__vfprintf_chk(stdout, flag, format, args));
}

EXPORT int __fprintf_chk(FILE *stream, int flag, const char *format, ...)
{
	WITH_DOTS(__vfprintf_chk(stream, flag, format, args));
}

EXPORT int __dprintf_chk(int fd, int flag, const char *format, ...)
{
	WITH_DOTS(__vdprintf_chk(fd, flag, format, args));
}

/* -- characters and strings ------------------------------------------------------------------------ */

static bool keep_stream(FILE *stream, const void *bytes, size_t size)
{
	return is_active() && keeps_stream(stream) &&
	       keep_bytes(KEEP_STREAM, stream, 0, bytes, size);
}

static bool keep_char(FILE *stream, int c)
{
	unsigned char byte = (unsigned char)c;

	return keep_stream(stream, &byte, 1);
}

#define CHARACTER(name, stream_)                                                         \
	EXPORT int name(int c, FILE *stream)                                             \
	{                                                                                \
		return keep_char(stream_, c) ? (unsigned char)c : REAL(name)(c, stream); \
	}
CHARACTER(fputc, stream)
CHARACTER(putc, stream)
CHARACTER(_IO_putc, stream)
CHARACTER(fputc_unlocked, stream)
CHARACTER(putc_unlocked, stream)

EXPORT int putchar(int c)
{
	return keep_char(stdout, c) ? (unsigned char)c : REAL(putchar)(c);
}

EXPORT int putchar_unlocked(int c)
{
	return keep_char(stdout, c) ? (unsigned char)c : REAL(putchar_unlocked)(c);
}

/* What the macros of putc_unlocked call when the stream's buffer has no room. */
EXPORT int __overflow(FILE *stream, int c)
{
	return c != EOF && keep_char(stream, c) ? (unsigned char)c : REAL(__overflow)(stream, c);
}

static bool keep_line(const char *text, int *length)
{
	size_t size = strlen(text);
	char *room;

	if (!is_active() || !keeps_stream(stdout))
		return false;
	room = keep_begin(KEEP_STREAM, stdout, 0, size + 1);
	if (!room)
		return false;
	memcpy(room, text, size);
	room[size] = '\n';
	keep_done(room);
	*length = size < 0x7fffffff ? (int)size + 1 : 0x7fffffff;
	return true;
}

EXPORT int puts(const char *text)
{
	int length;

	return keep_line(text, &length) ? length : REAL(puts)(text);
}

EXPORT int _IO_puts(const char *text)
{
	int length;

	return keep_line(text, &length) ? length : REAL(_IO_puts)(text);
}

EXPORT int fputs(const char *text, FILE *stream)
{
	return keep_stream(stream, text, strlen(text)) ? 1 : REAL(fputs)(text, stream);
}

EXPORT int fputs_unlocked(const char *text, FILE *stream)
{
	return keep_stream(stream, text, strlen(text)) ? 1 : REAL(fputs_unlocked)(text, stream);
}

static bool keep_items(const void *items, size_t size, size_t count, FILE *stream)
{
	size_t bytes;

	return size && count && !__builtin_mul_overflow(size, count, &bytes) &&
	       keep_stream(stream, items, bytes);
}

EXPORT size_t fwrite(const void *items, size_t size, size_t count, FILE *stream)
{
	return keep_items(items, size, count, stream) ? count
						      : REAL(fwrite)(items, size, count, stream);
}

EXPORT size_t fwrite_unlocked(const void *items, size_t size, size_t count, FILE *stream)
{
	return keep_items(items, size, count, stream)
		       ? count
		       : REAL(fwrite_unlocked)(items, size, count, stream);
}

static bool keep_flush(FILE *stream)
{
	return is_active() && (!stream || keeps_stream(stream)) &&
	       keep_bytes(KEEP_FLUSH, stream, 0, "", 0);
}

EXPORT int fflush(FILE *stream)
{
	return keep_flush(stream) ? 0 : REAL(fflush)(stream);
}

EXPORT int fflush_unlocked(FILE *stream)
{
	return keep_flush(stream) ? 0 : REAL(fflush_unlocked)(stream);
}

/* -- descriptors -------------------------------------------------------------------------------------- */

/* A descriptor may be a copy of one whose output is kept: then that comes first. */
static void carry_out_first(void)
{
	if (is_active() && keep_any())
		keep_carry_out();
}

EXPORT ssize_t write(int fd, const void *bytes, size_t size)
{
	if (is_active() && keeps_fd(fd) && keep_bytes(KEEP_WRITE, NULL, fd, bytes, size))
		return (ssize_t)size;
	carry_out_first();
	return REAL(write)(fd, bytes, size);
}

EXPORT ssize_t writev(int fd, const struct iovec *parts, int count)
{
	size_t size = 0;
	char *room = NULL;

	if (is_active() && keeps_fd(fd) && count > 0 && count <= 1024) {
		for (int i = 0; i < count; i++)
			size += parts[i].iov_len;
		room = keep_begin(KEEP_WRITE, NULL, fd, size);
	}
	if (!room) {
		carry_out_first();
		return REAL(writev)(fd, parts, count);
	}
	for (int i = 0; i < count; i++)
		room = (char *)memcpy(room, parts[i].iov_base, parts[i].iov_len) + parts[i].iov_len;
	keep_done(room - size);
	return (ssize_t)size;
}
