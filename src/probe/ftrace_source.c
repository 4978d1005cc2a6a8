// SPDX-License-Identifier: Apache-2.0
/* Probe points by ftrace: what the instance's buffer tells, in the order it happened. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "probe/ftrace.h"

#define NEW_THREAD 0x10000 /* CLONE_THREAD */
#define SETTLE_NS  2000000 /* records this young may have older ones behind them elsewhere */

/* Events of the kernel that tell of processes, with what is needed of their fields. */
struct task_events {
	uint32_t fork, exec;
	uint16_t fork_pid, fork_comm, fork_flags, exec_file;
};

struct ftrace_task {
	pid_t pid;
	char comm[16];
};

struct ftrace_source {
	struct point_source base;
	const struct point_request *request;
	struct ftrace_events events;
	struct ftrace_reader reader;
	struct ftrace_batch batch; /* not handed over yet */
	struct task_events task_events;
	struct map by_tid; /* thread -> index of its task */
	VEC(struct ftrace_task) tasks;
	struct map watched;	 /* processes */
	struct u64vec processes; /* the same */
	struct map begun;	 /* activation -> when it began */
	bool waiting;		 /* for the command's exec */
	bool stopping;
	point_handler handler;
	void *context;
};

/* -- who it was ------------------------------------------------------------------------------------ */

static struct ftrace_task *new_task(struct ftrace_source *s, pid_t tid, pid_t pid, const char *comm)
{
	struct ftrace_task *task = vec_push(&s->tasks);

	*task = (struct ftrace_task){ .pid = pid };
	snprintf(task->comm, sizeof(task->comm), "%s", comm);
	map_put(&s->by_tid, (uint64_t)tid, s->tasks.length - 1);
	return task;
}

/* A thread nobody has told of: the system knows, if it is still there. */
static struct ftrace_task *ask_system(struct ftrace_source *s, pid_t tid)
{
	cleanup_free char *path = xasprintf("/proc/%d/status", tid);
	FILE *file = fopen(path, "re");
	char line[128], comm[16] = "";
	pid_t pid = tid;

	while (file && fgets(line, sizeof(line), file)) {
		sscanf(line, "Name: %15[^\n]", comm);
		sscanf(line, "Tgid: %d", &pid);
	}
	if (file)
		fclose(file);
	return new_task(s, tid, pid, comm);
}

static struct ftrace_task *task_of(struct ftrace_source *s, pid_t tid)
{
	uint64_t at;

	if (map_get(&s->by_tid, (uint64_t)tid, &at))
		return &s->tasks.items[at];
	return ask_system(s, tid);
}

static void watch_process(struct ftrace_source *s, pid_t pid)
{
	if (map_put(&s->watched, (uint64_t)pid, 1))
		*vec_push(&s->processes) = (uint64_t)pid;
}

static void on_fork(struct ftrace_source *s, pid_t tid, const uint8_t *data, size_t size)
{
	const struct task_events *events = &s->task_events;
	pid_t parent = task_of(s, tid)->pid, child;
	uint64_t flags;
	char comm[16];

	if (size < (size_t)events->fork_flags + 8 || size < (size_t)events->fork_comm + 16)
		return;
	memcpy(&child, data + events->fork_pid, sizeof(child));
	memcpy(&flags, data + events->fork_flags, sizeof(flags));
	memcpy(comm, data + events->fork_comm, sizeof(comm));
	comm[sizeof(comm) - 1] = '\0';
	new_task(s, child, flags & NEW_THREAD ? parent : child, comm);
	if (!(flags & NEW_THREAD) && s->request->follow && map_has(&s->watched, (uint64_t)parent))
		watch_process(s, child);
}

static void on_exec(struct ftrace_source *s, pid_t tid, const uint8_t *data, size_t size)
{
	struct ftrace_task *task = task_of(s, tid);
	uint32_t location;

	s->waiting &= task->pid != s->base.command.pid;
	if (size < (size_t)s->task_events.exec_file + 4)
		return;
	memcpy(&location, data + s->task_events.exec_file, sizeof(location));
	location &= 0xffff;
	if (location < size && memchr(data + location, 0, size - location))
		snprintf(task->comm, sizeof(task->comm), "%s",
			 point_base((const char *)data + location));
}

/* -- values ---------------------------------------------------------------------------------------- */

static uint64_t number_at(const uint8_t *data, const struct chop_probe_fetch *fetch)
{
	unsigned int unused = 64 - 8 * fetch->size;
	uint64_t value = 0;

	memcpy(&value, data, fetch->size <= 8 ? fetch->size : 8);
	if (unused >= 64)
		return 0;
	value <<= unused;
	return fetch->is_signed ? (uint64_t)((int64_t)value >> unused) : value >> unused;
}

static void take_text(struct ftrace_source *s, struct point_event *event, unsigned int i,
		      const char *text, size_t room)
{
	size_t limit = s->request->text_limit, length = strnlen(text, room);

	if (length > limit) {
		event->cut |= 1u << i;
		length = limit;
	}
	event->text[i] = text;
	event->length[i] = length;
}

/* A text elsewhere in the record. What could not be read is "(fault)" to the kernel. */
static void take_location(struct ftrace_source *s, struct point_event *event, unsigned int i,
			  const struct ftrace_record *record, const uint8_t *at, bool dynamic)
{
	uint32_t location;
	size_t offset, length;

	memcpy(&location, at, sizeof(location));
	offset = location & 0xffff;
	length = location >> 16;
	if (!length || offset >= record->size || length > record->size - offset ||
	    (dynamic && !strncmp((const char *)record->data + offset, "(fault)", length))) {
		event->unread |= 1u << i;
		return;
	}
	take_text(s, event, i, (const char *)record->data + offset, length);
}

static bool take_value(struct ftrace_source *s, struct point_event *event,
		       const struct ftrace_event *what, const struct ftrace_record *record,
		       unsigned int i, const struct point_arg *arg)
{
	const struct chop_probe_fetch *fetch = &arg->fetch;
	size_t at = what->is_dynamic ? what->field[i] : fetch->base;

	if (at + (fetch->width		    ? fetch->width
		  : arg->format == ARG_TEXT ? 4
					    : fetch->size) >
	    record->size)
		return false;
	if (!what->is_dynamic && fetch->from == CHOP_FROM_ADDRESS)
		take_text(s, event, i, (const char *)record->data + at, fetch->width);
	else if (arg->format == ARG_TEXT)
		take_location(s, event, i, record, record->data + at, what->is_dynamic);
	else
		event->value[i] = number_at(record->data + at, fetch);
	return true;
}

/* False when a test fails or the record is too short. */
static bool take_values(struct ftrace_source *s, struct point_event *event,
			const struct ftrace_event *what, const struct ftrace_record *record)
{
	const struct point_plan *plan = &s->request->points->plans.items[event->plan];

	for (unsigned int i = 0; i < plan->args.length; i++) {
		if (!take_value(s, event, what, record, i, &plan->args.items[i]))
			return false;
	}
	for (unsigned int i = 0; i < plan->test_count; i++) {
		unsigned int arg = plan->test[i].arg;

		if ((event->unread >> arg & 1) ||
		    !chop_probe_holds(&plan->test[i], event->value[arg]))
			return false;
	}
	return true;
}

/* -- times ----------------------------------------------------------------------------------------- */

/* A number for an activation: of a thread, a function and a place on the stack. */
static uint64_t activation(const struct point_event *event, uint64_t sp)
{
	uint64_t hash = 0xcbf29ce484222325;

	hash = (hash ^ (uint64_t)event->tid) * 0x100000001b3;
	hash = (hash ^ event->row) * 0x100000001b3;
	return (hash ^ sp) * 0x9e3779b97f4a7c15;
}

/* True when the event is the end of a call, whose time it then has. */
static bool pair(struct ftrace_source *s, struct point_event *event,
		 const struct ftrace_event *what, const struct ftrace_record *record)
{
	uint64_t sp = 0, key, began;

	if (what->sp && what->sp + 8u <= record->size)
		memcpy(&sp, record->data + what->sp, sizeof(sp));
	/* At the return the return address has been taken off the stack. */
	key = activation(event, what->is_return && what->sp ? sp - 8 : sp);
	if (!what->is_return) {
		map_put(&s->begun, key, event->time);
		return false;
	}
	if (!map_get(&s->begun, key, &began))
		return false;
	map_remove(&s->begun, key);
	event->value[0] = event->time - began;
	event->is_time = true;
	return true;
}

/* -- records ----------------------------------------------------------------------------------------- */

static int hand_over(struct ftrace_source *s, const struct ftrace_event *what,
		     const struct ftrace_record *record, pid_t tid)
{
	const struct point_site *site = &s->request->points->sites.items[what->site];
	const struct ftrace_task *task = task_of(s, tid);
	struct point_event event = { .time = record->time,
				     .tid = tid,
				     .pid = task->pid,
				     .row = site->row,
				     .plan = site->plan,
				     .comm = task->comm };

	if (!s->request->everyone && !map_has(&s->watched, (uint64_t)task->pid))
		return 0;
	if (s->waiting && task->pid == s->base.command.pid)
		return 0;
	if (!what->is_return && !take_values(s, &event, what, record))
		return 0;
	if (s->request->latency && !pair(s, &event, what, record))
		return 0;
	return s->handler(s->context, &event);
}

static int on_record(struct ftrace_source *s, const struct ftrace_record *record)
{
	uint16_t id;
	int32_t tid;
	uint64_t at = 0;
	int error = 0;

	if (record->size < 8)
		return 0;
	memcpy(&id, record->data, sizeof(id));
	memcpy(&tid, record->data + 4, sizeof(tid));
	if (id == s->task_events.fork)
		on_fork(s, tid, record->data, record->size);
	if (id == s->task_events.exec)
		on_exec(s, tid, record->data, record->size);
	map_get(&s->events.by_id, id, &at);
	for (; at && !error; at = s->events.next.items[at - 1])
		error = hand_over(s, &s->events.events.items[at - 1], record, tid);
	return error;
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* What was not old enough stays for the next time. */
static void keep_rest(struct ftrace_batch *batch, size_t done)
{
	struct ftrace_batch rest = { 0 };

	for (size_t i = done; i < batch->records.length; i++) {
		struct ftrace_record record = batch->records.items[i];

		buf_add(&rest.bytes, record.data, record.size);
		record.at = rest.bytes.length - record.size;
		*vec_push(&rest.records) = record;
	}
	ftrace_batch_release(batch);
	*batch = rest;
}

/*
 * The record of the exec may have been lost. That it has happened is known from the line through
 * which its failure would be told.
 */
static void look_for_exec(struct ftrace_source *s)
{
	struct child *command = &s->base.command;
	struct pollfd line = { .fd = command->line, .events = POLLIN };

	if (s->waiting && command->going && ftrace_lost(&s->events) && poll(&line, 1, 0) > 0)
		s->waiting = false;
}

static int ftrace_read(struct point_source *source, point_handler handler, void *context)
{
	struct ftrace_source *s = (struct ftrace_source *)source;
	uint64_t until = now() - SETTLE_NS;
	int error = ftrace_reader_take(&s->reader, &s->batch), got = error;
	size_t done = 0;

	if (error < 0)
		return error;
	look_for_exec(s);
	s->handler = handler;
	s->context = context;
	ftrace_batch_sort(&s->batch);
	for (error = 0; done < s->batch.records.length && !error; done++) {
		if (!s->stopping && s->batch.records.items[done].time > until)
			break;
		error = on_record(s, &s->batch.records.items[done]);
	}
	keep_rest(&s->batch, done);
	child_reap(&source->command);
	return error ? error : done ? (int)done : got ? 1 : 0;
}

/* -- life ------------------------------------------------------------------------------------------- */

static bool ftrace_finished(struct point_source *source)
{
	struct ftrace_source *s = (struct ftrace_source *)source;

	if (source->command.pid > 0 && !source->command.ended)
		return false;
	if (s->request->everyone)
		return source->command.pid > 0;
	for (size_t i = 0; i < s->processes.length; i++) {
		if (!kill((pid_t)s->processes.items[i], 0) || errno != ESRCH)
			return false;
	}
	return true;
}

static void ftrace_wait(struct point_source *source, unsigned int milliseconds)
{
	(void)source;
	usleep(milliseconds * 1000);
}

static uint64_t ftrace_source_lost(struct point_source *source)
{
	struct ftrace_source *s = (struct ftrace_source *)source;

	return ftrace_lost(&s->events);
}

static int ftrace_start(struct point_source *source)
{
	child_go(&source->command);
	return 0;
}

static void ftrace_stop(struct point_source *source)
{
	struct ftrace_source *s = (struct ftrace_source *)source;

	s->stopping = true;
	ftrace_write(&s->events, "tracing_on", "0");
}

static void ftrace_close(struct point_source *source)
{
	struct ftrace_source *s = (struct ftrace_source *)source;

	child_close(&source->command);
	ftrace_reader_close(&s->reader);
	ftrace_events_remove(&s->events);
	ftrace_batch_release(&s->batch);
	map_release(&s->by_tid);
	map_release(&s->watched);
	map_release(&s->begun);
	vec_release(&s->tasks);
	vec_release(&s->processes);
	free(s);
}

static const struct point_source_ops ops = {
	.name = "ftrace",
	.start = ftrace_start,
	.read = ftrace_read,
	.finished = ftrace_finished,
	.wait = ftrace_wait,
	.lost = ftrace_source_lost,
	.stop = ftrace_stop,
	.close = ftrace_close,
};

/* -- setting up -------------------------------------------------------------------------------------- */

static uint16_t offset_of(const struct trace_format *format, const char *name)
{
	const struct trace_field *field = trace_format_find(format, name);

	return field ? field->offset : 0;
}

/* Threads and children are known by these two. */
static int enable_task_events(struct ftrace_source *s)
{
	struct task_events *events = &s->task_events;
	struct trace_format fork, exec;
	int error = trace_format_read(s->events.root, "task", "task_newtask", &fork);

	if (error)
		return error;
	error = trace_format_read(s->events.root, "sched", "sched_process_exec", &exec);
	*events = (struct task_events){ fork.id,
					exec.id,
					offset_of(&fork, "pid"),
					offset_of(&fork, "comm"),
					offset_of(&fork, "clone_flags"),
					offset_of(&exec, "filename") };
	trace_format_release(&fork);
	trace_format_release(&exec);
	if (!error && (ftrace_write(&s->events, "events/task/task_newtask/enable", "1") ||
		       ftrace_write(&s->events, "events/sched/sched_process_exec/enable", "1")))
		error = err_set(CHOP_MISSING, EPERM, "tracing events cannot be switched on here");
	return error;
}

static void add_threads(struct buf *list, pid_t pid)
{
	cleanup_free char *path = xasprintf("/proc/%d/task", pid);
	DIR *directory = opendir(path);
	struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		if (entry->d_name[0] != '.')
			buf_printf(list, "%s ", entry->d_name);
	}
	if (directory)
		closedir(directory);
}

static int watch(struct ftrace_source *s)
{
	const struct point_request *request = s->request;
	cleanup_buf struct buf list = { 0 };

	if (request->argv) {
		int error = child_start(&s->base.command, request->argv);

		if (error)
			return error;
		s->waiting = true;
		watch_process(s, s->base.command.pid);
		buf_printf(&list, "%d ", s->base.command.pid);
	}
	for (size_t i = 0; i < request->pid_count; i++) {
		watch_process(s, request->pids[i]);
		add_threads(&list, request->pids[i]);
	}
	if (request->everyone)
		return 0;
	if (ftrace_write(&s->events, "options/event-fork", "1") ||
	    ftrace_write(&s->events, "set_event_pid", buf_text(&list)))
		return err_set(CHOP_MISSING, EPERM, "tracing cannot be limited to a process here");
	return 0;
}

static int set_up(struct ftrace_source *s)
{
	uint64_t start = now();
	int error = ftrace_events_make(&s->events, s->request);

	if (!error)
		error = watch(s);
	if (!error)
		error = enable_task_events(s);
	if (!error)
		error = ftrace_events_enable(&s->events, s->request);
	s->base.attach_ns = now() - start;
	return error ? error : ftrace_reader_open(&s->reader, &s->events);
}

int point_ftrace_open(struct point_source **source, const struct point_request *request)
{
	struct ftrace_source *s;
	int error;

	if (request->stack_user || request->stack_kernel)
		return err_set(CHOP_MISSING, EOPNOTSUPP, "stacks are taken by BPF only");
	s = xcalloc(1, sizeof(*s));
	s->base.ops = &ops;
	s->request = request;
	s->base.command = (struct child)CHILD_INIT;
	error = set_up(s);
	if (error) {
		ftrace_close(&s->base);
		return error;
	}
	*source = &s->base;
	return 0;
}
