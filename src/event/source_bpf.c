// SPDX-License-Identifier: Apache-2.0
/* Events by BPF: raw tracepoints to a ring buffer, polled without a wake-up for each event. */
#include "event/event.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "tracee/bpf.h"

#ifndef HAVE_BPF

int event_bpf_open(struct event_source **source, const struct event_request *request)
{
	(void)source;
	(void)request;
	return bpf_not_built();
}

#else

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <linux/types.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "tracee/child.h"
#include "event/pieces.h"
#include "event/plan.h"
#include "tracee/probe.h"

#include "syscalls.skel.h"

#define BUFFER_DEFAULT	 (64ull << 20)
#define WAIT_FULL_NS	 200000 /* for room in a full ring */
/* Up to so many calls are watched one by one; beyond, all calls pay for a look at the set. */
#define SINGLE_CALLS_MAX 24

struct bpf_source {
	struct event_source base;
	struct syscalls_bpf *skel;
	struct ring_buffer *ring;
	struct bpf_link **links; /* to tracepoints of single calls */
	size_t link_count;
	event_handler handler;
	void *context;
	int handled, error;
	bool cpu_time;	  /* comes with exits */
	bool with_stacks; /* too */
	struct stacks stacks;
};

/* -- loading --------------------------------------------------------------------------------- */

static unsigned int wanted_count(const struct event_request *request)
{
	unsigned int count = 0;

	for (unsigned int n = 0; n < CHOP_CALLS; n++)
		count += request->wanted[n];
	return count;
}

static void choose_programs(struct bpf_source *s, const struct event_request *request, bool single)
{
	struct syscalls_bpf *skel = s->skel;

	bpf_program__set_autoload(skel->progs.on_enter, !single);
	bpf_program__set_autoload(skel->progs.on_exit, !single);
	bpf_program__set_autoload(skel->progs.on_one_enter, single);
	bpf_program__set_autoload(skel->progs.on_one_exit, single);
	bpf_program__set_autoload(skel->progs.on_switch, request->summary || request->cpu_time);
	bpf_program__set_autoload(skel->progs.on_signal, request->signals);
	bpf_program__set_autoload(skel->progs.on_signal_sent, request->signals);
}

static uint64_t ring_bytes(uint64_t asked)
{
	uint64_t size = 4096;

	while (size < asked && size < 1ull << 31)
		size *= 2;
	return size;
}

static void configure(struct bpf_source *s, const struct event_request *request)
{
	uint64_t buffer = ring_bytes(request->buffer ? request->buffer : BUFFER_DEFAULT);
	struct syscalls_bpf *skel = s->skel;

	bpf_map__set_max_entries(skel->maps.ring, (uint32_t)buffer);
	bpf_map__set_max_entries(skel->maps.scratches, (uint32_t)libbpf_num_possible_cpus());
	skel->rodata->follow = request->follow;
	skel->rodata->tell_tasks = request->tasks;
	skel->rodata->summary = request->summary;
	skel->rodata->cpu_time = request->cpu_time;
	skel->rodata->stacks = request->stacks;
	/* Who is to find the mappings of a process has to come soon. */
	skel->rodata->wake_at = request->stacks ? 0 : buffer / 4;
	skel->rodata->wait_full = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? WAIT_FULL_NS : 0;
	skel->rodata->text_limit = (uint32_t)request->decode.string_limit + 2;
	skel->rodata->texts_limit =
		request->decode.verbose ? 255 : (uint32_t)request->decode.string_limit + 2;
}

static int load(struct bpf_source *s, const struct event_request *request, bool single)
{
	int error;

	bpf_messages_to_log();
	s->skel = syscalls_bpf__open();
	if (!s->skel)
		return err_sys(CHOP_MISSING, errno, "cannot open the BPF programs");
	choose_programs(s, request, single);
	configure(s, request);
	error = syscalls_bpf__load(s->skel);
	return error ? bpf_refused(error) : 0;
}

/* Which calls, and what memory goes with them. */
static int fill_plans(struct bpf_source *s, const struct event_request *request)
{
	int fd = bpf_map__fd(s->skel->maps.plans);
	struct chop_plan plan;

	for (uint32_t n = 0; n < CHOP_CALLS; n++) {
		if (!request->wanted[n])
			continue;
		s->skel->bss->wanted[n / 64] |= 1ull << (n % 64);
		if (request->summary || !plan_call((long)n, &request->decode, &plan))
			continue;
		if (bpf_map_update_elem(fd, &n, &plan, BPF_ANY))
			return err_sys(CHOP_MISSING, errno, "cannot set up a BPF map");
		s->skel->bss->planned[n / 64] |= 1ull << (n % 64);
	}
	return 0;
}

/*
 * Paths begin at our root, as where /proc is asked for them. Without an answer they begin at the
 * root of all.
 */
static void find_root(struct bpf_source *s)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);
	int error = bpf_prog_test_run_opts(bpf_program__fd(s->skel->progs.find_root), &options);

	if (error)
		log_debug("the root directory is not known to BPF: %s", strerror(-error));
}

/* -- attaching ------------------------------------------------------------------------------- */

/* The tracepoints of single calls are found through tracefs; mount it where nobody did. */
static bool tracefs_there(void)
{
	if (!access("/sys/kernel/tracing/events/syscalls", F_OK) ||
	    !access("/sys/kernel/debug/tracing/events/syscalls", F_OK))
		return true;
	if (mount("nodev", "/sys/kernel/tracing", "tracefs", 0, NULL))
		return false;
	return !access("/sys/kernel/tracing/events/syscalls", F_OK);
}

static int attach_one(struct bpf_source *s, struct bpf_program *program, const char *what,
		      const char *call)
{
	cleanup_free char *name = xasprintf("sys_%s_%s", what, call_kernel_name(call));
	struct bpf_link *link = bpf_program__attach_tracepoint(program, "syscalls", name);

	if (!link)
		return -errno;
	s->links = xreallocarray(s->links, s->link_count + 1, sizeof(struct bpf_link *));
	s->links[s->link_count++] = link;
	return 0;
}

/* Some calls have no tracepoint of their own (execve's entry is needed in any case). */
static int attach_singles(struct bpf_source *s, const struct event_request *request)
{
	for (long n = 0; n < CHOP_CALLS; n++) {
		const struct call *call = call_find(n);
		bool begins = !strcmp(call ? call->name : "", "execve");
		int error;

		if (!call || (!request->wanted[n] && !begins))
			continue;
		error = attach_one(s, s->skel->progs.on_one_enter, "enter", call->name);
		if (!error)
			error = attach_one(s, s->skel->progs.on_one_exit, "exit", call->name);
		if (error)
			return error;
	}
	return 0;
}

static int attach_all(struct bpf_source *s)
{
	int error = syscalls_bpf__attach(s->skel);

	if (error)
		return err_sys(CHOP_MISSING, -error, "cannot attach BPF programs to tracepoints");
	return 0;
}

static void detach_singles(struct bpf_source *s)
{
	for (size_t i = 0; i < s->link_count; i++)
		bpf_link__destroy(s->links[i]);
	free(s->links);
	s->links = NULL;
	s->link_count = 0;
}

/* -- who is watched ------------------------------------------------------------------------------ */

static int watch_thread(struct bpf_source *s, pid_t tid, uint32_t flags)
{
	struct chop_task task = { .flags = flags };
	uint32_t key = (uint32_t)tid;

	if (bpf_map_update_elem(bpf_map__fd(s->skel->maps.tasks), &key, &task, BPF_ANY))
		return err_sys(CHOP_MISSING, errno, "cannot watch thread %d", tid);
	return 0;
}

/* All threads of a process; again until no new one appears. */
static int watch_process(struct bpf_source *s, pid_t pid, bool threads)
{
	cleanup_free char *path = xasprintf("/proc/%d/task", pid);
	unsigned int fresh = 1;

	if (!threads)
		return access(path, F_OK) ? err_set(CHOP_USAGE, ESRCH, "no process %d", pid)
					  : watch_thread(s, pid, 0);
	while (fresh) {
		DIR *dir = opendir(path);
		struct dirent *entry;

		if (!dir)
			return err_set(CHOP_USAGE, ESRCH, "no process %d", pid);
		fresh = 0;
		while ((entry = readdir(dir))) {
			uint32_t tid = (uint32_t)atoi(entry->d_name);
			struct chop_task task;

			if (!tid ||
			    !bpf_map_lookup_elem(bpf_map__fd(s->skel->maps.tasks), &tid, &task))
				continue;
			if (!watch_thread(s, (pid_t)tid, 0))
				fresh++;
		}
		closedir(dir);
	}
	return 0;
}

static int watch(struct bpf_source *s, const struct event_request *request)
{
	int error = 0;

	if (request->argv) {
		error = child_start(&s->base.command, request->argv);
		if (!error)
			error = watch_thread(s, s->base.command.pid, CHOP_TASK_WAIT_EXEC);
	}
	for (size_t i = 0; !error && i < request->pid_count; i++)
		error = watch_process(s, request->pids[i], request->follow);
	return error;
}

/* -- reading ------------------------------------------------------------------------------------- */

static void from_head(struct trace_event *event, const struct chop_live_head *head)
{
	*event = (struct trace_event){ .kind = head->kind,
				       .flags = head->flags,
				       .time = head->time,
				       .tid = (pid_t)head->tid,
				       .pid = (pid_t)head->pid,
				       .number = head->number };
}

static void from_call(struct trace_event *event, const struct chop_live_call *call, size_t size)
{
	event->result = (int64_t)call->result;
	if (size >= sizeof(*call))
		memcpy(event->args, call->args, sizeof(event->args));
}

static void from_task(struct trace_event *event, const struct chop_live_task *task)
{
	event->other = (pid_t)task->other;
	event->other_pid = (pid_t)task->other_pid;
	event->status = (int)task->status;
}

static void from_signal(struct trace_event *event, const struct chop_live_signal *signal)
{
	event->info = signal->info;
	event->handler = signal->handler;
}

struct copied_stack {
	struct bpf_source *source;
	const struct trace_event *event;
	const struct pieces *pieces;
};

static size_t stack_of(void *context, struct place *frames)
{
	const struct copied_stack *copied = context;
	const void *registers = pieces_registers(copied->pieces);
	struct stack_copy copy = { .read = pieces_stack, .context = (void *)copied->pieces };

	if (!registers)
		return 0;
	arch_regs_of_kernel(&copy.regs, registers, CHOP_REGISTERS_SIZE);
	return stacks_walk_copy(&copied->source->stacks, copied->event->pid, copied->event->tid,
				&copy, frames);
}

/* Records may be old, and what they tell of gone: what is mapped is looked up ahead of need. */
static void note_mappings(struct bpf_source *s, const struct trace_event *event)
{
	stacks_look_again(&s->stacks);
	if (event->kind == CHOP_LIVE_FORK && event->other_pid != event->pid)
		stacks_look(&s->stacks, event->other_pid);
	if (event->kind == CHOP_LIVE_EXEC) {
		stacks_gone(&s->stacks, event->pid);
		stacks_look(&s->stacks, event->pid);
	}
	if ((event->kind == CHOP_LIVE_EXIT || event->kind == CHOP_LIVE_CALL) &&
	    stacks_remaps(event->number))
		stacks_changed(&s->stacks, event->pid);
	if (event->kind == CHOP_LIVE_TASK_EXIT && event->tid == event->pid)
		stacks_gone(&s->stacks, event->pid);
}

static int on_record(void *context, void *data, size_t size)
{
	const struct chop_live_summary *summary = data;
	struct bpf_source *s = context;
	struct trace_event event;
	struct pieces pieces = { 0 };
	struct copied_stack copied = { s, &event, &pieces };

	from_head(&event, data);
	switch (event.kind) {
	case CHOP_LIVE_SUMMARY:
		event.wall = summary->wall;
		event.cpu = summary->cpu;
		event.result = (int64_t)summary->result;
		break;
	case CHOP_LIVE_SIGNAL:
	case CHOP_LIVE_IGNORED:
		from_signal(&event, data);
		break;
	case CHOP_LIVE_FORK:
	case CHOP_LIVE_TASK_EXIT:
		from_task(&event, data);
		break;
	case CHOP_LIVE_EXEC:
		from_task(&event, data);
		/* fall through */
	default:
		if (event.kind != CHOP_LIVE_EXEC)
			from_call(&event, data, size);
		if (event.kind == CHOP_LIVE_EXIT && s->cpu_time)
			event.cpu = ((const struct chop_live_call *)data)->args[0];
		if (size < sizeof(struct chop_live_call))
			break;
		pieces.data = (const uint8_t *)data + sizeof(struct chop_live_call);
		pieces.size = size - sizeof(struct chop_live_call);
	}
	event.memory = (struct decode_memory){ pieces_read, pieces_path, &pieces };
	if (s->with_stacks) {
		note_mappings(s, &event);
		event.stack = stack_of;
		event.stack_context = &copied;
	}
	s->handled++;
	s->error = s->handler(s->context, &event);
	return s->error ? -EINTR : 0;
}

static int bpf_read(struct event_source *source, event_handler handler, void *context)
{
	struct bpf_source *s = (struct bpf_source *)source;
	int error;

	s->handler = handler;
	s->context = context;
	s->handled = s->error = 0;
	error = ring_buffer__consume(s->ring);
	if (s->error)
		return s->error;
	if (error < 0 && error != -EINTR)
		return err_sys(CHOP_MISSING, -error, "cannot read the ring buffer");
	child_reap(&source->command);
	return s->handled;
}

static bool bpf_finished(struct event_source *source)
{
	struct bpf_source *s = (struct bpf_source *)source;
	uint32_t key;

	if (s->base.command.pid > 0 && !s->base.command.ended)
		return false;
	return bpf_map_get_next_key(bpf_map__fd(s->skel->maps.tasks), NULL, &key) == -ENOENT;
}

static void bpf_wait(struct event_source *source, unsigned int milliseconds)
{
	struct bpf_source *s = (struct bpf_source *)source;
	struct epoll_event event;

	/* Returns at once when there is something; woken only when the ring fills up. */
	epoll_wait(ring_buffer__epoll_fd(s->ring), &event, 1, (int)milliseconds);
}

/* Also the times a program could not run because it was running already on that processor. */
static uint64_t missed(struct bpf_program *program)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);
	int fd = bpf_program__fd(program);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size))
		return 0;
	return info.recursion_misses;
}

static uint64_t bpf_lost(struct event_source *source)
{
	struct bpf_source *s = (struct bpf_source *)source;
	struct bpf_program *program;
	uint64_t count = s->skel->bss->lost + s->skel->bss->lost_tasks;

	bpf_object__for_each_program(program, s->skel->obj) count += missed(program);
	return count;
}

static int bpf_start(struct event_source *source)
{
	child_go(&source->command);
	return 0;
}

static void bpf_close(struct event_source *source)
{
	struct bpf_source *s = (struct bpf_source *)source;

	if (s->stacks.unknown)
		log_warn(
			"%llu stacks have frames without a name: their processes ended, or changed "
			"what they had mapped, before it was looked at; --source ptrace stops them "
			"for it",
			(unsigned long long)s->stacks.unknown);
	child_close(&source->command);
	detach_singles(s);
	if (s->ring)
		ring_buffer__free(s->ring);
	syscalls_bpf__destroy(s->skel);
	stacks_release(&s->stacks);
	free(s);
}

static const struct event_source_ops ops = {
	.start = bpf_start,
	.read = bpf_read,
	.finished = bpf_finished,
	.wait = bpf_wait,
	.lost = bpf_lost,
	.close = bpf_close,
};

static int attach(struct bpf_source *s, const struct event_request *request, bool single)
{
	int error = attach_all(s);

	if (error || !single)
		return error;
	error = attach_singles(s, request);
	if (error) {
		/* Rather the dearer way than none. */
		log_debug("no tracepoints of single calls: %s", strerror(-error));
		return -EAGAIN;
	}
	return 0;
}

static int set_up(struct bpf_source *s, const struct event_request *request, bool single)
{
	int error = load(s, request, single);

	if (!error)
		error = fill_plans(s, request);
	if (error)
		return error;
	find_root(s);
	error = attach(s, request, single);
	if (error)
		return error;
	s->ring = ring_buffer__new(bpf_map__fd(s->skel->maps.ring), on_record, s, NULL);
	if (!s->ring)
		return err_sys(CHOP_MISSING, errno, "cannot map the ring buffer");
	return watch(s, request);
}

int event_bpf_open(struct event_source **source, const struct event_request *request)
{
	bool single = wanted_count(request) <= SINGLE_CALLS_MAX && tracefs_there();
	struct bpf_source *s;
	int error;

	s = xcalloc(1, sizeof(*s));
	s->base.ops = &ops;
	s->base.name = "BPF";
	s->cpu_time = request->cpu_time;
	s->with_stacks = s->stacks.copies = request->stacks;
	s->base.command = (struct child)CHILD_INIT;
	error = set_up(s, request, single);
	if (error == -EAGAIN && single) {
		detach_singles(s);
		syscalls_bpf__destroy(s->skel);
		s->skel = NULL;
		error = set_up(s, request, false);
	}
	if (error) {
		bpf_close(&s->base);
		return error;
	}
	*source = &s->base;
	return 0;
}

#endif
