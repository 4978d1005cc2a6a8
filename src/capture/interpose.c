// SPDX-License-Identifier: Apache-2.0
#include "capture/interpose.h"

#include <errno.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "tracee/breakpoint.h"
#include "tracee/inject.h"
#include "tracee/memory.h"
#include "tracee/modules.h"
#include "tracee/threads.h"

#define LIBRARY "libchop-interpose.so"

/* Run-time address of something the library exports; 0 when the program does not have it. */
static uint64_t find(struct tracee *tracee, const char *name)
{
	for (size_t i = 0; i < tracee->modules.length; i++) {
		struct module *module = tracee->modules.items[i];
		struct image *image = module_is(module, LIBRARY) ? module_image(module) : NULL;
		const struct symbol *symbol = image ? image_find(image, name, NULL) : NULL;

		if (symbol)
			return module->bias + symbol->address;
	}
	return 0;
}

/* The region is in the modules the library's functions work with: allocator, streams. */
static bool is_inside(struct tracee *tracee, uint64_t begin)
{
	uint64_t table = find(tracee, "chop_interpose_uses"), uses[2] = { 0 };
	const struct module *module = module_at(tracee, begin);

	if (!table || memory_read(tracee, table, uses, sizeof(uses)))
		return true;
	return module &&
	       (module == module_at(tracee, uses[0]) || module == module_at(tracee, uses[1]));
}

/* Call a function of the library; the vector registers are the program's again afterwards. */
static int call(struct tracee *tracee, struct thread *owner, uint64_t function)
{
	cleanup_free uint8_t *memory = xcalloc(1, CHOP_XSTATE_MAX);
	struct iovec xstate = { memory, CHOP_XSTATE_MAX };
	uint64_t result;
	int error;

	if (ptrace(PTRACE_GETREGSET, owner->tid, arch_xstate_note, &xstate))
		return -ESRCH;
	error = inject_function(tracee, owner, function, &result);
	if (ptrace(PTRACE_SETREGSET, owner->tid, arch_xstate_note, &xstate) && !error)
		error = -ESRCH;
	return error;
}

/* Where there are breakpoints in what it calls: without them, and then nobody else may run. */
static int call_inside(struct tracee *tracee, struct thread *owner, uint64_t function)
{
	int error;

	threads_stop(tracee, owner);
	breakpoints_show(tracee, 0);
	error = call(tracee, owner, function);
	breakpoints_show(tracee, BREAK_ALL);
	threads_resume(tracee, owner);
	return error;
}

int interpose_check(struct tracee *tracee)
{
	if (find(tracee, "chop_interpose_begin"))
		return 0;
	return err_set(CHOP_USAGE, ENOENT,
		       "-interpose: %s has not loaded " LIBRARY
		       ": it is static, privileged, or has another C library",
		       tracee->program);
}

int interpose_begin(struct tracee *tracee, struct thread *owner)
{
	uint64_t plain = find(tracee, "chop_interpose_begin");
	uint64_t inside = find(tracee, "chop_interpose_begin_inside");
	struct chop_regs regs;
	int error = interpose_check(tracee);

	if (error)
		return error;
	if (thread_get_regs(owner, &regs))
		return err_set(CHOP_DIFFERS, ESRCH, "the program ended");
	error = inject_check(owner);
	if (error)
		return error;
	if (is_inside(tracee, arch_pc(&regs)))
		error = call_inside(tracee, owner, inside);
	else
		error = call(tracee, owner, plain);
	if (error)
		return err_sys(CHOP_DIFFERS, -error, "-interpose: cannot prepare the program");
	return 0;
}

void interpose_end(struct tracee *tracee, struct thread *owner, uint64_t begin)
{
	uint64_t end = find(tracee, "chop_interpose_end");
	int error;

	if (!end || owner->exiting || owner->queued)
		return;
	if (is_inside(tracee, begin))
		error = call_inside(tracee, owner, end);
	else
		error = call(tracee, owner, end);
	if (error && error != -ESRCH)
		log_warn("-interpose: what the region wrote is not written yet: the program does "
			 "that when it ends");
}
