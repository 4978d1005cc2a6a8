/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocation. The x functions never return NULL: a process of this size that
 * cannot get a few bytes cannot clean up either, so they write one line to stderr
 * and abort (PTRACE_O_EXITKILL and the guardian keep traced programs safe from
 * wrong memory). Anything whose size depends on the traced program - page
 * buffers, tables - uses page_alloc, which can fail.
 */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t size);
/* Array form: aborts instead of overflowing. */
void *xreallocarray(void *old, size_t count, size_t size);
char *xstrdup(const char *text);
char *xstrndup(const char *text, size_t length);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Page-aligned zeroed memory straight from the kernel, size in bytes; NULL on failure. */
void *page_alloc(size_t size);
void page_free(void *memory, size_t size);

/* Cleanup attributes: `cleanup_free char *s = NULL;`, `cleanup_close int fd = -1;` */
static inline void alloc_cleanup_free(void *slot)
{
	free(*(void **)slot);
}

static inline void alloc_cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define cleanup_with(function) __attribute__((cleanup(function)))
#define cleanup_free	       cleanup_with(alloc_cleanup_free)
#define cleanup_close	       cleanup_with(alloc_cleanup_close)

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#endif
