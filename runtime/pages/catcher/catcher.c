// SPDX-License-Identifier: Apache-2.0
/*
 * What `catcher` preloads into a program: VMTRACE watches what malloc returns, from main's
 * start to its return. Each is told to the tracer by a system call that does not exist; on
 * its own the kernel only says so.
 */
#include <stddef.h>
#include <stdint.h>

#include <chop/pager.h>

#include "machine.h"

void *__libc_malloc(size_t size) __attribute__((weak));
void *dlsym(void *handle, const char *name);
#define NEXT ((void *)-1L)

typedef int main_function(int, char **, char **);
typedef int start_function(main_function *, int, char **, void (*)(void), void (*)(void),
			   void (*)(void), void *);

static main_function *program_main;

static void tell(enum catcher_call what, const void *pointer, size_t size)
{
	call6(CATCHER_CALL, what, (uint64_t)pointer, size, 0, 0, 0);
}

__attribute__((visibility("default"))) void *malloc(size_t size)
{
	static void *(*next)(size_t);
	void *memory;

	if (!next)
		next = __libc_malloc ? __libc_malloc : (void *(*)(size_t))dlsym(NEXT, "malloc");
	memory = next(size);
	if (memory)
		tell(CATCHER_MALLOC, memory, size);
	return memory;
}

static int watched_main(int argc, char **argv, char **environment)
{
	int status;

	tell(CATCHER_BEGIN, NULL, 0);
	status = program_main(argc, argv, environment);
	tell(CATCHER_END, NULL, 0);
	return status;
}

__attribute__((visibility("default"))) int
__libc_start_main(main_function *main, int argc, char **argv, void (*init)(void),
		  void (*fini)(void), void (*loader_fini)(void), void *stack_end)
{
	start_function *next = (start_function *)dlsym(NEXT, "__libc_start_main");

	program_main = main;
	return next(watched_main, argc, argv, init, fini, loader_fini, stack_end);
}
