// SPDX-License-Identifier: Apache-2.0
#include "capture/region.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "capture/owed.h"
#include "capture/pin.h"
#include "capture/recorder.h"
#include "tracee/breakpoint.h"
#include "tracee/inject.h"
#include "tracee/interrupt.h"
#include "tracee/memory.h"
#include "tracee/modules.h"
#include "tracee/threads.h"

/* Other threads are held until the owner has waited for them this long. */
#define WAIT_BEFORE_RELEASE_US 3000

/* One way through the region. */
struct passage {
	struct region *region;
	struct tracee *tracee;
	struct thread *owner;
	struct capture *capture;
	struct support support;
	struct pin pin;
	struct recorder recorder;
	uint64_t begin;	    /* where the owner stood */
	uint64_t mask;	    /* the owner's own */
	uint64_t floor;	    /* sp beyond which the activation is over */
	uint64_t started;   /* ns */
	int signal;	    /* to deliver when the program goes on */
	struct u64vec owed; /* pages the kernel needs if the program is killed */
	bool armed;
	bool called_vdso;
	bool again;    /* the next call is the cancelled one */
	bool released; /* other threads ran in between */
};

int region_open(struct region *region, struct tracee *tracee, struct thread *thread,
		const struct backend_ops *ops)
{
	region->tracee = tracee;
	vdso_init(&region->vdso, tracee);
	return ops->open(tracee, thread, &region->backend);
}

void region_close(struct region *region)
{
	if (region->backend)
		region->backend->ops->close(region->backend);
	region->backend = NULL;
	vdso_release(&region->vdso);
	vec_release(&region->ends);
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
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
	return error;
}

/* -ESRCH comes without a message: the thread is gone. */
static int check_alive(int error)
{
	return error == -ESRCH ? err_set(CHOP_DIFFERS, ESRCH, "the program ended") : error;
}

static int read_entry(struct passage *run)
{
	struct capture *capture = run->capture;
	const struct tracee *tracee = run->tracee;
	int error = state_read(run->owner, &capture->entry);

	if (error)
		return error;
	run->mask = capture->entry.sigmask;
	run->floor = arch_frame_floor(&capture->entry.regs);
	capture->pid = tracee->pid;
	capture->tid = run->owner->tid;
	capture->begin = arch_pc(&capture->entry.regs);
	capture->end_kind = run->region->end_kind;
	state_rseq(run->owner, capture);
	capture->auxv = xmalloc(tracee->auxv_size);
	memcpy(capture->auxv, tracee->auxv, tracee->auxv_size);
	capture->auxv_size = tracee->auxv_size;
	return mappings_read(tracee, &capture->maps);
}

static int read_ends(struct passage *run)
{
	uint64_t slot = arch_return_slot(&run->capture->entry.regs), address;

	if (run->region->end_kind == END_AT_ADDRESS) {
		for (size_t i = 0; i < run->region->ends.length; i++)
			*vec_push(&run->capture->ends) = run->region->ends.items[i];
		return 0;
	}
	if (memory_read(run->tracee, slot, &address, sizeof(address)))
		return err_set(CHOP_DIFFERS, EFAULT, "cannot read the return address");
	*vec_push(&run->capture->ends) = address;
	return 0;
}

/* The end's page is part of a capture: a replay stops there. */
static int set_ends(struct passage *run)
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
		return check_alive(error);
	support_take(run->tracee, run->capture, &run->support);
	owed_find(run->tracee, &run->owed);
	vdso_patch(&run->region->vdso, run->tracee);
	backend->ops->pin(backend, run->pin.cpu);
	error = backend->ops->begin(backend, run->owner, run->capture);
	if (error)
		return check_alive(error);
	run->armed = true;
	run->tracee->exiting = on_exiting;
	run->tracee->exiting_context = run;
	for (size_t i = 0; i < run->owed.length; i++)
		backend->ops->make_present(backend, run->owed.items[i]);
	recorder_begin(&run->recorder, run->tracee, backend, run->owner, &run->mask, run->capture);
	if (run->capture->rseq_address)
		backend->ops->make_present(backend, run->capture->rseq_address);
	return set_ends(run);
}

/* -- while it runs ------------------------------------------------------------------------- */

static bool at_end(const struct passage *run, uint64_t address)
{
	struct chop_regs regs;

	if (!(breakpoint_purposes(run->tracee, address) & BREAK_END))
		return false;
	if (run->region->end_kind == END_AT_ADDRESS)
		return true;
	return !thread_get_regs(run->owner, &regs) && arch_sp(&regs) > run->floor;
}

static int gone(const struct passage *run)
{
	return err_set(CHOP_DIFFERS, ESRCH, "the program was killed inside invocation %" PRIu64,
		       run->capture->invocation);
}

static int resume(struct passage *run)
{
	return thread_resume(run->owner, RUN_CALLS, 0) ? gone(run) : 0;
}

/* Undo the call, so that the thread makes it again once its memory is home. */
static int rewind_call(struct passage *run, const struct chop_regs *entry)
{
	struct chop_regs regs = *entry;
	struct event event;

	arch_cancel_call(&regs);
	if (thread_set_regs(run->owner, &regs) || thread_resume(run->owner, RUN_CALLS, 0))
		return -ESRCH;
	do {
		tracee_next_of(run->tracee, run->owner, &event);
		if (event.kind == EVENT_INTERRUPT) {
			run->region->interrupted = interrupt_signal();
			interrupt_done();
		}
	} while (event.kind == EVENT_INTERRUPT);
	if (event.kind != EVENT_CALL_EXIT)
		return -ESRCH;
	regs = *entry;
	arch_rewind_call(&regs);
	return thread_set_regs(run->owner, &regs);
}

/*
 * At the entry of a call. When the region ends in it or cannot be recorded because of it,
 * the thread is left as if it had not made it yet, and *ended is set for an end.
 */
static int on_call_entry(struct passage *run, bool *ended)
{
	struct arch_call call;
	struct chop_regs regs;
	int error;

	if (thread_get_regs(run->owner, &regs))
		return gone(run);
	if (run->again) {
		run->again = false;
		return resume(run);
	}
	arch_get_call(&regs, &call);
	/* The program must not see, or lose, the CPU we keep it on. */
	if (call.number == SYS_sched_getaffinity || call.number == SYS_sched_setaffinity)
		pin_end(&run->pin);
	error = recorder_enter(&run->recorder, &regs);
	run->called_vdso |= run->recorder.ip >= run->region->vdso.start &&
			    run->recorder.ip < run->region->vdso.end;
	if (!error && !run->recorder.ended && !run->recorder.change_count)
		return resume(run);
	if (rewind_call(run, &regs))
		return gone(run);
	if (!error && !run->recorder.ended) {
		run->again = true;
		error = check_alive(recorder_release(&run->recorder));
		return error ? error : resume(run);
	}
	*ended = !error;
	run->capture->reached_end = run->recorder.ip;
	return error;
}

static int on_call_exit(struct passage *run)
{
	struct chop_regs regs;
	int error;

	if (thread_get_regs(run->owner, &regs))
		return gone(run);
	error = recorder_exit(&run->recorder, &regs);
	return error ? error : resume(run);
}

static int refuse_signal(struct passage *run)
{
	cleanup_free char *place = NULL;
	struct chop_regs regs;

	if (thread_get_regs(run->owner, &regs))
		return check_alive(-ESRCH);
	place = module_describe(run->tracee, arch_pc(&regs));
	return err_set(CHOP_DIFFERS, EINTR, "invocation %" PRIu64 " got SIG%s at %s",
		       run->capture->invocation, sigabbrev_np(run->owner->info.si_signo), place);
}

/* A deeper activation returned to the same place. */
static int pass_end(struct passage *run)
{
	int error = breakpoint_step_over(run->tracee, run->owner);

	if (error == -EINTR)
		return refuse_signal(run);
	if (error || thread_resume(run->owner, RUN_CALLS, 0))
		return gone(run);
	return 0;
}

static int interrupted(struct passage *run)
{
	return err_set(CHOP_DIFFERS, EINTR, "interrupted inside invocation %" PRIu64,
		       run->capture->invocation);
}

/* Whether the owner stops by itself within a moment: most calls do. */
static bool stops_soon(const struct passage *run)
{
	const struct timespec pause = { .tv_nsec = 100000 };

	for (int i = 0; i < WAIT_BEFORE_RELEASE_US / 100; i++) {
		siginfo_t info = { 0 };

		if (waitid(P_PID, (id_t)run->owner->tid, &info,
			   WEXITED | WSTOPPED | WNOHANG | WNOWAIT | __WALL) ||
		    info.si_pid)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* Another thread, while the owner waits for it. */
static void serve_other(struct passage *run, const struct event *event)
{
	struct thread *thread = event->thread;

	if (event->kind == EVENT_SIGNAL)
		thread_forward(thread, RUN_FREE);
	else if (event->kind != EVENT_BREAKPOINT || !breakpoint_step_over(run->tracee, thread))
		thread_resume(thread, RUN_FREE, 0);
}

/*
 * The owner waits for something that may come from another thread: let them run until it
 * goes on. What they change until then counts as written by the owner's call.
 */
static int let_others_run(struct passage *run, struct event *event)
{
	int error = recorder_wait(&run->recorder);

	if (error)
		return error;
	if (!run->released)
		capture_warn(run->capture, "other threads ran while the region waited for them");
	run->released = true;
	threads_resume(run->tracee, run->owner);
	for (;;) {
		tracee_next(run->tracee, event);
		if (!event->thread || event->thread == run->owner)
			break;
		serve_other(run, event);
	}
	threads_stop(run->tracee, run->owner);
	return 0;
}

static int next_event(struct passage *run, struct event *event)
{
	/* A thread that the region started may not have reported yet. */
	bool others = thread_count(run->tracee) > 1 || run->recorder.started_thread;

	if (run->recorder.open && others && !stops_soon(run))
		return let_others_run(run, event);
	tracee_next_of(run->tracee, run->owner, event);
	return 0;
}

static int on_event(struct passage *run, const struct event *event, bool *ended)
{
	switch (event->kind) {
	case EVENT_BREAKPOINT:
		run->capture->reached_end = event->address;
		*ended = at_end(run, event->address);
		return *ended ? 0 : pass_end(run);
	case EVENT_CALL_ENTRY:
		return on_call_entry(run, ended);
	case EVENT_CALL_EXIT:
		return on_call_exit(run);
	case EVENT_SIGNAL:
		run->signal = run->owner->info.si_signo;
		return refuse_signal(run);
	case EVENT_STOPPED:
		return interrupted(run);
	case EVENT_INTERRUPT:
		run->region->interrupted = interrupt_signal();
		interrupt_done();
		thread_interrupt(run->owner);
		return 0;
	case EVENT_STEPPED:
		return resume(run);
	case EVENT_EXEC:
	case EVENT_EXIT:
		break;
	}
	return gone(run);
}

/* Run until the end is reached: 0. The owner is stopped then, as after any other reason. */
static int run_to_end(struct passage *run)
{
	bool ended = false;
	int error;

	thread_set_mask(run->owner, run->mask | SIGNALS_ASYNCHRONOUS);
	run->started = now();
	error = resume(run);
	while (!error && !ended) {
		struct event event;

		error = next_event(run, &event);
		run->capture->duration_ns = now() - run->started;
		if (!error)
			error = on_event(run, &event, &ended);
	}
	return error;
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

static void finish_pages(struct passage *run)
{
	struct capture *capture = run->capture;

	support_add(&run->support, capture);
	for (size_t i = 0; i < capture->ends.length; i++)
		flag_page(capture, capture->ends.items[i]);
	if (capture->rseq_address)
		flag_page(capture, capture->rseq_address);
}

static int leave(struct passage *run, int error)
{
	struct backend *backend = run->region->backend;
	int end_error = 0;

	run->tracee->exiting = NULL;
	vec_release(&run->owed);
	recorder_finish(&run->recorder);
	if (!error)
		error = read_end(run);
	breakpoints_show(run->tracee, 0);
	if (!error && run->called_vdso)
		vdso_take(&run->region->vdso, run->tracee, run->capture);
	vdso_restore(&run->region->vdso, run->tracee);
	if (run->armed && run->owner->exiting)
		backend->ops->drop(backend);
	else if (run->armed)
		end_error = check_alive(backend->ops->end(backend, run->owner, !error));
	thread_set_mask(run->owner, run->mask);
	breakpoints_clear(run->tracee, BREAK_END);
	breakpoints_show(run->tracee, BREAK_ALL);
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

int region_capture(struct region *region, struct thread *owner, struct capture *capture)
{
	struct passage run = {
		.region = region,
		.tracee = region->tracee,
		.owner = owner,
		.capture = capture,
	};
	struct chop_regs regs = { 0 };
	int error;

	threads_stop(run.tracee, owner);
	if (!thread_get_regs(owner, &regs))
		run.begin = arch_pc(&regs);
	capture->backend = xstrdup(region->backend->ops->name);
	capture->program = xstrdup(run.tracee->program);
	pin_begin(&run.pin, run.tracee, owner);
	thread_get_mask(owner, &run.mask);
	error = enter(&run);
	if (!error)
		error = run_to_end(&run);
	error = leave(&run, error);
	pin_end(&run.pin);
	threads_resume(run.tracee, owner);
	if (error && !owner->queued && !owner->exiting && pass_begin(&run))
		return error;
	if (!owner->queued && !owner->exiting)
		thread_resume(owner, RUN_FREE, run.signal);
	return error;
}
