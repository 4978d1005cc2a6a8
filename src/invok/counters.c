// SPDX-License-Identifier: Apache-2.0
/* Counters of the processor and the kernel, by perf_event_open(2). */
#include "invok/private.h"

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"

const char *const invok_counter_names[INVOK_COUNTERS] = {
	"cycles",	    "instructions",	 "data_reads",	"data_writes",
	"data_read_misses", "data_write_misses", "page_faults", "context_switches",
};

#define CACHE(operation, result)                                             \
	(PERF_COUNT_HW_CACHE_L1D | PERF_COUNT_HW_CACHE_OP_##operation << 8 | \
	 PERF_COUNT_HW_CACHE_RESULT_##result << 16)

static const struct {
	uint32_t type;
	uint64_t config;
} events[INVOK_COUNTERS] = {
	{ PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES },
	{ PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS },
	{ PERF_TYPE_HW_CACHE, CACHE(READ, ACCESS) },
	{ PERF_TYPE_HW_CACHE, CACHE(WRITE, ACCESS) },
	{ PERF_TYPE_HW_CACHE, CACHE(READ, MISS) },
	{ PERF_TYPE_HW_CACHE, CACHE(WRITE, MISS) },
	{ PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS },
	{ PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES },
};

struct thread_counters {
	int fds[INVOK_COUNTERS]; /* -1 where there is none */
	uint64_t which, stops;	 /* stops: before the counters were opened */
	uint64_t values[INVOK_COUNTERS];
};

struct counters {
	struct map threads; /* tid -> struct thread_counters * */
};

static int open_event(unsigned int counter, pid_t pid, bool command)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = events[counter].type,
		.config = events[counter].config,
		/* What the kernel does for the program is not its own; faults are the kernel's. */
		.exclude_kernel = events[counter].type != PERF_TYPE_SOFTWARE,
		.exclude_hv = events[counter].type != PERF_TYPE_SOFTWARE,
		.disabled = command,
		.inherit = command,
		.enable_on_exec = command,
	};

	return (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

int counter_of_command(unsigned int counter, pid_t pid)
{
	return open_event(counter, pid, true);
}

struct counters *counters_open(void)
{
	return xcalloc(1, sizeof(struct counters));
}

static struct thread_counters *counters_of(struct counters *counters, const struct thread *of)
{
	pid_t tid = of->tid;
	struct thread_counters *thread;
	uint64_t value;

	if (map_get(&counters->threads, (uint64_t)tid, &value))
		return (struct thread_counters *)(uintptr_t)value;
	thread = xcalloc(1, sizeof(*thread));
	thread->stops = of->stops;
	for (unsigned int i = 0; i < INVOK_COUNTERS; i++) {
		thread->fds[i] = open_event(i, tid, false);
		if (thread->fds[i] >= 0)
			thread->which |= 1U << i;
	}
	map_put(&counters->threads, (uint64_t)tid, (uint64_t)(uintptr_t)thread);
	return thread;
}

const uint64_t *counters_read(struct counters *counters, const struct thread *of, uint64_t *which)
{
	struct thread_counters *thread;
	uint64_t stops;

	if (!counters)
		return NULL;
	thread = counters_of(counters, of);
	for (unsigned int i = 0; i < INVOK_COUNTERS; i++) {
		uint64_t value = 0;

		if (thread->fds[i] >= 0 &&
		    read(thread->fds[i], &value, sizeof(value)) != sizeof(value))
			value = 0;
		thread->values[i] = value;
	}
	/* Each of our stops is a switch as well. */
	stops = of->stops - thread->stops;
	if (thread->values[INVOK_SWITCHES] >= stops)
		thread->values[INVOK_SWITCHES] -= stops;
	*which |= thread->which;
	return thread->values;
}

static void close_thread(struct thread_counters *thread)
{
	for (unsigned int i = 0; i < INVOK_COUNTERS; i++) {
		if (thread->fds[i] >= 0)
			close(thread->fds[i]);
	}
	free(thread);
}

void counters_forget(struct counters *counters, pid_t tid)
{
	uint64_t value;

	if (!counters || !map_get(&counters->threads, (uint64_t)tid, &value))
		return;
	map_remove(&counters->threads, (uint64_t)tid);
	close_thread((struct thread_counters *)(uintptr_t)value);
}

void counters_close(struct counters *counters)
{
	uint64_t tid, value;

	if (!counters)
		return;
	for (size_t i = 0; i < counters->threads.capacity; i++) {
		if (map_slot(&counters->threads, i, &tid, &value))
			counters_forget(counters, (pid_t)tid);
	}
	map_release(&counters->threads);
	free(counters);
}
