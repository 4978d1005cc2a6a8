// SPDX-License-Identifier: Apache-2.0
#include "capture/region.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "capture/interpose.h"
#include "capture/owed.h"
#include "capture/passage.h"
#include "tracee/breakpoint.h"
#include "tracee/fault_event.h"
#include "tracee/inject.h"
#include "tracee/memory.h"
#include "tracee/threads.h"
#include "tracee/wait.h"

int region_open(struct region *region, struct tracee *tracee, struct thread *thread,
		const struct backend_ops *ops)
{
	int error;

	region->tracee = tracee;
	vdso_init(&region->vdso, tracee);
	error = ops->open(tracee, thread, &region->backend);
	if (!error)
		guardian_start(&region->guardian, tracee->pid, region->backend->held,
			       region->backend->held_count);
	return error;
}

void region_close(struct region *region)
{
	guardian_end(&region->guardian);
	if (region->backend)
		region->backend->ops->close(region->backend);
	region->backend = NULL;
	vdso_release(&region->vdso);
	vec_release(&region->ends);
	unwind_release(&region->unwind);
}

/* -- before ------------------------------------------------------------------------------- */

static bool same_as_file(const struct tracee *tracee, const struct capture_mapping *mapping,
			 uint64_t page)
{
	uint8_t memory[CHOP_PAGE_SIZE], file[CHOP_PAGE_SIZE] = { 0 };
	cleanup_close int fd = open(mapping->path, O_RDONLY | O_CLOEXEC);
	struct stat status;

	return fd >= 0 && !fstat(fd, &status) && status.st_ino == mapping->inode &&
	       !memory_read(tracee, page, memory, sizeof(memory)) &&
	       pread(fd, file, sizeof(file), (off_t)(mapping->offset + (page - mapping->start))) >=
		       0 &&
	       !memcmp(memory, file, sizeof(file));
}

/*
 * Pages that are private copies only because breakpoints of ours were in them: dropped,
 * they are the file's own again, and the whole mapping is clean.
 */
static void drop_copies(struct passage *run, struct entry_vec *calls)
{
	struct tracee *tracee = run->tracee;
	uint64_t last = 0;

	for (size_t i = 0; i < tracee->breakpoints.length; i++) {
		uint64_t page = tracee->breakpoints.items[i]->address & -(uint64_t)CHOP_PAGE_SIZE;
		const struct capture_mapping *mapping = capture_mapping_at(run->capture, page);

		if (page == last || !mapping || mapping->path[0] != '/' ||
		    mapping->flags & (PAGE_SHARED | PAGE_WRITE) ||
		    !same_as_file(tracee, mapping, page))
			continue;
		*vec_push(calls) = (struct arch_entry){
			.number = SYS_madvise,
			.args = { page, CHOP_PAGE_SIZE, MADV_DONTNEED },
		};
		last = page;
	}
}

static int prepare_memory(struct passage *run)
{
	struct entry_vec calls = { 0 };
	int error;

	*vec_push(&calls) = state_altstack_call(run->tracee);
	drop_copies(run, &calls);
	error = inject_run(run->tracee, run->owner, calls.items, calls.length);
	vec_release(&calls);
	if (!error)
		state_altstack_read(run->tracee, &run->capture->entry);
	run->signals = run->capture->entry;
	return error;
}

static int read_entry(struct passage *run)
{
	struct capture *capture = run->capture;
	const struct tracee *tracee = run->tracee;
	int error = state_read(run->owner, &capture->entry);

	if (error)
		return error;
	/* Stopped in a call: the region begins with making it again, as the kernel will. */
	arch_restart_call(&capture->entry.regs);
	run->mask = capture->entry.sigmask;
	run->floor = run->region->continuing ? run->region->floor
					     : arch_frame_floor(&capture->entry.regs);
	capture->pid = tracee->pid;
	capture->tid = run->owner->tid;
	capture->begin = arch_pc(&capture->entry.regs);
	capture->end_kind = run->region->end_kind;
	/* Where the call returns to is not beyond this frame: the address has to do. */
	if (run->region->continuing && capture->end_kind == END_AT_RETURN)
		capture->end_kind = END_AT_ADDRESS;
	state_rseq(run->owner, capture);
	capture->auxv = xmalloc(tracee->auxv_size);
	memcpy(capture->auxv, tracee->auxv, tracee->auxv_size);
	capture->auxv_size = tracee->auxv_size;
	return mappings_read(tracee, &capture->maps);
}

static int read_ends(struct passage *run)
{
	uint64_t slot = arch_return_slot(&run->capture->entry.regs), address;

	if (run->region->end_kind != END_AT_RETURN) {
		for (size_t i = 0; i < run->region->ends.length; i++)
			*vec_push(&run->capture->ends) = run->region->ends.items[i];
		return 0;
	}
	if (run->region->continuing)
		address = run->region->return_to;
	else if (memory_read(run->tracee, slot, &address, sizeof(address)))
		return err_set(CHOP_DIFFERS, EFAULT, "cannot read the return address");
	*vec_push(&run->capture->ends) = address;
	return 0;
}

/* Have the program stop at the begins as well: what happens inside is counted, too. */
static void watch_begins(struct passage *run)
{
	struct tracee *tracee = run->tracee;

	for (size_t i = 0; i < tracee->breakpoints.length; i++) {
		const struct breakpoint *breakpoint = tracee->breakpoints.items[i];

		if (!(breakpoint->purpose & BREAK_BEGIN))
			continue;
		run->region->backend->ops->make_present(run->region->backend, breakpoint->address);
		breakpoint_set(tracee, breakpoint->address, BREAK_BEGIN);
	}
}

/* Places by which the activation may be left. */
static void watch_places(struct passage *run, const struct u64vec *places)
{
	for (size_t i = 0; i < places->length; i++) {
		run->region->backend->ops->make_present(run->region->backend, places->items[i]);
		breakpoint_set(run->tracee, places->items[i], BREAK_UNWIND);
	}
}

/* The end's page is part of a capture: a replay stops there. */
int passage_set_ends(struct passage *run)
{
	for (size_t i = 0; i < run->capture->ends.length; i++) {
		uint64_t address = run->capture->ends.items[i];
		int error = run->region->backend->ops->make_present(run->region->backend, address);

		if (!error)
			error = breakpoint_set(run->tracee, address, BREAK_END);
		if (error)
			return err_sys(CHOP_DIFFERS, -error,
				       "cannot set a breakpoint at the end 0x%" PRIx64, address);
	}
	return 0;
}

static void on_exiting(void *context, struct thread *thread)
{
	const struct passage *run = context;

	owed_by(run->tracee, run->region->backend, thread);
}

static int enter(struct passage *run)
{
	struct backend *backend = run->region->backend;
	int error = inject_check(run->owner);

	if (!error)
		error = read_entry(run);
	if (!error)
		error = read_ends(run);
	if (error)
		return error;
	breakpoints_show(run->tracee, 0);
	error = prepare_memory(run);
	if (error)
		return passage_alive(error);
	support_take(run->tracee, run->capture, &run->support);
	owed_find(run->tracee, &run->owed);
	vdso_step_out(&run->region->vdso, run->tracee);
	vdso_patch(&run->region->vdso, run->tracee);
	backend->ops->pin(backend, run->pin.cpu);
	run->tracee->exiting_context = run;
	run->tracee->exiting = on_exiting;
	error = backend->ops->begin(backend, run->owner, run->capture);
	if (error)
		return passage_alive(error);
	run->armed = run->tracee->guarded = true;
	for (size_t i = 0; i < run->owed.length; i++)
		backend->ops->make_present(backend, run->owed.items[i]);
	recorder_begin(&run->recorder, run->tracee, backend, run->owner, run->capture);
	run->recorder.splits = run->region->split;
	if (run->capture->rseq_address)
		backend->ops->make_present(backend, run->capture->rseq_address);
	if (run->region->watch_begins)
		watch_begins(run);
	if (run->region->end_kind == END_AT_RETURN) {
		watch_places(run, &run->region->unwind.jumps);
		watch_places(run, &run->region->unwind.landings);
	}
	error = run->region->active_ns ? 0 : passage_set_ends(run);
	if (!error)
		error = passage_ready(run, run->owner);
	if (!error)
		passage_emulated_begin(run);
	return error ? error : passage_trap_begin(run);
}

/* -- after --------------------------------------------------------------------------------- */

static int read_end(struct passage *run)
{
	struct thread_state *end = &run->capture->end;
	int error = state_read(run->owner, end);

	end->sigmask = run->mask;
	end->altstack_address = run->capture->entry.altstack_address;
	end->altstack_size = run->capture->entry.altstack_size;
	end->altstack_flags = run->capture->entry.altstack_flags;
	return error;
}

static void flag_page(struct capture *capture, uint64_t address)
{
	uint64_t page = address & -(uint64_t)CHOP_PAGE_SIZE;
	struct capture_page *found = (struct capture_page *)capture_find(capture, page);

	/* The page of the first instruction is touched for certain. */
	if (found && page != (capture->begin & -(uint64_t)CHOP_PAGE_SIZE))
		found->flags |= PAGE_ALWAYS;
}

static void flag_pages(struct capture *capture, const struct u64vec *addresses)
{
	for (size_t i = 0; i < addresses->length; i++)
		flag_page(capture, addresses->items[i]);
}

static bool in_vdso(const struct passage *run, uint64_t address)
{
	return address >= run->region->vdso.start && address < run->region->vdso.end;
}

/* The dynamic linker looks into the vdso, as it does into every library. */
static bool linker_ran(const struct passage *run)
{
	const struct capture *capture = run->capture;
	const struct capture_mapping *linker =
		capture_mapping_at(capture, run->tracee->loader_break);

	for (size_t i = 0; linker && i < capture->pages.length; i++) {
		const struct capture_page *page = &capture->pages.items[i];

		if (page->address >= linker->start && page->address < linker->end &&
		    !(page->flags & PAGE_SUPPORT))
			return true;
	}
	return false;
}

/* It was taken before it was known whether it is needed. */
static void drop_vdso(struct passage *run)
{
	struct capture *capture = run->capture;
	size_t kept = 0;

	if (run->called_vdso || linker_ran(run))
		return;
	for (size_t i = 0; i < capture->pages.length; i++) {
		if (!in_vdso(run, capture->pages.items[i].address))
			capture->pages.items[kept++] = capture->pages.items[i];
	}
	capture->pages.length = kept;
}

static void finish_pages(struct passage *run)
{
	struct capture *capture = run->capture;

	drop_vdso(run);
	support_add(&run->support, capture);
	flag_pages(capture, &capture->ends);
	if (capture->end_kind == END_AT_RETURN) {
		flag_pages(capture, &run->region->unwind.jumps);
		flag_pages(capture, &run->region->unwind.landings);
	}
	for (size_t i = 0; run->region->watch_begins && i < run->tracee->breakpoints.length; i++) {
		if (run->tracee->breakpoints.items[i]->purpose & BREAK_BEGIN)
			flag_page(capture, run->tracee->breakpoints.items[i]->address);
	}
	if (capture->rseq_address)
		flag_page(capture, capture->rseq_address);
}

static int leave(struct passage *run, int error)
{
	struct backend *backend = run->region->backend;
	int end_error = 0;

	if (run->armed && !run->owner->exiting)
		passage_trap_end(run);
	run->tracee->cpuid_recorded = NULL;
	fault_event_end(run->tracee);
	vec_release(&run->owed);
	if (!error)
		error = recorder_memory(&run->recorder);
	recorder_finish(&run->recorder);
	if (!error)
		error = read_end(run);
	breakpoints_show(run->tracee, 0);
	if (run->armed && run->owner->exiting)
		backend->ops->drop(backend);
	else if (run->armed)
		end_error = passage_alive(backend->ops->end(backend, run->owner, !error));
	/* Until then the back end adds pages whenever somebody reads the program's memory. */
	if (!error && !end_error)
		vdso_take(&run->region->vdso, run->tracee, run->capture);
	/* The owner, too, may stand in one of the functions. */
	vdso_step_out(&run->region->vdso, run->tracee);
	vdso_restore(&run->region->vdso, run->tracee);
	run->tracee->guarded = false;
	run->tracee->exiting = NULL;
	thread_set_mask(run->owner, run->mask);
	breakpoints_clear(run->tracee, BREAK_END | BREAK_UNWIND);
	breakpoints_show(run->tracee, BREAK_ALL);
	own_maps_end(&run->own_maps, &run->recorder, !run->owner->exiting && !run->owner->queued);
	if (run->region->left && !run->owner->exiting && !run->owner->queued)
		run->region->left(run->region->context, run->owner);
	if (!error && !end_error)
		finish_pages(run);
	vec_release(&run->support.pages);
	return error ? error : end_error;
}

/*
 * Not captured, and still at its begin: that must not count as one more invocation. With
 * a signal to deliver first, the thread comes back to it from the handler.
 */
static int pass_begin(struct passage *run)
{
	struct chop_regs regs;

	if (thread_get_regs(run->owner, &regs))
		return -ESRCH;
	if (arch_pc(&regs) != run->begin)
		return 0;
	if (!run->signal)
		return breakpoint_step_over(run->tracee, run->owner);
	run->owner->again = true;
	run->owner->again_pc = run->begin;
	run->owner->again_sp = arch_sp(&regs);
	return 0;
}

/* The program runs again. */
static int complete(const struct region *region, struct capture *capture, int error)
{
	struct backend *backend = region->backend;
	int own = backend->ops->complete ? backend->ops->complete(backend, capture) : 0;

	return error ? error : own;
}

int region_capture(struct region *region, struct thread *owner, struct capture *capture)
{
	struct passage run = {
		.region = region,
		.tracee = region->tracee,
		.owner = owner,
		.capture = capture,
	};
	struct chop_regs regs = { 0 };
	int error = region->interpose ? interpose_begin(run.tracee, owner) : 0;

	threads_stop(run.tracee, owner);
	wait_born(run.tracee);
	threads_await_ends(run.tracee);
	tracee_release_newborn(run.tracee); /* the region may wait for one of them */
	if (!thread_get_regs(owner, &regs))
		run.begin = arch_pc(&regs);
	capture->backend = xstrdup(region->backend->ops->name);
	capture->program = xstrdup(run.tracee->program);
	pin_begin(&run.pin, run.tracee, owner);
	thread_get_mask(owner, &run.mask);
	if (!error)
		error = enter(&run);
	if (!error)
		error = passage_run(&run);
	error = leave(&run, error);
	pin_end(&run.pin);
	threads_resume(run.tracee, owner);
	if (region->interpose)
		interpose_end(run.tracee, owner, run.begin);
	region->more = false;
	if (!error)
		fragment_note(&run);
	if (region->more) {
		error = complete(region, capture, 0);
		fragment_pass_call(&run);
		return error;
	}
	if (error && !owner->queued && !owner->exiting && pass_begin(&run))
		return complete(region, capture, error);
	if (!owner->queued && !owner->exiting)
		thread_resume(owner, RUN_FREE, run.signal);
	return complete(region, capture, error);
}
