// SPDX-License-Identifier: Apache-2.0
#include "tracee/inject.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "tracee/fault_event.h"
#include "tracee/hide.h"
#include "tracee/inner_id.h"
#include "tracee/memory.h"
#include "tracee/threads.h"
#include "tracee/wait.h"

/* What a thread was doing before it made calls for us. */
struct errand {
	struct chop_regs regs;
	uint64_t mask;
	siginfo_t info;
	bool group_stopped;
	bool calls;
	bool stop_again; /* a job-control stop came meanwhile */
	bool send_stop;	 /* a SIGSTOP came meanwhile */
};

static void set_filter(const struct thread *thread, bool suspended)
{
	if (thread->filtered)
		ptrace(PTRACE_SETOPTIONS, thread->tid, 0,
		       TRACE_OPTIONS | (suspended ? PTRACE_O_SUSPEND_SECCOMP : 0));
}

int inject_check(struct thread *thread)
{
	cleanup_free char *path = xasprintf("/proc/%d/status", thread->tid);
	cleanup_buf struct buf text = { 0 };
	const char *mode;

	if (io_read_file(path, &text))
		return err_set(CHOP_DIFFERS, ESRCH, "the program ended");
	mode = strstr(buf_text(&text), "\nSeccomp:");
	if (!mode || !strtoul(mode + strlen("\nSeccomp:"), NULL, 10))
		return 0;
	thread->filtered = true;
	if (!ptrace(PTRACE_SETOPTIONS, thread->tid, 0, TRACE_OPTIONS | PTRACE_O_SUSPEND_SECCOMP)) {
		set_filter(thread, false);
		return 0;
	}
	return err_set(CHOP_MISSING, EPERM,
		       "the program has seccomp filters, and suspending them while we make calls "
		       "in it takes CAP_SYS_ADMIN: run as root");
}

static void tell_errand(const struct tracee *tracee, pid_t tid)
{
	if (tracee->errand)
		tracee->errand(tracee->errand_context, tid);
}

static int errand_begin(const struct tracee *tracee, struct thread *thread, struct errand *errand)
{
	*errand = (struct errand){ .info = thread->info,
				   .stop_again = thread->group_stopped,
				   .calls = thread->calls };
	if (thread_get_regs(thread, &errand->regs) || thread_get_mask(thread, &errand->mask) ||
	    thread_set_mask(thread, errand->mask | SIGNALS_ASYNCHRONOUS))
		return -ESRCH;
	thread->group_stopped = false;
	thread->calls = false;
	tell_errand(tracee, thread->tid);
	fault_event_pause(tracee, true);
	set_filter(thread, true);
	return 0;
}

static int errand_end(const struct tracee *tracee, struct thread *thread, struct errand *errand)
{
	int error = 0;

	tell_errand(tracee, 0);
	fault_event_pause(tracee, false);
	thread->calls = errand->calls;
	set_filter(thread, false);
	if (thread_set_regs(thread, &errand->regs) || thread_set_mask(thread, errand->mask))
		error = -ESRCH;
	thread->info = errand->info;
	thread->info_stale = true;
	if (errand->stop_again)
		ptrace(PTRACE_INTERRUPT, thread->tid, 0, 0);
	if (errand->send_stop)
		syscall(SYS_tgkill, tracee->pid, thread->tid, SIGSTOP);
	return error;
}

/* A SIGSTOP that is not ours: it comes again afterwards. */
static bool put_off(struct thread *thread, struct errand *errand, int status)
{
	if (WSTOPSIG(status) != SIGSTOP)
		return false;
	thread->point_owed |= thread_at_point(thread);
	errand->send_stop = true;
	return true;
}

/* Wait for the SIGSTOP at the end of the table. 0, -ESRCH, or -EINTR for another signal. */
static int await_table(struct tracee *tracee, struct thread *thread, struct errand *errand,
		       uint64_t end_entry)
{
	for (;;) {
		struct chop_regs regs;
		int status;

		if (thread_resume(thread, RUN_FREE, 0) || !wait_for(tracee, thread, &status) ||
		    thread_get_regs(thread, &regs))
			return -ESRCH;
		if (status >> 16) {
			errand->stop_again |= thread->group_stopped;
			thread->group_stopped = false;
			if (thread->exiting)
				return -ESRCH;
			continue;
		}
		/* A function's, such as an IFUNC resolver. */
		if (WSTOPSIG(status) == SIGSEGV && hide_answered(tracee, thread))
			continue;
		if (WSTOPSIG(status) == SIGSTOP &&
		    arch_table_ended(&regs, tracee->runner, end_entry))
			return 0;
		if (!put_off(thread, errand, status))
			return -EINTR;
	}
}

/* In a namespace of processes of its own (a container) a thread has other numbers than for us. */
static void find_inner_ids(struct tracee *tracee, struct thread *thread)
{
	if (thread->inner_tid || inner_ids(thread->tid, &thread->inner_pid, &thread->inner_tid))
		return;
	thread->inner_pid = thread->foreign ? thread->tid : tracee->pid;
	thread->inner_tid = thread->tid;
}

static int store_table(struct tracee *tracee, struct thread *thread, struct arch_entry *entries,
		       size_t count)
{
	struct arch_entry end = { .number = ARCH_ENTRY_END };
	size_t size = count * sizeof(*entries);
	int error;

	for (size_t i = 0; i < count; i++)
		entries[i].result = INJECT_NOT_RUN;
	find_inner_ids(tracee, thread);
	end.args[0] = (uint64_t)thread->inner_pid;
	end.args[1] = (uint64_t)thread->inner_tid;
	error = memory_write(tracee, tracee->table, entries, size);
	return error ? error : memory_write(tracee, tracee->table + size, &end, sizeof(end));
}

static int run_table(struct tracee *tracee, struct thread *thread, const struct chop_regs *start,
		     struct errand *errand, struct arch_entry *entries, size_t count)
{
	size_t size = count * sizeof(*entries);
	int error = -ESRCH;

	if (!thread_set_regs(thread, start))
		error = await_table(tracee, thread, errand, tracee->table + size);
	if (error == -EINTR)
		log_error("internal: signal %d at %p while making calls in the program",
			  thread->info.si_signo, thread->info.si_addr);
	if (errand_end(tracee, thread, errand))
		return -ESRCH;
	if (error)
		return error;
	return memory_read(tracee, tracee->table, entries, size);
}

/* How many of the entries go at once: those skipped together stay together. */
static size_t batch(const struct arch_entry *entries, size_t count)
{
	size_t size = 0;

	while (size < count && size + 1 + entries[size].skip < INJECT_ENTRIES)
		size += 1 + entries[size].skip;
	return size < count ? size : count;
}

static int run_batch(struct tracee *tracee, struct thread *thread, struct arch_entry *entries,
		     size_t count)
{
	struct errand errand;
	struct chop_regs regs;
	int error = store_table(tracee, thread, entries, count);

	if (!error)
		error = errand_begin(tracee, thread, &errand);
	if (error)
		return error;
	regs = errand.regs;
	arch_run_table(&regs, tracee->runner, tracee->table);
	return run_table(tracee, thread, &regs, &errand, entries, count);
}

int inject_run(struct tracee *tracee, struct thread *thread, struct arch_entry *entries,
	       size_t count)
{
	for (size_t done = 0; done < count;) {
		size_t size = batch(entries + done, count - done);
		int error = run_batch(tracee, thread, entries + done, size);

		if (error)
			return error;
		done += size;
	}
	return 0;
}

int inject_function(struct tracee *tracee, struct thread *thread, uint64_t function,
		    uint64_t *result)
{
	return inject_function_of(tracee, thread, function, 0, 0, result);
}

int inject_function_of(struct tracee *tracee, struct thread *thread, uint64_t function,
		       uint64_t first, uint64_t second, uint64_t *result)
{
	uint64_t back = tracee->runner + arch_runner_return;
	struct arch_entry slot = { 0 };
	struct errand errand;
	struct chop_regs regs;
	int error;

	error = store_table(tracee, thread, &slot, 1);
	if (!error)
		error = errand_begin(tracee, thread, &errand);
	if (error)
		return error;
	regs = errand.regs;
	arch_set_function(&regs, function, tracee->table);
	arch_set_arguments(&regs, first, second);
	error = memory_write(tracee, arch_sp(&regs), &back, sizeof(back));
	if (error) {
		errand_end(tracee, thread, &errand);
		return error;
	}
	error = run_table(tracee, thread, &regs, &errand, &slot, 1);
	*result = (uint64_t)slot.result;
	return error;
}

/* Run up to the next stop of a system call. */
static int to_call_stop(struct tracee *tracee, struct thread *thread, struct errand *errand)
{
	int status;

	do {
		errand->stop_again |= thread->group_stopped;
		thread->group_stopped = false;
		if (thread_resume(thread, RUN_CALLS, 0) || !wait_for(tracee, thread, &status))
			return -ESRCH;
		if (thread->exiting)
			return -ESRCH;
	} while (status >> 16 || put_off(thread, errand, status));
	return WSTOPSIG(status) == (SIGTRAP | 0x80) ? 0 : -EINTR;
}

int inject_call(struct tracee *tracee, struct thread *thread, const struct arch_entry *call,
		int64_t *result)
{
	struct errand errand;
	struct chop_regs regs;
	struct arch_call done;
	int error = errand_begin(tracee, thread, &errand);

	if (error)
		return error;
	regs = errand.regs;
	arch_set_call(&regs, tracee->call_pc, call);
	error = thread_set_regs(thread, &regs);
	for (int stop = 0; stop < 2 && !error; stop++)
		error = to_call_stop(tracee, thread, &errand);
	if (!error)
		error = thread_get_regs(thread, &regs);
	arch_get_call(&regs, &done);
	*result = done.result;
	/* A call's exit is not a signal stop: the kernel will not restart what it stopped. */
	arch_restart_call(&errand.regs);
	if (errand_end(tracee, thread, &errand))
		return -ESRCH;
	return error;
}

static bool find_call(struct tracee *tracee, const struct capture_mapping *mapping)
{
	size_t size = mapping->end - mapping->start;
	cleanup_free uint8_t *code = NULL;
	const uint8_t *found;

	if (!(mapping->flags & PAGE_EXECUTE) || size > 64 << 20 || mapping->start >> 63)
		return false;
	code = xmalloc(size);
	if (memory_read(tracee, mapping->start, code, size))
		return false;
	found = memmem(code, size, arch_call_instruction, arch_call_instruction_size);
	if (found)
		tracee->call_pc = mapping->start + (uint64_t)(found - code);
	return found;
}

/* A system-call instruction of the program: the vdso has one, so has the C library. */
static int find_call_pc(struct tracee *tracee)
{
	struct capture_mapping_vec maps = { 0 };
	int error = mappings_read(tracee, &maps);
	bool found = false;

	if (error)
		return error;
	for (size_t i = 0; i < maps.length && !found; i++)
		found = !strcmp(maps.items[i].path, "[vdso]") && find_call(tracee, &maps.items[i]);
	for (size_t i = 0; i < maps.length && !found; i++)
		found = find_call(tracee, &maps.items[i]);
	mappings_release(&maps);
	if (!found)
		return err_set(CHOP_MISSING, ENOSYS, "%s has no system-call instruction to use",
			       tracee->program);
	return 0;
}

static int call_ok(struct tracee *tracee, struct thread *thread, struct arch_entry call,
		   const char *what)
{
	int64_t result = 0;
	int error = inject_call(tracee, thread, &call, &result);

	if (error)
		return error == -ESRCH ? error : err_sys(CHOP_MISSING, -error, "cannot %s", what);
	if (result < 0)
		return err_sys(CHOP_MISSING, (int)-result, "cannot %s", what);
	return 0;
}

int inject_open(struct tracee *tracee, struct thread *thread)
{
	const struct arch_entry map = {
		.number = SYS_mmap,
		.args = { INJECT_ADDRESS, INJECT_SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE,
			  (uint64_t)-1 },
	};
	/* The table runner's page: written by us only, through /proc/PID/mem. */
	const struct arch_entry protect = {
		.number = SYS_mprotect,
		.args = { INJECT_ADDRESS, CHOP_PAGE_SIZE, PROT_READ | PROT_EXEC },
	};
	/* Forked children do not get it. */
	const struct arch_entry advise = {
		.number = SYS_madvise,
		.args = { INJECT_ADDRESS, INJECT_SIZE, MADV_DONTFORK },
	};
	int error = tracee->call_pc ? 0 : find_call_pc(tracee);

	if (!error)
		error = call_ok(tracee, thread, map, "map pages in the program");
	if (!error)
		error = call_ok(tracee, thread, protect, "map executable pages in the program");
	if (!error)
		error = call_ok(tracee, thread, advise, "prepare pages in the program");
	if (!error)
		error = memory_write(tracee, INJECT_ADDRESS, arch_runner, arch_runner_size);
	if (error)
		return error;
	tracee->runner = INJECT_ADDRESS;
	tracee->table = INJECT_ADDRESS + CHOP_PAGE_SIZE;
	return 0;
}

void inject_close(struct tracee *tracee, struct thread *thread)
{
	const struct arch_entry unmap = {
		.number = SYS_munmap,
		.args = { INJECT_ADDRESS, INJECT_SIZE },
	};
	int64_t result;

	if (tracee->runner)
		inject_call(tracee, thread, &unmap, &result);
	tracee->runner = tracee->table = 0;
}

uint64_t inject_buffer(const struct tracee *tracee)
{
	return tracee->table + INJECT_ENTRIES * sizeof(struct arch_entry);
}
