/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libchop-interpose.so, which `chop trace -interpose` preloads into the traced program: while
 * a region runs, functions that would make system calls only for output, for memory and for
 * the time do without. docs/chop-interpose.7.scd lists them.
 *
 * Between regions every function here goes straight to the C library's. The tracer calls
 * chop_interpose_begin in the thread that enters a region, and chop_interpose_end in it when
 * the region has ended: then what was written meanwhile is written, by the functions that
 * were called, with the arguments they were given, in the order they were called in.
 *
 * What runs inside a region takes no locks (other threads may be stopped anywhere) and makes
 * no system calls.
 */
#ifndef PRELOAD_INTERPOSE_H
#define PRELOAD_INTERPOSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define EXPORT __attribute__((visibility("default")))

/* A region is running: keep output, tell the time without asking. */
extern _Atomic int kept_active;
static inline bool is_active(void)
{
	return __builtin_expect(atomic_load_explicit(&kept_active, memory_order_acquire), 0);
}

/* -- the C library's own functions: real.c ---------------------------------------------------- */

/* The function of that name that the program would have without us; resolved once. */
void *real_function(const char *name);
#define REAL(name)                                                       \
	({                                                               \
		static __typeof__(&name) real_;                          \
		if (!real_)                                              \
			real_ = (__typeof__(&name))real_function(#name); \
		real_;                                                   \
	})

/* -- what was to be written: keep.c -------------------------------------------------------------- */

enum keep_kind {
	KEEP_END,    /* nothing more in this block of memory */
	KEEP_STREAM, /* bytes for a stream */
	KEEP_FLUSH,  /* fflush of a stream, NULL for all */
	KEEP_WRITE,  /* bytes for a descriptor */
};

/* Memory for a region's records; what was carried out is forgotten. */
void keep_prepare(void);
/*
 * Room for `size` bytes of a new record, to be filled and then given to keep_done; NULL when
 * there is no memory. In the order of these calls the records are carried out.
 */
void *keep_begin(enum keep_kind kind, FILE *stream, int fd, size_t size);
/* Fewer bytes than there is room for. */
void keep_shrink(void *bytes, size_t size);
void keep_done(void *bytes);
/* Something is kept that is not carried out. */
bool keep_any(void);
/* Carry out what is kept; another thread that is at it already goes on with it. */
void keep_carry_out(void);
/* Forget it: a forked child does, whose parent carries it out. */
void keep_forget(void);

/* Whether output to it is kept: the standard streams, and descriptors 1 and 2. */
bool keeps_stream(const FILE *stream);
bool keeps_fd(int fd);
/* `size` bytes, kept; false when that was not possible. */
bool keep_bytes(enum keep_kind kind, FILE *stream, int fd, const void *bytes, size_t size);

/* -- the time: clock.c ------------------------------------------------------------------------------ */

/* What the clocks say now is what the region starts from. */
void clock_begin(void);

#endif
