// SPDX-License-Identifier: Apache-2.0
#include "pages/pages.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "pages/follow.h"
#include "pages/steward.h"
#include "tracee/child.h"
#include "tracee/interrupt.h"

/* More than enough for windows that grow: the tables are only touched as far as used. */
#define SLOTS_GROWING (1ULL << 22)
#define SLOTS_SPARE   8192

static void set_up(struct space_setup *setup, const struct pages_options *options)
{
	bool grows = options->interval || options->max_slowdown > 0;

	*setup = (struct space_setup){
		.window = options->interval ? SLOTS_GROWING - SLOTS_SPARE : options->window,
		.window_least = options->window,
		.fifo = options->fifo,
		.slots = options->window + SLOTS_SPARE,
		.sample_limit = options->sample_limit,
		.slices = options->interval,
		.copies = options->copies,
		.heap_only = options->heap_only,
		.malloc_only = options->malloc_only,
		.sites = options->sites,
	};
	if (grows && setup->slots < SLOTS_GROWING)
		setup->slots = SLOTS_GROWING;
}

static void fill_result(const struct tracer *tracer, struct pages_result *result)
{
	result->ended = tracer->first_gone;
	result->status = tracer->first_status;
	result->faults = tracer->faults;
	result->closed = tracer->closed;
	result->cpu_ns = tracer->cpu_ns;
	result->kept = tracer->kept;
	result->no_main = tracer->setup.malloc_only && !tracer->catcher_seen;
	result->no_sites = tracer->setup.sites && !tracer->allocations;
	result->refused = tracer->refused;
	result->refused_error = tracer->refused_error;
	result->unshared = tracer->unshared;
	result->copied = tracer->copied;
}

/* The program goes on without us; as a shell would, wait for it unless told to go. */
static void await_first(struct tracer *tracer)
{
	while (tracer->child && !tracer->first_gone) {
		pid_t pid = waitpid(tracer->first, &tracer->first_status, 0);

		if (pid < 0 && errno == EINTR) {
			if (interrupt_signal() && !interrupt_from_terminal())
				return;
			continue;
		}
		tracer->first_gone = pid == tracer->first;
		return;
	}
}

static int trace(struct tracer *tracer, const struct pages_options *options,
		 struct pages_result *result)
{
	int error = options->argv ? follow_spawn(tracer, options->argv)
				  : follow_attach(tracer, options->pid);

	if (error)
		return error;
	for (size_t i = 0; i < tracer->tasks.all.length; i++) {
		if (tracer->tasks.all.items[i]->where == TASK_EXIT)
			task_go(tracer->tasks.all.items[i]);
	}
	error = follow_run(tracer);
	if (error != -EINTR)
		return error;
	result->interrupted = true;
	follow_detach(tracer);
	return 0;
}

int pages_run(const struct pages_options *options, struct pages_result *result)
{
	struct tracer tracer = { 0 };
	struct steward steward = {
		.tracer = &tracer,
		.interval = options->interval,
		.max_slowdown = options->max_slowdown,
		.small = options->window < PAGES_WINDOW_MIN,
		.sampling = options->sample_pages,
	};
	int error, sink_error;

	*result = (struct pages_result){ 0 };
	pthread_mutex_init(&tracer.spaces_lock, NULL);
	set_up(&tracer.setup, options);
	tracer.pin = !options->no_pin &&
		     !sched_getaffinity(0, sizeof(tracer.own_cpus), &tracer.own_cpus);
	/* A pager may be killed any time: with its container. */
	child_ignore_pipe();
	interrupt_catch();
	error = journal_start(&tracer.journal, !options->no_ips, options->sink, options->context);
	if (error)
		return error;
	tracer.journal.sampler =
		(struct sampler){ .most = options->sample_pages, .limit = options->sample_limit };
	error = steward_start(&steward);
	if (!error)
		error = trace(&tracer, options, result);
	steward_stop(&steward);
	if (error)
		follow_detach(&tracer);
	result->accesses = tracer.journal.accesses;
	result->unknown_ips = tracer.journal.unknown_ips;
	result->no_ips = !options->no_ips && !tracer.journal.table && !tracer.journal.ips.usable;
	sink_error = journal_stop(&tracer.journal);
	if (result->interrupted)
		await_first(&tracer);
	interrupt_done();
	fill_result(&tracer, result);
	if (tracer.preload)
		unlink(tracer.preload);
	free(tracer.preload);
	tasks_release(&tracer.tasks);
	vec_release(&tracer.spaces);
	map_release(&tracer.early);
	return error ? error : sink_error;
}
