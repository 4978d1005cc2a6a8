// SPDX-License-Identifier: Apache-2.0
#include "capture/state.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/err.h"
#include "elf/image.h"
#include "tracee/inject.h"
#include "tracee/memory.h"
#include "tracee/modules.h"
#include "tracee/threads.h"
#include "tracee/wait.h"

int state_read(const struct thread *thread, struct thread_state *state)
{
	struct iovec io = { NULL, CHOP_XSTATE_MAX };

	free(state->xstate);
	state->xstate = xcalloc(1, CHOP_XSTATE_MAX);
	io.iov_base = state->xstate;
	if (thread_get_regs(thread, &state->regs) || thread_get_mask(thread, &state->sigmask) ||
	    ptrace(PTRACE_GETREGSET, thread->tid, arch_xstate_note, &io))
		return err_sys(CHOP_DIFFERS, errno, "cannot read the registers of thread %d",
			       thread->tid);
	state->xstate_size = io.iov_len;
	return 0;
}

struct arch_entry state_altstack_call(const struct tracee *tracee)
{
	return (struct arch_entry){
		.number = SYS_sigaltstack,
		.args = { 0, inject_buffer(tracee) },
	};
}

void state_altstack_read(const struct tracee *tracee, struct thread_state *state)
{
	stack_t stack;

	if (memory_read(tracee, inject_buffer(tracee), &stack, sizeof(stack)))
		return;
	state->altstack_flags = (uint32_t)stack.ss_flags;
	if (stack.ss_flags & SS_DISABLE)
		return;
	state->altstack_address = (uint64_t)stack.ss_sp;
	state->altstack_size = stack.ss_size;
}

void state_rseq(const struct thread *thread, struct capture *capture)
{
	struct __ptrace_rseq_configuration rseq;

	if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, thread->tid, sizeof(rseq), &rseq) < 0)
		return;
	capture->rseq_address = rseq.rseq_abi_pointer;
	capture->rseq_size = rseq.rseq_abi_pointer ? rseq.rseq_abi_size : 0;
}

/* -- support pages ------------------------------------------------------------------------ */

static void want(struct support *support, uint64_t address, uint64_t size)
{
	uint64_t page = address & -(uint64_t)CHOP_PAGE_SIZE;

	for (; address && page < address + size; page += CHOP_PAGE_SIZE)
		*vec_push(&support->pages) = page;
}

static uint64_t dynamic_size(const struct tracee *tracee, uint64_t address)
{
	Elf64_Dyn entries[CHOP_PAGE_SIZE / sizeof(Elf64_Dyn)];

	/* To the end of the page at once: the next one may not be there. */
	for (uint64_t at = address;;) {
		size_t size = CHOP_PAGE_SIZE - (at & (CHOP_PAGE_SIZE - 1));

		size = size < sizeof(*entries) ? sizeof(*entries) : size & -sizeof(*entries);
		if (memory_read(tracee, at, entries, size))
			return at - address;
		for (size_t i = 0; i < size / sizeof(*entries); i++, at += sizeof(*entries)) {
			if (entries[i].d_tag == DT_NULL)
				return at + sizeof(*entries) - address;
		}
	}
}

static void want_module(struct support *support, const struct tracee *tracee,
			const struct module *module, const struct capture *capture)
{
	const struct capture_mapping *mapping =
		capture_mapping_at(capture, module->dynamic ? module->dynamic : module->bias);
	struct link_map entry;

	/* The ELF header is in the first mapping of the same file. */
	for (; mapping && mapping > capture->maps.items && mapping[-1].inode == mapping->inode &&
	       mapping->offset && mapping->inode;
	     mapping--)
		;
	if (mapping && !mapping->offset)
		want(support, mapping->start, 1);
	if (module->dynamic)
		want(support, module->dynamic, dynamic_size(tracee, module->dynamic));
	if (!module->link_map)
		return;
	want(support, module->link_map, sizeof(entry));
	if (!memory_read(tracee, module->link_map, &entry, sizeof(entry)))
		want(support, (uint64_t)entry.l_name, strlen(module->name) + 1);
}

static void sort_unique(struct u64vec *pages)
{
	size_t kept = 0;

	vec_sort(pages, u64_order);
	for (size_t i = 0; i < pages->length; i++) {
		if (!kept || pages->items[kept - 1] != pages->items[i])
			pages->items[kept++] = pages->items[i];
	}
	pages->length = kept;
}

void support_take(struct tracee *tracee, struct capture *capture, struct support *support)
{
	size_t kept = 0;

	for (size_t i = 0; i < tracee->modules.length; i++)
		want_module(support, tracee, tracee->modules.items[i], capture);
	want(support, tracee->r_debug, sizeof(struct r_debug));
	want(support, memory_auxv(tracee, AT_PHDR), 1);
	for (size_t i = 0; i < capture->maps.length; i++) {
		const struct capture_mapping *mapping = &capture->maps.items[i];

		if (!strcmp(mapping->path, "[vdso]"))
			want(support, mapping->start, mapping->end - mapping->start);
	}
	sort_unique(&support->pages);
	support->contents = capture_arena(capture, (support->pages.length + 1) * CHOP_PAGE_SIZE);
	for (size_t i = 0; support->contents && i < support->pages.length; i++) {
		uint64_t page = support->pages.items[i];
		uint8_t *content = support->contents + kept * CHOP_PAGE_SIZE;

		if (memory_read_code(tracee, page, content, CHOP_PAGE_SIZE) == CHOP_PAGE_SIZE)
			support->pages.items[kept++] = page;
	}
	support->pages.length = support->contents ? kept : 0;
}

void support_add(struct support *support, struct capture *capture)
{
	size_t touched = capture->pages.length;

	capture_sort(capture);
	for (size_t i = 0; i < support->pages.length; i++) {
		uint64_t page = support->pages.items[i];
		const struct capture_mapping *mapping = capture_mapping_at(capture, page);
		struct capture_page_vec sorted = capture->pages;

		sorted.length = touched;
		if (bsearch(&(struct capture_page){ .address = page }, sorted.items, touched,
			    sizeof(*sorted.items), u64_order))
			continue;
		*vec_push(&capture->pages) = (struct capture_page){
			.address = page,
			.flags = PAGE_SUPPORT | (mapping ? mapping->flags : PAGE_READ),
			.before = support->contents + i * CHOP_PAGE_SIZE,
		};
	}
	capture_sort(capture);
	vec_release(&support->pages);
}

/* -- vdso --------------------------------------------------------------------------------- */

static void add_patch(struct vdso *vdso, const struct tracee *tracee, uint64_t address,
		      const char *name)
{
	struct vdso_patch patch = { .address = address };

	patch.size = arch_vdso_call(name, patch.code);
	if (!patch.size || memory_read(tracee, address, patch.original, patch.size))
		return;
	*vec_push(&vdso->patches) = patch;
}

static void find_functions(struct vdso *vdso, const struct tracee *tracee, const uint8_t *bytes)
{
	struct image image = { 0 };
	uint64_t bias;

	if (image_open_memory(bytes, vdso->end - vdso->start, "[vdso]", &image)) {
		err_clear();
		return;
	}
	bias = vdso->start - (image.segments.length ? image.segments.items[0].address : 0);
	for (size_t i = 0; i < image.symbols.length; i++) {
		const struct symbol *symbol = &image.symbols.items[i];

		if (symbol->kind == SYMBOL_FUNCTION)
			add_patch(vdso, tracee, bias + symbol->address, symbol->name);
	}
	image_close(&image);
}

void vdso_init(struct vdso *vdso, const struct tracee *tracee)
{
	struct capture_mapping_vec maps = { 0 };
	cleanup_free uint8_t *bytes = NULL;

	vdso_release(vdso);
	if (mappings_read(tracee, &maps))
		return;
	for (size_t i = 0; i < maps.length; i++) {
		if (strcmp(maps.items[i].path, "[vdso]"))
			continue;
		vdso->start = maps.items[i].start;
		vdso->end = maps.items[i].end;
	}
	mappings_release(&maps);
	if (!vdso->start)
		return;
	bytes = xmalloc(vdso->end - vdso->start);
	if (!memory_read(tracee, vdso->start, bytes, vdso->end - vdso->start))
		find_functions(vdso, tracee, bytes);
}

void vdso_patch(const struct vdso *vdso, const struct tracee *tracee)
{
	for (size_t i = 0; i < vdso->patches.length; i++) {
		const struct vdso_patch *patch = &vdso->patches.items[i];

		memory_write(tracee, patch->address, patch->code, patch->size);
	}
}

void vdso_take(const struct vdso *vdso, const struct tracee *tracee, struct capture *capture)
{
	uint8_t *content = capture_arena(capture, vdso->end - vdso->start);

	if (!content || memory_read(tracee, vdso->start, content, vdso->end - vdso->start))
		return;
	for (uint64_t page = vdso->start; page < vdso->end; page += CHOP_PAGE_SIZE)
		*vec_push(&capture->pages) = (struct capture_page){
			.address = page,
			.flags = PAGE_READ | PAGE_EXECUTE | PAGE_ALWAYS,
			.before = content + (page - vdso->start),
		};
}

void vdso_restore(const struct vdso *vdso, const struct tracee *tracee)
{
	for (size_t i = 0; i < vdso->patches.length; i++) {
		const struct vdso_patch *patch = &vdso->patches.items[i];

		memory_write(tracee, patch->address, patch->original, patch->size);
	}
}

static bool in_patch(const struct vdso *vdso, uint64_t pc)
{
	for (size_t i = 0; i < vdso->patches.length; i++) {
		const struct vdso_patch *patch = &vdso->patches.items[i];

		if (pc > patch->address && pc < patch->address + patch->size)
			return true;
	}
	return false;
}

static bool is_inside(const struct vdso *vdso, const struct thread *thread)
{
	struct chop_regs regs;

	return !thread_get_regs(thread, &regs) && in_patch(vdso, arch_pc(&regs));
}

/* One step, or the stop that came instead, which is for others. False when it is no step. */
static bool step(struct tracee *tracee, struct thread *thread, int *status)
{
	do {
		if (thread_resume(thread, RUN_STEP, 0) || !wait_for(tracee, thread, status)) {
			*status = 0;
			return false;
		}
		/* Asked to stop before, it had no occasion yet. */
	} while (*status >> 16 == PTRACE_EVENT_STOP && !thread->group_stopped);
	/* Behind a system call it is TRAP_BRKPT. */
	return *status >> 16 == 0 && WSTOPSIG(*status) == SIGTRAP &&
	       (thread->info.si_code == TRAP_TRACE || thread->info.si_code == TRAP_BRKPT);
}

static void step_out(const struct vdso *vdso, struct tracee *tracee, struct thread *thread)
{
	int status;

	for (int i = 0; i < ARCH_VDSO_CODE_MAX && is_inside(vdso, thread); i++) {
		if (step(tracee, thread, &status))
			continue;
		if (status)
			wait_queue(tracee, thread->tid, status);
		return;
	}
}

/* It has stopped because somebody sent it a signal, and nobody has looked at that yet. */
static bool has_signal(const struct tracee *tracee, const struct thread *thread)
{
	for (size_t i = 0; i < tracee->queue.length; i++) {
		const struct queued_stop *stop = &tracee->queue.items[i];
		int number = WSTOPSIG(stop->status);

		if (stop->tid == thread->tid)
			return !stop->breakpoint && WIFSTOPPED(stop->status) &&
			       stop->status >> 16 == 0 && number <= 64 &&
			       SIGNALS_ASYNCHRONOUS & SIGNAL_BIT(number);
	}
	return false;
}

/*
 * A handler would return into the middle of what has changed. The signal is put aside: it is
 * delivered behind the function's first instructions, where it might as well have come.
 */
static void step_out_before_signal(const struct vdso *vdso, struct tracee *tracee,
				   struct thread *thread)
{
	const siginfo_t info = thread->info;
	bool stop_again = false;
	struct chop_regs regs;
	uint64_t mask;
	int status;

	if (!has_signal(tracee, thread) || thread_get_regs(thread, &regs) ||
	    thread_get_mask(thread, &mask) || thread_set_mask(thread, mask | SIGNALS_ASYNCHRONOUS))
		return;
	for (int i = 0; i < ARCH_VDSO_CODE_MAX && is_inside(vdso, thread); i++) {
		if (step(tracee, thread, &status))
			continue;
		if (!status)
			return;
		stop_again |= WSTOPSIG(status) == SIGSTOP;
		if (WSTOPSIG(status) == SIGSTOP)
			continue;
		/* An instruction of its own failed; it will again, after the signal. */
		thread_set_regs(thread, &regs);
		break;
	}
	thread_set_mask(thread, mask);
	thread->info = info;
	thread->info_stale = true;
	if (stop_again)
		syscall(SYS_tgkill, tracee->pid, thread->tid, SIGSTOP);
}

void vdso_step_out(const struct vdso *vdso, struct tracee *tracee)
{
	for (size_t i = 0; i < tracee->threads.length; i++) {
		struct thread *thread = tracee->threads.items[i];

		if (!thread->stopped || thread->exiting || thread->group_stopped ||
		    !is_inside(vdso, thread))
			continue;
		if (thread->queued)
			step_out_before_signal(vdso, tracee, thread);
		else
			step_out(vdso, tracee, thread);
	}
}

void vdso_release(struct vdso *vdso)
{
	vec_release(&vdso->patches);
	*vdso = (struct vdso){ 0 };
}
