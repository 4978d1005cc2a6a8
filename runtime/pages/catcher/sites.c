// SPDX-License-Identifier: Apache-2.0
/*
 * What `chop pages --sites` preloads into a program: who asked for which block of memory is told
 * to the tracer by a system call that does not exist; on its own the kernel only says so.
 * errno stays as it is: the call is made without the C library.
 */
#include <stddef.h>
#include <stdint.h>

#include <chop/pager.h>

#include "machine.h"

#define EXPORT __attribute__((visibility("default")))
#define WEAK   __attribute__((weak))

void *__libc_malloc(size_t size) WEAK;
void *__libc_calloc(size_t count, size_t size) WEAK;
void *__libc_realloc(void *old, size_t size) WEAK;
void *__libc_memalign(size_t alignment, size_t size) WEAK;
void *dlsym(void *handle, const char *name);
#define NEXT ((void *)-1L)

static void *tell(void *block, size_t size, void *site)
{
	if (block)
		call6(CATCHER_CALL, CATCHER_ALLOC, (uint64_t)block, size, (uint64_t)site, 0, 0);
	return block;
}

EXPORT void *malloc(size_t size)
{
	static void *(*next)(size_t);

	if (!next)
		next = __libc_malloc ? __libc_malloc : (void *(*)(size_t))dlsym(NEXT, "malloc");
	return tell(next(size), size, __builtin_return_address(0));
}

EXPORT void *calloc(size_t count, size_t size)
{
	static void *(*next)(size_t, size_t);

	if (!next)
		next = __libc_calloc ? __libc_calloc
				     : (void *(*)(size_t, size_t))dlsym(NEXT, "calloc");
	return tell(next(count, size), count * size, __builtin_return_address(0));
}

EXPORT void *realloc(void *old, size_t size)
{
	static void *(*next)(void *, size_t);

	if (!next)
		next = __libc_realloc ? __libc_realloc
				      : (void *(*)(void *, size_t))dlsym(NEXT, "realloc");
	return tell(next(old, size), size, __builtin_return_address(0));
}

EXPORT void *memalign(size_t alignment, size_t size)
{
	static void *(*next)(size_t, size_t);

	if (!next)
		next = __libc_memalign ? __libc_memalign
				       : (void *(*)(size_t, size_t))dlsym(NEXT, "memalign");
	return tell(next(alignment, size), size, __builtin_return_address(0));
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	static void *(*next)(size_t, size_t);

	if (!next)
		next = (void *(*)(size_t, size_t))dlsym(NEXT, "aligned_alloc");
	return tell(next(alignment, size), size, __builtin_return_address(0));
}

EXPORT int posix_memalign(void **block, size_t alignment, size_t size)
{
	static int (*next)(void **, size_t, size_t);
	int error;

	if (!next)
		next = (int (*)(void **, size_t, size_t))dlsym(NEXT, "posix_memalign");
	error = next(block, alignment, size);
	if (!error)
		tell(*block, size, __builtin_return_address(0));
	return error;
}
