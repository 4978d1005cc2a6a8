// SPDX-License-Identifier: Apache-2.0
#include "event/stack.h"

#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/io.h"

#define LOOK_AGAIN_NS 5000000

static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_linux_proc_find_elf,
	.find_debuginfo = dwfl_standard_find_debuginfo,
};

static struct stack_process *find(struct stacks *stacks, pid_t pid)
{
	for (size_t i = stacks->processes.length; i-- > 0;) {
		if (stacks->processes.items[i].pid == pid)
			return &stacks->processes.items[i];
	}
	return NULL;
}

void stacks_gone(struct stacks *stacks, pid_t pid)
{
	struct stack_process *process = find(stacks, pid);

	if (!process)
		return;
	if (process->dwfl)
		dwfl_end(process->dwfl);
	*process = *vec_last(&stacks->processes);
	stacks->processes.length--;
}

bool stacks_remaps(uint64_t number)
{
	return number == SYS_mmap || number == SYS_munmap || number == SYS_mremap ||
	       number == SYS_mprotect;
}

void stacks_changed(struct stacks *stacks, pid_t pid)
{
	struct stack_process *process = find(stacks, pid);

	if (process)
		process->stale = true;
}

/* Modules that are still there keep what has been read of them. */
static bool report(struct stack_process *process, pid_t pid)
{
	bool fine;

	dwfl_report_begin(process->dwfl);
	fine = !dwfl_linux_proc_report(process->dwfl, pid);
	return !dwfl_report_end(process->dwfl, NULL, NULL) && fine;
}

/* -- copies: the unwinder's way to registers and memory ---------------------------------------- */

static bool copied_memory(Dwfl *dwfl, Dwarf_Addr address, Dwarf_Word *result, void *context)
{
	const struct stack_copy *copy = ((struct stacks *)context)->copy;

	(void)dwfl;
	return copy->read(copy->context, address, result, sizeof(*result)) == sizeof(*result);
}

static bool copied_registers(Dwfl_Thread *thread, void *context)
{
	const struct stack_copy *copy = ((struct stacks *)context)->copy;
	uint64_t values[ARCH_DWARF_REGS];
	unsigned int count = arch_dwarf_regs(&copy->regs, values);

	return dwfl_thread_state_registers(thread, 0, count, values);
}

static bool copied_thread(Dwfl *dwfl, pid_t tid, void *context, void **thread)
{
	(void)dwfl;
	(void)tid;
	*thread = context;
	return true;
}

static pid_t next_thread(Dwfl *dwfl, void *context, void **thread)
{
	(void)dwfl;
	(void)context;
	(void)thread;
	return 0;
}

static const Dwfl_Thread_Callbacks copied = {
	.next_thread = next_thread,
	.get_thread = copied_thread,
	.memory_read = copied_memory,
	.set_initial_registers = copied_registers,
};

/*
 * libdw asks it what machine it is about. Without one it would ask a file of the process, which may
 * be gone from it tomorrow.
 */
static Elf *own_file(struct stacks *stacks)
{
	cleanup_close int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (stacks->self || fd < 0)
		return stacks->self;
	elf_version(EV_CURRENT);
	stacks->self = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	return stacks->self;
}

static bool attach(struct stacks *stacks, struct stack_process *process)
{
	if (stacks->copies)
		return dwfl_attach_state(process->dwfl, own_file(stacks), process->pid, &copied,
					 stacks);
	return !dwfl_linux_proc_attach(process->dwfl, process->pid, true);
}

/* What has ended, and nobody has waited for, has none any more. */
static bool has_mappings(pid_t pid)
{
	cleanup_free char *path = xasprintf("/proc/%d/maps", pid);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	char first;

	return fd >= 0 && read(fd, &first, 1) == 1;
}

/* With up-to-date mappings; NULL when it cannot be read. */
static struct stack_process *process_of(struct stacks *stacks, pid_t pid)
{
	struct stack_process *process = find(stacks, pid);
	bool fresh = !process;

	/* One that has ended meanwhile has the mappings it had. */
	if (process && (!process->stale || (stacks->copies && !has_mappings(pid))))
		return process;
	if (fresh) {
		process = vec_push(&stacks->processes);
		*process = (struct stack_process){ pid, dwfl_begin(&callbacks), false };
	}
	process->stale = false;
	if (!process->dwfl || !report(process, pid) || (fresh && !attach(stacks, process))) {
		stacks_gone(stacks, pid);
		return NULL;
	}
	places_update(&stacks->places, pid);
	return process;
}

struct walk {
	uint64_t pcs[STACK_FRAMES];
	bool exact[STACK_FRAMES]; /* the instruction itself, not the one after a call */
	size_t count;
};

static int on_frame(Dwfl_Frame *frame, void *context)
{
	struct walk *walk = context;
	Dwarf_Addr pc;
	bool exact;

	if (!dwfl_frame_pc(frame, &pc, &exact) || walk->count == STACK_FRAMES)
		return DWARF_CB_ABORT;
	walk->exact[walk->count] = exact;
	walk->pcs[walk->count++] = pc;
	return DWARF_CB_OK;
}

void stacks_look(struct stacks *stacks, pid_t pid)
{
	stacks_changed(stacks, pid);
	if (has_mappings(pid))
		process_of(stacks, pid);
}

void stacks_look_again(struct stacks *stacks)
{
	struct timespec time;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC, &time);
	now = (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
	if (now - stacks->looked < LOOK_AGAIN_NS)
		return;
	for (size_t i = stacks->processes.length; i-- > 0;)
		stacks_look(stacks, stacks->processes.items[i].pid);
	clock_gettime(CLOCK_MONOTONIC, &time);
	stacks->looked = (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* False when there is a frame of which nothing is known. */
static bool find_places(struct stacks *stacks, pid_t pid, const struct walk *walk,
			struct place *frames)
{
	bool known = true;

	for (size_t i = 0; i < walk->count; i++) {
		/* A call at the end of a function returns into the next. */
		uint64_t back = walk->exact[i] || !walk->pcs[i] ? 0 : 1;

		known &= places_find(&stacks->places, pid, walk->pcs[i] - back, &frames[i]) ||
			 !walk->pcs[i];
		frames[i].address += back;
		frames[i].offset += back;
	}
	return known;
}

size_t stacks_walk(struct stacks *stacks, pid_t pid, pid_t tid, struct place *frames)
{
	struct stack_process *process = process_of(stacks, pid);
	struct walk walk = { .count = 0 };

	if (!process)
		return 0;
	/* Where the tables end the frames so far are what there is. */
	dwfl_getthread_frames(process->dwfl, tid, on_frame, &walk);
	find_places(stacks, pid, &walk, frames);
	return walk.count;
}

/* One walk; false when it leads to where nothing was mapped when we looked last. */
static bool walk_copy(struct stacks *stacks, struct stack_process *process, pid_t tid,
		      struct walk *walk, struct place *frames)
{
	bool known;

	walk->count = 0;
	dwfl_getthread_frames(process->dwfl, tid, on_frame, walk);
	known = find_places(stacks, process->pid, walk, frames) && walk->count;
	for (size_t i = 0; i < walk->count; i++)
		known &= !walk->pcs[i] || dwfl_addrmodule(process->dwfl, walk->pcs[i]);
	return known;
}

size_t stacks_walk_copy(struct stacks *stacks, pid_t pid, pid_t tid, const struct stack_copy *copy,
			struct place *frames)
{
	struct stack_process *process;
	struct walk walk = { .count = 0 };
	bool known = false;

	stacks->copy = copy;
	process = process_of(stacks, pid);
	if (process)
		known = walk_copy(stacks, process, tid, &walk, frames);
	if (process && !known) {
		process->stale = true;
		process = process_of(stacks, pid);
		known = process && walk_copy(stacks, process, tid, &walk, frames);
	}
	stacks->copy = NULL;
	stacks->unknown += !known;
	return walk.count;
}

void stacks_release(struct stacks *stacks)
{
	while (stacks->processes.length)
		stacks_gone(stacks, vec_last(&stacks->processes)->pid);
	vec_release(&stacks->processes);
	elf_end(stacks->self);
	places_release(&stacks->places);
}
