// SPDX-License-Identifier: Apache-2.0
#include "pages/steward.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"

#define CONTROL_NS 100000000 /* how often the slowdown is looked at */
#define SAMPLE_NS  10000000  /* how often the sample's limit is */
/* What of a fault shows as the program's own CPU time: into the kernel, to the pager, back. */
#define OWN_NS 2500

static void tell(struct tracer *tracer, struct space *space, struct pager_command *commands,
		 unsigned int *count, uint32_t kind, uint64_t a, uint64_t b)
{
	const struct chop_page_record record = {
		.kind = kind,
		.thread = (uint32_t)space->pid,
		.process = (uint32_t)space->pid,
		.values = { a, b },
	};

	commands[(*count)++] = (struct pager_command){
		.op = PAGER_MARK,
		.start = journal_announce(&tracer->journal, &record, NULL),
	};
}

/* -- slices ---------------------------------------------------------------------------------- */

static void begin_slice(struct steward *steward, struct space *space)
{
	struct pager_command commands[2] = { { .op = PAGER_SLICE } };
	unsigned int count = 1;

	tell(steward->tracer, space, commands, &count, CHOP_PAGE_SLICE, steward->slices,
	     steward->interval);
	space_command(space, commands, count);
}

/* -- slowdown -------------------------------------------------------------------------------- */

static uint64_t cpu_time(pid_t pid)
{
	struct timespec time;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &time))
		return 0;
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* How much longer than alone the program took since the last look; 0: it did nothing. */
static double slowdown(struct space *space)
{
	uint64_t cpu = cpu_time(space->pid), pager = cpu_time(space->pager);
	uint64_t faults = space->shared->faults, more = faults - space->last_faults;
	double own = (double)(cpu - space->last_cpu) - (double)more * OWN_NS;
	double cost = (double)(pager - space->last_pager) + (double)more * OWN_NS;

	space->last_cpu = cpu;
	space->last_pager = pager;
	space->last_faults = faults;
	if (own < 100000)
		own = more ? 100000 : 0;
	return own > 0 ? (own + cost) / own : 0;
}

static uint64_t next_window(uint64_t window, double now, double limit, uint64_t least,
			    uint64_t most)
{
	if (now > limit)
		window += window / 2;
	else if (now < limit * 0.7)
		window -= window / 8;
	return window < least ? least : window > most ? most : window;
}

static void adapt(struct steward *steward, struct space *space)
{
	struct tracer *tracer = steward->tracer;
	uint64_t whole = space->window_now, most = tracer->setup.slots - 4096, next;
	struct pager_command commands[2];
	unsigned int count = 1;
	double now = slowdown(space);

	if (!now)
		return;
	next = next_window(whole, now, steward->max_slowdown, tracer->setup.window_least, most);
	if (next == whole)
		return;
	space->window_now = next;
	commands[0] = (struct pager_command){ .op = PAGER_WINDOW };
	space_split_window(&tracer->setup, next, &commands[0].start, &commands[0].end);
	tell(tracer, space, commands, &count, CHOP_PAGE_WINDOW, next, 0);
	log_debug("process %d: slowdown %.1f, window %llu", space->pid, now,
		  (unsigned long long)next);
	space_command(space, commands, count);
}

/* -- a sample of so many pages ---------------------------------------------------------------- */

/* Until the pager knows, it tells of pages that are not in the sample any more. */
static void lower_sample(struct steward *steward, struct space *space)
{
	uint64_t limit = sampler_limit(&steward->tracer->journal.sampler);

	if (limit == space->sample_limit)
		return;
	space->sample_limit = limit;
	space_do(space, PAGER_SAMPLE, limit, 0);
}

/* -- windows too small for an instruction ----------------------------------------------------- */

static uint64_t instruction_of(uint32_t tid)
{
	cleanup_free char *path = xasprintf("/proc/%u/syscall", tid);
	cleanup_buf struct buf text = { 0 };
	const char *last;

	if (io_read_file(path, &text))
		return 0;
	last = strrchr(buf_text(&text), ' ');
	return last ? strtoull(last + 1, NULL, 16) : 0;
}

/* A thread asks for the same few pages for ever: because its instruction needs more? */
static void help_stuck(struct steward *steward, struct space *space)
{
	uint32_t thread = space->shared->stuck;
	uint64_t ip = thread ? instruction_of(thread) : 0, open, second;
	struct pager_command command = { .op = PAGER_WINDOW };
	uint8_t code[16] = { 0 };
	unsigned int needed = 0;

	space->shared->stuck = 0;
	if (ip && !space_read(space, ip, code, sizeof(code)))
		needed = arch_pages_needed(code, sizeof(code));
	if (needed <= space->window_now)
		return;
	log_warn("the instruction at %#llx can need %u pages at once: the window is raised to that",
		 (unsigned long long)ip, needed);
	space->window_now = needed;
	space_split_window(&steward->tracer->setup, needed, &open, &second);
	command.start = open;
	command.end = second;
	space_command(space, &command, 1);
}

/* -- the thread ------------------------------------------------------------------------------ */

static void visit_all(struct steward *steward)
{
	struct tracer *tracer = steward->tracer;

	pthread_mutex_lock(&tracer->spaces_lock);
	steward->slices++;
	for (size_t i = 0; i < tracer->spaces.length; i++) {
		struct space *space = tracer->spaces.items[i];

		if (!space->serving)
			continue;
		if (steward->interval)
			begin_slice(steward, space);
		else if (steward->max_slowdown > 0)
			adapt(steward, space);
		if (steward->sampling)
			lower_sample(steward, space);
		if (space->shared->stuck)
			help_stuck(steward, space);
	}
	pthread_mutex_unlock(&tracer->spaces_lock);
}

static void add_time(struct timespec *time, uint64_t ns)
{
	time->tv_sec += (time_t)(ns / 1000000000);
	time->tv_nsec += (long)(ns % 1000000000);
	if (time->tv_nsec >= 1000000000) {
		time->tv_nsec -= 1000000000;
		time->tv_sec++;
	}
}

/* Sleep until then; true when it is time to stop. */
static bool wait_until(struct steward *steward, const struct timespec *then)
{
	bool stop;

	pthread_mutex_lock(&steward->lock);
	while (!steward->stop &&
	       pthread_cond_timedwait(&steward->wake, &steward->lock, then) != ETIMEDOUT)
		;
	stop = steward->stop;
	pthread_mutex_unlock(&steward->lock);
	return stop;
}

static uint64_t period(const struct steward *steward)
{
	if (steward->interval)
		return steward->interval;
	return steward->sampling ? SAMPLE_NS : CONTROL_NS;
}

static void *run(void *context)
{
	struct steward *steward = context;
	struct timespec next;

	clock_gettime(CLOCK_MONOTONIC, &next);
	for (;;) {
		add_time(&next, period(steward));
		if (wait_until(steward, &next))
			return NULL;
		visit_all(steward);
	}
}

int steward_start(struct steward *steward)
{
	pthread_condattr_t monotonic;
	sigset_t all, old;
	int error;

	if (!steward->interval && steward->max_slowdown <= 0 && !steward->small &&
	    !steward->sampling)
		return 0;
	pthread_mutex_init(&steward->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&steward->wake, &monotonic);
	/* Signals are for the thread that traces. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&steward->thread, NULL, run, steward);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error)
		return err_sys(CHOP_MISSING, error, "cannot start a thread");
	steward->running = true;
	return 0;
}

void steward_stop(struct steward *steward)
{
	if (!steward->running)
		return;
	pthread_mutex_lock(&steward->lock);
	steward->stop = true;
	pthread_cond_signal(&steward->wake);
	pthread_mutex_unlock(&steward->lock);
	pthread_join(steward->thread, NULL);
	steward->running = false;
}
