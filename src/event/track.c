// SPDX-License-Identifier: Apache-2.0
#include "event/track.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "event/decode_print.h"
#include "event/pieces.h"

static void thread_free(struct track_thread *thread)
{
	decode_call_release(&thread->call);
	buf_release(&thread->pieces);
	vec_release(&thread->held);
	free(thread);
}

void track_release(struct track *track)
{
	for (size_t i = 0; i < track->threads.length; i++)
		thread_free(track->threads.items[i]);
	vec_release(&track->threads);
	map_release(&track->index);
}

size_t track_live(const struct track *track)
{
	return track->threads.length;
}

static struct track_thread *thread_of(struct track *track, const struct trace_event *event)
{
	struct track_thread *thread;
	uint64_t at;

	if (map_get(&track->index, (uint64_t)event->tid, &at))
		return track->threads.items[at];
	thread = xcalloc(1, sizeof(*thread));
	thread->tid = event->tid;
	thread->pid = event->pid;
	map_put(&track->index, (uint64_t)event->tid, track->threads.length);
	*vec_push(&track->threads) = thread;
	return thread;
}

static void forget(struct track *track, struct track_thread *thread)
{
	struct track_thread *last = *vec_last(&track->threads);
	uint64_t at = 0;

	map_get(&track->index, (uint64_t)thread->tid, &at);
	track->threads.items[at] = last;
	track->threads.length--;
	map_put(&track->index, (uint64_t)last->tid, at);
	map_remove(&track->index, (uint64_t)thread->tid);
	thread_free(thread);
}

static int tell(struct track *track, struct track_step *step)
{
	return track->writer(track->context, step);
}

/* -- filters by path --------------------------------------------------------------------------- */

static bool path_wanted(const struct track_filter *filter, const char *path)
{
	for (size_t i = 0; i < filter->path_count; i++) {
		if (!strcmp(filter->paths[i], path))
			return true;
	}
	return false;
}

static bool text_wanted(struct track *track, const struct decode_memory *memory, uint64_t address)
{
	char path[4097];
	size_t got = address ? memory->read(memory->context, address, path, sizeof(path) - 1) : 0;

	path[got] = '\0';
	return got && path_wanted(&track->filter, path);
}

static bool descriptor_wanted(struct track *track, const struct decode_memory *memory, int fd)
{
	struct buf path = { 0 };
	bool wanted = memory->path && memory->path(memory->context, fd, &path) &&
		      path_wanted(&track->filter, buf_text(&path));

	buf_release(&path);
	return wanted;
}

static bool paths_wanted(struct track *track, const struct decode_call *call,
			 const struct decode_memory *memory)
{
	if (!track->filter.path_count)
		return true;
	if (!call->entry)
		return false;
	for (unsigned int i = 0; i < call->shape.arg_count; i++) {
		const struct call_arg *arg = &call->shape.args[i];
		uint64_t value = call->call.args[i];

		if (arg->dir == CALL_IN && arg->memory.type->format == CALL_PATH &&
		    text_wanted(track, memory, value))
			return true;
		if (arg->dir == CALL_VALUE &&
		    (arg->type->format == CALL_FD || arg->type->format == CALL_DIRFD) &&
		    (int)value >= 0 && descriptor_wanted(track, memory, (int)value))
			return true;
	}
	return false;
}

/* -- calls --------------------------------------------------------------------------------------- */

static void begin_call(struct track *track, struct track_thread *thread,
		       const struct trace_event *event)
{
	thread->in_call = true;
	thread->entered = event->time;
	thread->call.call = (struct call_instance){ .number = (long)event->number };
	if (event->flags & CHOP_EVENT_32)
		thread->call.call.number = -(long)event->number - 1;
	memcpy(thread->call.call.args, event->args, sizeof(event->args));
	thread->undecoded = false;
	thread->call.restarted = thread->restart;
	(void)track;
}

static void decode_entry(struct track *track, struct track_thread *thread,
			 const struct decode_memory *memory)
{
	decode_enter(&thread->call, &track->options, memory);
	thread->hidden = !paths_wanted(track, &thread->call, memory);
}

static int tell_enter(struct track *track, struct track_thread *thread, uint64_t time,
		      const struct decode_memory *memory)
{
	struct track_step step = {
		.kind = TRACK_ENTER, .time = time, .thread = thread, .memory = memory
	};

	return thread->hidden ? 0 : tell(track, &step);
}

/* Memory the kernel side could not read at the entry may come with the exit: keep the rest. */
static void keep_entry(struct track_thread *thread, const struct trace_event *event)
{
	const struct pieces *pieces = event->memory.context;

	buf_reset(&thread->pieces);
	if (event->memory.read != pieces_read)
		return;
	buf_add(&thread->pieces, pieces->data, pieces->size);
	thread->undecoded = true;
}

static int on_enter(struct track *track, struct track_thread *thread,
		    const struct trace_event *event)
{
	begin_call(track, thread, event);
	if (event->flags & CHOP_LIVE_AGAIN)
		keep_entry(thread, event);
	if (thread->undecoded)
		return 0;
	decode_entry(track, thread, &event->memory);
	return tell_enter(track, thread, event->time, &event->memory);
}

static bool result_wanted(const struct track_filter *filter, int64_t result)
{
	bool failed = decode_failed(result);

	if (filter->by_error)
		return failed && filter->errors[-result];
	return failed ? filter->failed : filter->successful;
}

static int on_signal(struct track *track, struct track_thread *thread,
		     const struct track_signal *signal);

static int flush_held(struct track *track, struct track_thread *thread)
{
	int error = 0;

	for (size_t i = 0; !error && i < thread->held.length; i++) {
		struct track_signal *signal = &thread->held.items[i];

		/* When it would have been seen, which is now. */
		signal->time = thread->last;
		error = on_signal(track, thread, signal);
	}
	thread->held.length = 0;
	return error;
}

#define RESTART_BLOCK 516 /* ERESTART_RESTARTBLOCK: restart_syscall goes on with the call */

static bool is_restart(const struct call *call)
{
	return call && !strcmp(call->name, "restart_syscall");
}

/* The command could not be run: what the process still does is ours. */
static bool is_over(const struct track *track, const struct track_thread *thread, int64_t result)
{
	/* Its execve is the only one, unless the file is a script for the shell. */
	return thread->tid == track->command && decode_failed(result) && result != -ENOEXEC;
}

static int tell_leave(struct track *track, struct track_thread *thread,
		      const struct trace_event *event, const struct decode_memory *memory)
{
	struct buf result = { 0 };
	struct track_step step = { .kind = TRACK_LEAVE,
				   .time = event->time,
				   .thread = thread,
				   .value = event->result,
				   .cpu = event->cpu,
				   .stack = event->stack,
				   .stack_context = event->stack_context,
				   .memory = memory };
	int error = 0;

	thread->call.call.result = event->result;
	thread->restart = event->result != -RESTART_BLOCK  ? NULL
			  : is_restart(thread->call.entry) ? thread->restart
							   : thread->call.entry;
	decode_exit(&thread->call, &track->options, memory);
	thread->in_call = false;
	if (!thread->hidden && result_wanted(&track->filter, event->result)) {
		decode_result(&thread->call, &track->options, memory, &result);
		step.result = buf_text(&result);
		error = tell(track, &step);
	}
	buf_release(&result);
	thread->failed = is_over(track, thread, event->result);
	return error ? error : flush_held(track, thread);
}

static int on_leave(struct track *track, struct track_thread *thread,
		    const struct trace_event *event)
{
	struct pieces late = { 0 };
	struct decode_memory memory = event->memory;
	int error;

	if (!thread->in_call)
		return 0;
	if (thread->undecoded) {
		/* What came late first, then what came with the entry. */
		const struct pieces *now = event->memory.context;
		struct pieces early = { (const uint8_t *)buf_text(&thread->pieces),
					thread->pieces.length, NULL };

		late = *now;
		late.older = &early;
		memory.context = &late;
		thread->undecoded = false;
		decode_entry(track, thread, &memory);
		error = tell_enter(track, thread, thread->entered, &memory);
		if (error)
			return error;
	}
	return tell_leave(track, thread, event, &memory);
}

static int on_call(struct track *track, struct track_thread *thread,
		   const struct trace_event *event)
{
	int error;

	begin_call(track, thread, event);
	decode_entry(track, thread, &event->memory);
	error = tell_enter(track, thread, event->time, &event->memory);
	return error ? error : tell_leave(track, thread, event, &event->memory);
}

/* -- signals and ends ------------------------------------------------------------------------------ */

static bool signal_wanted(const struct track *track, int sig)
{
	return sig > 0 && sig < 128 && track->filter.signals[sig];
}

static bool stops(int sig)
{
	return sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU;
}

static int on_signal(struct track *track, struct track_thread *thread,
		     const struct track_signal *signal)
{
	struct track_step step = { .kind = TRACK_SIGNAL,
				   .time = signal->time,
				   .thread = thread,
				   .sig = signal->sig,
				   .info = signal->known ? signal->info : NULL };
	int error;

	if (!signal_wanted(track, signal->sig))
		return 0;
	error = tell(track, &step);
	if (error || !stops(signal->sig) || signal->handler)
		return error;
	step.kind = TRACK_STOPPED;
	return tell(track, &step);
}

static int signal_event(struct track *track, struct track_thread *thread,
			const struct trace_event *event)
{
	struct track_signal signal = { .time = event->time,
				       .sig = (int)event->number,
				       .handler = event->handler,
				       .known = event->info != NULL };

	if (signal.known)
		memcpy(signal.info, event->info, sizeof(signal.info));
	/* An ignored one would have been seen on the way out of the call. */
	if (event->kind == CHOP_LIVE_IGNORED && thread->in_call) {
		*vec_push(&thread->held) = signal;
		return 0;
	}
	return on_signal(track, thread, &signal);
}

/* A source that sees the stop itself. */
static int on_stopped(struct track *track, struct track_thread *thread,
		      const struct trace_event *event)
{
	struct track_step step = { .kind = TRACK_STOPPED,
				   .time = event->time,
				   .thread = thread,
				   .sig = (int)event->number };

	return signal_wanted(track, step.sig) ? tell(track, &step) : 0;
}

static int call_gone(struct track *track, struct track_thread *thread, uint64_t time,
		     enum track_kind kind)
{
	struct pieces early = { (const uint8_t *)buf_text(&thread->pieces), thread->pieces.length,
				NULL };
	struct decode_memory memory = { pieces_read, pieces_path, &early };
	struct track_step step = { .kind = kind, .time = time, .thread = thread };
	int error = 0;

	if (!thread->in_call)
		return 0;
	thread->in_call = false;
	if (thread->undecoded) {
		decode_entry(track, thread, &memory);
		error = tell_enter(track, thread, thread->entered, &memory);
	}
	if (error || thread->hidden || !track->filter.unfinished)
		return error;
	return tell(track, &step);
}

static int on_task_exit(struct track *track, struct track_thread *thread,
			const struct trace_event *event)
{
	struct track_step step = { .kind = TRACK_EXITED, .time = event->time, .thread = thread };
	int error = call_gone(track, thread, event->time, TRACK_GONE);

	if (!error)
		error = flush_held(track, thread);
	if (WIFSIGNALED(event->status)) {
		step.kind = TRACK_KILLED;
		step.sig = WTERMSIG(event->status);
		step.status = WCOREDUMP(event->status) != 0;
	} else {
		step.status = WEXITSTATUS(event->status);
	}
	if (!error && (step.kind == TRACK_EXITED || signal_wanted(track, step.sig)))
		error = tell(track, &step);
	forget(track, thread);
	return error;
}

/* The thread that ran execve goes on under the number of the first one, which is gone. */
static int supersede(struct track *track, struct track_thread *thread,
		     const struct trace_event *event)
{
	struct track_step step = { .kind = TRACK_SUPERSEDED,
				   .time = event->time,
				   .thread = thread,
				   .other = event->other };
	int error = call_gone(track, thread, event->time, TRACK_GONE);
	struct track_thread *before;
	struct track_thread swap;
	uint64_t at;

	if (!error)
		error = tell(track, &step);
	if (error || !map_get(&track->index, (uint64_t)event->other, &at))
		return error;
	before = track->threads.items[at];
	swap = *thread;
	*thread = *before;
	thread->tid = swap.tid;
	swap.tid = before->tid;
	*before = swap;
	forget(track, before);
	return 0;
}

static int on_exec(struct track *track, struct track_thread *thread,
		   const struct trace_event *event)
{
	struct track_step step = { .kind = TRACK_EXEC, .time = event->time, .thread = thread };
	int error = 0;

	if (event->other && event->other != event->tid)
		error = supersede(track, thread, event);
	if (thread->undecoded)
		track_exec_memory(thread, event);
	if (event->pid == track->command)
		track->command = 0;
	return error ? error : tell(track, &step);
}

static int on_summary(struct track *track, struct track_thread *thread,
		      const struct trace_event *event)
{
	struct track_step step = { .kind = TRACK_SUMMARY,
				   .time = event->time,
				   .thread = thread,
				   .value = event->result,
				   .number = event->number,
				   .wall = event->wall,
				   .cpu = event->cpu };

	thread->failed = is_over(track, thread, event->result);
	return result_wanted(&track->filter, event->result) ? tell(track, &step) : 0;
}

static int on_fork(struct track *track, struct track_thread *thread,
		   const struct trace_event *event)
{
	struct trace_event born = { .tid = event->other, .pid = event->other_pid };
	struct track_step step = {
		.kind = TRACK_FORK,
		.time = event->time,
		.thread = thread,
		.other = event->other,
		.other_pid = event->other_pid,
	};

	if (!event->other_gone)
		thread_of(track, &born);
	return tell(track, &step);
}

size_t track_process(struct track *track, pid_t pid, bool threads)
{
	cleanup_free char *path = xasprintf("/proc/%d/task", pid);
	DIR *dir = threads ? opendir(path) : NULL;
	struct trace_event event = { .tid = pid, .pid = pid };
	struct dirent *entry;
	size_t before = track_live(track);

	thread_of(track, &event);
	while (dir && (entry = readdir(dir))) {
		event.tid = atoi(entry->d_name);
		if (event.tid > 0)
			thread_of(track, &event);
	}
	if (dir)
		closedir(dir);
	return track_live(track) - before;
}

int track_event(struct track *track, const struct trace_event *event)
{
	struct track_thread *thread = thread_of(track, event);

	thread->last = event->time;
	if (thread->failed)
		return 0;
	switch (event->kind) {
	case CHOP_LIVE_ENTER:
		return on_enter(track, thread, event);
	case CHOP_LIVE_EXIT:
		return on_leave(track, thread, event);
	case CHOP_LIVE_CALL:
		return on_call(track, thread, event);
	case CHOP_LIVE_SUMMARY:
		return on_summary(track, thread, event);
	case CHOP_LIVE_SIGNAL:
	case CHOP_LIVE_IGNORED:
		return signal_event(track, thread, event);
	case CHOP_LIVE_FORK:
		return on_fork(track, thread, event);
	case CHOP_LIVE_EXEC:
		return on_exec(track, thread, event);
	case CHOP_LIVE_TASK_EXIT:
		return on_task_exit(track, thread, event);
	case CHOP_LIVE_STOPPED:
		return on_stopped(track, thread, event);
	default:
		return 0;
	}
}

int track_finish(struct track *track, bool ended)
{
	int error = 0;

	for (size_t i = 0; !error && i < track->threads.length; i++)
		error = call_gone(track, track->threads.items[i], track->threads.items[i]->last,
				  ended ? TRACK_GONE : TRACK_DETACHED);
	return error;
}
