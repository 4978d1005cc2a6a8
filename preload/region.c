// SPDX-License-Identifier: Apache-2.0
/* Begin and end of a region, and functions before which what is kept must be carried out. */
#include "interpose.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The C library's limit for an allocation that does not have a mapping of its own. */
#define HEAP_THRESHOLD (32 << 20)
#define HEAP_READY     (31 << 20)
/* The C library's defaults. */
#define USUAL_THRESHOLD (128 << 10)

/* Bits of FILE._flags: in the C library's ABI since 1997, and in no header any more. */
#define NO_WRITES 0x0008
#define PUTTING	  0x0800

_Atomic int kept_active;

/*
 * Where the allocator and the streams come from: for a region inside those the tracer calls
 * chop_interpose_begin_inside, which does not use them.
 */
EXPORT void *chop_interpose_uses[2];

static bool fd_open[3];

/* A stream whose room in the buffer is hidden, so that putc_unlocked's macro calls us. */
static struct hidden {
	FILE *stream;
	char *end, *hidden_end;
} hidden[2];

bool keeps_fd(int fd)
{
	return (fd == 1 || fd == 2) && fd_open[fd];
}

bool keeps_stream(const FILE *stream)
{
	return (stream == stdout || stream == stderr) && stream && stream->_fileno >= 0 &&
	       stream->_mode <= 0 && !(stream->_flags & NO_WRITES);
}

static void hide_room(struct hidden *at, FILE *stream)
{
	at->stream = NULL;
	if (!stream || !keeps_stream(stream) || !(stream->_flags & PUTTING) ||
	    stream->_IO_write_end <= stream->_IO_write_ptr)
		return;
	at->stream = stream;
	at->end = stream->_IO_write_end;
	at->hidden_end = stream->_IO_write_end = stream->_IO_write_ptr;
}

static void show_room(struct hidden *at)
{
	if (at->stream && at->stream->_IO_write_end == at->hidden_end &&
	    at->stream->_IO_write_ptr == at->hidden_end)
		at->stream->_IO_write_end = at->end;
	at->stream = NULL;
}

/* Free memory at the end of the heap, so that it need not grow. */
static void prepare_heap(void)
{
	mallopt(M_MMAP_THRESHOLD, HEAP_THRESHOLD);
	mallopt(M_TRIM_THRESHOLD, 0x7fffffff);
	free(malloc(HEAP_READY));
}

static void begin(bool inside)
{
	int error = errno;

	for (int fd = 0; fd < 3; fd++)
		fd_open[fd] = fcntl(fd, F_GETFD) >= 0;
	if (!inside) {
		prepare_heap();
		hide_room(&hidden[0], stdout);
		hide_room(&hidden[1], stderr);
	}
	keep_prepare();
	clock_begin();
	atomic_store(&kept_active, inside ? 2 : 1);
	errno = error;
}

EXPORT void chop_interpose_begin(void)
{
	begin(false);
}

EXPORT void chop_interpose_begin_inside(void)
{
	begin(true);
}

EXPORT void chop_interpose_end(void)
{
	int error = errno, was = atomic_exchange(&kept_active, 0);

	for (int i = 0; i < 2; i++)
		show_room(&hidden[i]);
	keep_carry_out();
	if (was == 1) {
		mallopt(M_MMAP_THRESHOLD, USUAL_THRESHOLD);
		mallopt(M_TRIM_THRESHOLD, USUAL_THRESHOLD);
	}
	errno = error;
}

/* The parent carries out what is kept, and no region is traced in the child. */
static void in_child(void)
{
	atomic_store(&kept_active, 0);
	for (int i = 0; i < 2; i++)
		show_room(&hidden[i]);
	keep_forget();
}

__attribute__((constructor)) static void start(void)
{
	chop_interpose_uses[0] = (void *)REAL(malloc);
	chop_interpose_uses[1] = (void *)REAL(fwrite);
	/* dlsym may allocate: now, not inside a region. */
	(void)REAL(fflush);
	(void)REAL(write);
	(void)REAL(clock_gettime);
	pthread_atfork(NULL, NULL, in_child);
}

/* After the program's own exit handlers, before the C library flushes its streams. */
__attribute__((destructor)) static void stop(void)
{
	if (atomic_load(&kept_active))
		chop_interpose_end();
	else
		keep_carry_out();
}

/* -- functions that others may see the effect of, or that wait for others ------------------------ */

#define NAME(name) #name,
static const char *const names[] = {
#include "first.inc"
};
#undef NAME

static void *functions[sizeof(names) / sizeof(*names)];

/* Called by the stubs (x86_64.S): which function to go on with. */
__attribute__((visibility("hidden"))) void *before_function(unsigned int n);
void *before_function(unsigned int n)
{
	if (is_active() && keep_any()) {
		int error = errno;

		keep_carry_out();
		errno = error;
	}
	if (!functions[n])
		functions[n] = real_function(names[n]);
	return functions[n];
}
