// SPDX-License-Identifier: Apache-2.0
#include "invok/invok.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "base/progress.h"
#include "invok/private.h"
#include "tracee/breakpoint.h"
#include "tracee/interrupt.h"
#include "tracee/threads.h"

/* So many events in a round: the next round begins at once. */
#define BUSY 4096
/* Between rounds, ns. A ring is full after 2 ms of nothing but calls. */
#define NAP	 300000
#define NAP_LONG 3000000
#define SHOWN	 100000 /* invocations between two lines of progress */

/* -- the thread that reads lanes --------------------------------------------------------------- */

/* Invocations of all functions, from whichever thread; the lock is held. */
static void on_call(void *context, const struct invok_call *call)
{
	struct invok *invok = context;

	if (invok->full)
		return;
	stats_add(&invok->result->functions.items[call->function].stats, call);
	if (!invok->options->call(invok->options->context, call)) {
		invok->full = true;
		interrupt_wake();
	}
}

static void drain(void *context, struct clock_lane *lane, bool all)
{
	struct invok *invok = context;

	reader_drain(&invok->reader, invok->tracee.trampolines->clock, lane, all);
}

static uint64_t read_lanes(struct invok *invok)
{
	uint64_t before = invok->reader.events;

	pthread_mutex_lock(&invok->lock);
	if (invok->clock) {
		pthread_mutex_lock(&invok->clock->lock);
		clock_drain(invok->clock, false);
		pthread_mutex_unlock(&invok->clock->lock);
	}
	if (invok->deadline && !invok->timed_out && monotonic_ns() >= invok->deadline) {
		invok->timed_out = true;
		interrupt_wake();
	}
	pthread_mutex_unlock(&invok->lock);
	return invok->reader.events - before;
}

static void *read_always(void *context)
{
	struct invok *invok = context;
	struct timespec nap = { 0 };

	while (!__atomic_load_n(&invok->stop, __ATOMIC_ACQUIRE)) {
		uint64_t events = read_lanes(invok);

		if (events > BUSY)
			continue;
		nap.tv_nsec = events ? NAP : nap.tv_nsec + NAP;
		if (nap.tv_nsec > NAP_LONG)
			nap.tv_nsec = NAP_LONG;
		nanosleep(&nap, NULL);
	}
	return NULL;
}

/* Signals are the main thread's. */
static int start_reading(struct invok *invok, pthread_t *reading)
{
	sigset_t all, old;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(reading, NULL, read_always, invok);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return error ? err_sys(CHOP_MISSING, error, "cannot start a thread") : 0;
}

/* -- program images ------------------------------------------------------------------------------ */

static void on_exiting(void *context, struct thread *thread)
{
	struct invok *invok = context;

	counters_forget(invok->counters, thread->tid);
	if (invok->clock)
		clock_ended(&invok->tracee, thread);
	else if (!thread->foreign) {
		pthread_mutex_lock(&invok->lock);
		reader_thread_end(&invok->reader, thread->tid, stub_time());
		pthread_mutex_unlock(&invok->lock);
	}
}

static void open_clock(struct invok *invok, struct thread *thread)
{
	const struct clock_options options = { .drain = drain, .context = invok };

	invok->no_clock = NULL;
	if (invok->options->counters)
		invok->no_clock = "counters are read there";
	else if (invok->options->breakpoints)
		invok->no_clock = "as was asked for";
	else if (clock_open(&invok->tracee, thread, &options)) {
		free(invok->why);
		invok->why = xstrdup(err_message());
		invok->no_clock = invok->why;
		err_clear();
	}
	pthread_mutex_lock(&invok->lock);
	invok->clock = invok->no_clock ? NULL : invok->tracee.trampolines->clock;
	pthread_mutex_unlock(&invok->lock);
}

static int begin_image(struct invok *invok, struct thread *thread)
{
	memset(invok->have, 0, invok->options->functions.length * sizeof(*invok->have));
	invok->have_region = invok->have_all = invok->have_allocators = false;
	map_release(&invok->entries);
	open_clock(invok, thread);
	return invok_look(invok, thread);
}

/* What was noted is read, and nobody reads any more. */
static void end_image(struct invok *invok)
{
	pthread_mutex_lock(&invok->lock);
	if (invok->clock)
		invok->result->crowded += invok->clock->overflow;
	invok->clock = NULL;
	breakpoints_forget(&invok->tracee, 0, UINT64_MAX);
	trampolines_forget(&invok->tracee);
	reader_end(&invok->reader, stub_time());
	pthread_mutex_unlock(&invok->lock);
}

/* Names of the callers, as far as their modules can still be read. */
static void name_callers(struct invok *invok)
{
	struct invok_result *result = invok->result;

	if (invok->options->all)
		return;
	for (size_t i = 0; i < invok->tracee.modules.length; i++)
		module_image(invok->tracee.modules.items[i]);
	err_clear();
	for (size_t i = 0; i < result->functions.length; i++) {
		struct stats *stats = &result->functions.items[i].stats;

		stats_sort_callers(stats);
		for (size_t k = 0; k < stats->callers.length && k < 8; k++) {
			uint64_t address = stats->callers.items[k].address;

			if (address && map_put(&result->named, address, result->names.length))
				*vec_push(&result->names) =
					module_describe(&invok->tracee, address);
		}
	}
}

/* -- events ---------------------------------------------------------------------------------------- */

static int on_breakpoint(struct invok *invok, const struct event *event)
{
	struct tracee *tracee = &invok->tracee;
	unsigned int purpose = breakpoint_purposes(tracee, event->address);
	int error = 0;

	if (purpose & BREAK_END)
		invok_on_return(invok, event);
	if (purpose & BREAK_BEGIN)
		invok_on_entry(invok, event);
	if (purpose & BREAK_LOADER && modules_update(tracee))
		error = invok_look(invok, event->thread);
	if (purpose & BREAK_WATCH)
		clock_tell_unwinder(tracee, event->thread, event->address);
	if (!error && !breakpoint_step_over(tracee, event->thread))
		thread_resume(event->thread, RUN_FREE, 0);
	return error;
}

static int on_exec(struct invok *invok, struct thread *thread)
{
	int error;

	end_image(invok);
	name_callers(invok);
	error = tracee_renew(&invok->tracee, thread);
	if (!error)
		error = begin_image(invok, thread);
	if (!error)
		thread_resume(thread, RUN_FREE, 0);
	return error == -ESRCH ? 0 : error;
}

static int on_event(struct invok *invok, const struct event *event)
{
	switch (event->kind) {
	case EVENT_BREAKPOINT:
		return on_breakpoint(invok, event);
	case EVENT_SIGNAL:
		thread_forward(event->thread, RUN_FREE);
		return 0;
	case EVENT_EXEC:
		return on_exec(invok, event->thread);
	case EVENT_INTERRUPT:
		if (!invok->full && !invok->timed_out)
			invok->result->interrupted = interrupt_signal();
		invok->done = true;
		return 0;
	case EVENT_EXIT:
		invok->done = true;
		return 0;
	case EVENT_CALL_ENTRY:
	case EVENT_CALL_EXIT:
	case EVENT_STEPPED:
	case EVENT_STOPPED:
	case EVENT_POINT:
	case EVENT_TIME:
		thread_resume(event->thread, RUN_FREE, 0);
		return 0;
	}
	return 0;
}

static int loop(struct invok *invok)
{
	int error = 0;

	while (!invok->done && !error) {
		struct event event;

		tracee_next(&invok->tracee, &event);
		error = on_event(invok, &event);
	}
	return error;
}

/* -- from start to end ------------------------------------------------------------------------------ */

static int pin(const struct invok *invok)
{
	cpu_set_t set;

	if (invok->options->cpu < 0)
		return 0;
	CPU_ZERO(&set);
	CPU_SET(invok->options->cpu, &set);
	if (!sched_setaffinity(invok->tracee.pid, sizeof(set), &set))
		return 0;
	return err_sys(CHOP_USAGE, errno, "the program cannot run on CPU %d", invok->options->cpu);
}

static int start(struct invok *invok, struct thread **thread)
{
	const struct invok_options *options = invok->options;
	const struct spawn_options spawn = { .argv = options->argv, .lazy = options->lazy };
	struct tracee *tracee = &invok->tracee;
	int error = options->argv ? tracee_spawn(tracee, &spawn)
				  : tracee_attach(tracee, options->pid, NULL, thread);

	if (!error)
		error = pin(invok);
	if (options->argv)
		*thread = thread_find(tracee, tracee->pid);
	tracee->exiting = on_exiting;
	tracee->exiting_context = invok;
	return error;
}

static void let_run(struct invok *invok, struct thread *thread)
{
	if (invok->options->argv)
		thread_resume(thread, RUN_FREE, 0);
	else
		threads_resume(&invok->tracee, NULL);
}

static int watch(struct invok *invok)
{
	struct thread *thread;
	pthread_t reading;
	int error = start(invok, &thread);

	if (error)
		return error;
	invok->result->zero = stub_time();
	if (invok->options->timeout)
		invok->deadline = monotonic_ns() + invok->options->timeout;
	error = begin_image(invok, thread);
	if (error)
		return error;
	error = start_reading(invok, &reading);
	if (error)
		return error;
	let_run(invok, thread);
	error = loop(invok);
	__atomic_store_n(&invok->stop, true, __ATOMIC_RELEASE);
	pthread_join(reading, NULL);
	return error;
}

/* Let the program go on alone, and wait for it as a shell would. */
static void let_go(struct invok *invok, bool killed, bool failed)
{
	struct tracee *tracee = &invok->tracee;
	struct invok_result *result = invok->result;
	bool leave = result->interrupted && !interrupt_from_terminal();

	result->timed_out = invok->timed_out;
	progress_clear();
	if (!tracee->gone)
		tracee_detach(tracee);
	end_image(invok);
	name_callers(invok);
	if (invok->options->released && !failed)
		invok->options->released(invok->options->context);
	interrupt_done();
	if (invok->options->terminate && !tracee->gone && !result->interrupted && tracee->pid > 0)
		kill(tracee->pid, SIGTERM);
	if (!leave && tracee->pid > 0)
		tracee_await_exit(tracee);
	result->ended = tracee->gone && !killed;
	result->exit_status = tracee->exit_status;
}

/* What was wanted did not come. */
static int judge(const struct invok *invok)
{
	const struct invok_options *options = invok->options;
	uint64_t count = 0;

	for (size_t i = 0; i < invok->result->functions.length; i++)
		count += invok->result->functions.items[i].stats.count;
	if (count)
		return 0;
	if (!invok->found && invok->not_here)
		return err_set(CHOP_USAGE, ENOENT, "%s", invok->not_here);
	if (!invok->found && options->module && !invok->timed_out)
		return err_set(CHOP_USAGE, ENOENT, "the program never loaded a module '%s'",
			       options->module);
	if (invok->result->interrupted)
		return err_set(CHOP_DIFFERS, EINTR, "interrupted before anything was measured");
	return err_set(CHOP_DIFFERS, ENOENT, "%s was never reached%s",
		       options->functions.length == 1 ? options->functions.items[0]
		       : options->begins.length	      ? "the begin of the region"
						      : "what was to be measured",
		       invok->timed_out ? " in the time given" : "");
}

static void finish(struct invok *invok)
{
	struct invok_result *result = invok->result;

	result->levels = invok->reader.levels;
	result->lost = invok->reader.torn;
	result->unmatched = invok->reader.unmatched;
	result->children = invok->tracee.children;
	counters_close(invok->counters);
	reader_release(&invok->reader);
	map_release(&invok->entries);
	map_release(&invok->ids);
	tracee_release(&invok->tracee);
	pthread_mutex_destroy(&invok->lock);
	free(invok->not_here);
	free(invok->why);
	free(invok->have);
}

int invok_run(const struct invok_options *options, struct invok_result *result)
{
	struct invok invok = { .options = options, .result = result };
	struct tick_scale scale;
	uint64_t begun = monotonic_ns();
	cleanup_free char *message = NULL;
	enum chop_status status;
	bool killed;
	int error;

	*result = (struct invok_result){ 0 };
	tick_scale_begin(&scale);
	stub_measure(&invok.reader.cost);
	result->cost = invok.reader.cost;
	invok.reader.call = on_call;
	invok.reader.context = &invok;
	invok.have = xcalloc(options->functions.length + 1, sizeof(*invok.have));
	if (options->counters) {
		invok.counters = counters_open();
		invok.reader.counters = INVOK_COUNTERS;
	}
	pthread_mutex_init(&invok.lock, NULL);
	result->ns = tick_scale_end(&scale);
	interrupt_catch();
	error = watch(&invok);
	result->wall = monotonic_ns() - begun;
	killed = error && !invok.running && options->argv;
	message = xstrdup(err_message());
	status = err_status();
	if (killed)
		tracee_kill(&invok.tracee);
	let_go(&invok, killed, error && !invok.found);
	if (error)
		err_set(status, -error, "%s", *message ? message : strerror(-error));
	else
		error = judge(&invok);
	finish(&invok);
	return error;
}

const char *invok_caller(const struct invok_result *result, uint64_t address)
{
	uint64_t index;

	if (!address)
		return "a function that jumped to it";
	if (!map_get(&result->named, address, &index))
		return "?";
	return result->names.items[index];
}

void invok_result_release(struct invok_result *result)
{
	for (size_t i = 0; i < result->functions.length; i++) {
		free(result->functions.items[i].name);
		free(result->functions.items[i].module);
		stats_release(&result->functions.items[i].stats);
	}
	for (size_t i = 0; i < result->names.length; i++)
		free(result->names.items[i]);
	vec_release(&result->functions);
	vec_release(&result->names);
	map_release(&result->named);
}
