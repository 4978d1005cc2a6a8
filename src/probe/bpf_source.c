// SPDX-License-Identifier: Apache-2.0
/* Probe points by BPF: programs at the points count in the kernel, or write to a ring buffer. */
#include "probe/source.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/err.h"
#include "tracee/bpf.h"

#ifndef HAVE_BPF

int point_bpf_open(struct point_source **source, const struct point_request *request)
{
	(void)source;
	(void)request;
	return bpf_not_built();
}

#else

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/types.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "probe/bpf_attach.h"

#include "probe.skel.h"

#define BUFFER_DEFAULT (64ull << 20)
#define WAIT_FULL_NS   200000 /* for room in a full ring */
#define WAIT_EXEC      1      /* as in bpf/probe.bpf.c */
#define UPROBE_MULTI   ((enum bpf_attach_type)48)

struct bpf_source {
	struct point_source base;
	struct probe_bpf *skel;
	struct ring_buffer *ring;
	struct attachments attachments;
	const struct point_request *request;
	point_handler handler;
	void *context;
	int handled, error;
};

/* -- loading ---------------------------------------------------------------------------------- */

static bool has_text(const struct points *points)
{
	for (size_t i = 0; i < points->plans.length; i++) {
		const struct point_plan *plan = &points->plans.items[i];

		for (size_t k = 0; k < plan->args.length; k++) {
			if (plan->args.items[k].format == ARG_TEXT)
				return true;
		}
	}
	return false;
}

static uint64_t ring_bytes(uint64_t asked)
{
	uint64_t size = 4096;

	while (size < asked && size < 1ull << 31)
		size *= 2;
	return size;
}

static bool any_of(const struct points *points, enum point_kind a, enum point_kind b)
{
	for (size_t i = 0; i < points->sites.length; i++) {
		if (points->sites.items[i].kind == a || points->sites.items[i].kind == b)
			return true;
	}
	return false;
}

static void configure_maps(struct probe_bpf *skel, const struct point_request *request)
{
	const struct points *points = request->points;
	bool counts = request->mode == CHOP_PROBE_COUNTS,
	     values = request->latency || request->mode == CHOP_PROBE_VALUES;
	uint64_t buffer = request->buffer ? request->buffer : BUFFER_DEFAULT;

	bpf_map__set_max_entries(skel->maps.plans, (uint32_t)points->plans.length);
	bpf_map__set_max_entries(skel->maps.counts, (uint32_t)points->rows.length);
	/* Maps that are not used need no room. */
	bpf_map__set_max_entries(skel->maps.ring,
				 counts || values ? 4096 : (uint32_t)ring_bytes(buffer));
	if (!values)
		bpf_map__set_max_entries(skel->maps.sums, 1);
	if (!request->latency)
		bpf_map__set_max_entries(skel->maps.activations, 1);
	if (request->mode != CHOP_PROBE_STOPS)
		bpf_map__set_max_entries(skel->maps.stops, 1);
	if (!values && !(counts && request->tally.by != CHOP_BY_NOTHING))
		bpf_map__set_max_entries(skel->maps.tallies, 1);
}

static void configure(struct probe_bpf *skel, const struct point_request *request)
{
	skel->rodata->everyone = request->everyone;
	skel->rodata->mode = request->mode;
	skel->rodata->by = request->tally.by;
	skel->rodata->linear = request->tally.linear;
	skel->rodata->linear_low = request->tally.low;
	skel->rodata->linear_step = request->tally.step;
	skel->rodata->linear_count = request->tally.count;
	/* One more than is shown, to see whether there is more; and a NUL. */
	skel->rodata->text_limit = request->text_limit + 2;
	skel->rodata->with_text = has_text(request->points);
	skel->rodata->with_stack = request->stack_user || request->stack_kernel;
	skel->rodata->stack_user = request->stack_user;
	skel->rodata->stack_kernel = request->stack_kernel;
	skel->rodata->wait_full = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? WAIT_FULL_NS : 0;
}

/* Only what is needed is loaded: loading takes time, and old kernels refuse some. */
static void choose_programs(struct probe_bpf *skel, const struct point_request *request)
{
	bool user = any_of(request->points, POINT_USER, POINT_USDT);
	bool kernel = any_of(request->points, POINT_KERNEL, POINT_KERNEL);
	bool latency = request->latency;

	bpf_program__set_autoload(skel->progs.uprobe_hit, user && !latency);
	bpf_program__set_autoload(skel->progs.uprobe_begin, user && latency);
	bpf_program__set_autoload(skel->progs.uprobe_end, user && latency);
	bpf_program__set_autoload(skel->progs.kprobe_hit, kernel && !latency);
	bpf_program__set_autoload(skel->progs.kprobe_begin, kernel && latency);
	bpf_program__set_autoload(skel->progs.kprobe_end, kernel && latency);
	bpf_program__set_autoload(skel->progs.tracepoint_hit,
				  any_of(request->points, POINT_TRACEPOINT, POINT_TRACEPOINT));
	bpf_program__set_autoload(skel->progs.on_fork, request->follow);
	bpf_program__set_autoload(skel->progs.on_call_enter, request->mode == CHOP_PROBE_STOPS);
	bpf_program__set_autoload(skel->progs.on_call_exit, request->mode == CHOP_PROBE_STOPS);
	bpf_program__set_autoload(skel->progs.on_exec, !request->everyone);
	bpf_program__set_autoload(skel->progs.on_exit, !request->everyone);
}

/* Programs that may fault pages in (Linux 6.0), and attach to many places at once (6.6). */
static void set_abilities(struct probe_bpf *skel, bool sleeps, bool multi)
{
	struct bpf_program *programs[] = { skel->progs.uprobe_hit, skel->progs.uprobe_begin,
					   skel->progs.uprobe_end };

	skel->rodata->can_sleep = sleeps;
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		if (sleeps)
			bpf_program__set_flags(programs[i], BPF_F_SLEEPABLE);
		if (multi)
			bpf_program__set_expected_attach_type(programs[i], UPROBE_MULTI);
	}
}

static int load_once(struct bpf_source *s, bool sleeps)
{
	int error;

	s->skel = probe_bpf__open();
	if (!s->skel)
		return -errno;
	choose_programs(s->skel, s->request);
	configure_maps(s->skel, s->request);
	configure(s->skel, s->request);
	set_abilities(s->skel, sleeps, s->attachments.multi);
	error = probe_bpf__load(s->skel);
	if (error) {
		probe_bpf__destroy(s->skel);
		s->skel = NULL;
	}
	return error;
}

static int load(struct bpf_source *s)
{
	bool user = any_of(s->request->points, POINT_USER, POINT_USDT);
	int error;

	bpf_messages_to_log();
	s->attachments.multi = user && attach_multi_works();
	error = load_once(s, true);
	if (error && error != -EPERM && user)
		error = load_once(s, false);
	return error ? bpf_refused(error) : 0;
}

static int fill_plans(struct bpf_source *s)
{
	const struct points *points = s->request->points;
	int fd = bpf_map__fd(s->skel->maps.plans);
	struct chop_probe_plan plan;

	for (uint32_t i = 0; i < points->plans.length; i++) {
		point_plan_fill(&points->plans.items[i], &plan);
		if (bpf_map_update_elem(fd, &i, &plan, BPF_ANY))
			return err_sys(CHOP_MISSING, errno, "cannot set up a BPF map");
	}
	return 0;
}

/* -- who is watched ---------------------------------------------------------------------------- */

static int watch(struct bpf_source *s, pid_t pid, uint32_t flags)
{
	uint32_t key = (uint32_t)pid;

	if (kill(pid, 0) && errno == ESRCH)
		return err_set(CHOP_USAGE, ESRCH, "no process %d", pid);
	if (bpf_map_update_elem(bpf_map__fd(s->skel->maps.processes), &key, &flags, BPF_ANY))
		return err_sys(CHOP_MISSING, errno, "cannot watch process %d", pid);
	return 0;
}

static int watch_all(struct bpf_source *s)
{
	const struct point_request *request = s->request;
	int error = 0;

	if (request->argv) {
		error = child_start(&s->base.command, request->argv);
		if (!error && !request->everyone)
			error = watch(s, s->base.command.pid, WAIT_EXEC);
	}
	for (size_t i = 0; i < request->pid_count && !error; i++)
		error = watch(s, request->pids[i], 0);
	return error;
}

/* -- attaching ----------------------------------------------------------------------------------- */

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* A descriptor for each place, where not many can be had at once. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int attach(struct bpf_source *s)
{
	const struct point_request *request = s->request;
	size_t processes = request->pid_count + (request->argv != NULL);
	uint64_t start = now();
	int error;

	s->attachments.programs = (struct attach_programs){
		s->skel->progs.uprobe_hit,     s->skel->progs.uprobe_begin,
		s->skel->progs.uprobe_end,     s->skel->progs.kprobe_hit,
		s->skel->progs.kprobe_begin,   s->skel->progs.kprobe_end,
		s->skel->progs.tracepoint_hit,
	};
	/* One process alone gets the breakpoints; they do not concern the others then. */
	if (processes == 1 && !request->follow && !request->everyone)
		s->attachments.pid = request->argv ? s->base.command.pid : request->pids[0];
	raise_file_limit();
	/* Before the sites, so that the exec that begins the watching is itself seen. */
	error = probe_bpf__attach(s->skel);
	if (error)
		return err_sys(CHOP_MISSING, -error, "cannot attach BPF programs to tracepoints");
	error = attach_sites(&s->attachments, request);
	if (error)
		return err_sys(CHOP_MISSING, -error, "cannot attach to %s",
			       request->points->rows.items[0].name);
	s->base.attach_ns = now() - start;
	return 0;
}

/* -- reading -------------------------------------------------------------------------------------- */

static void take_texts(struct point_event *event, const struct point_plan *plan,
		       const struct chop_probe_record_text *full, uint32_t limit)
{
	for (size_t i = 0; i < plan->args.length; i++) {
		uint32_t at = (uint32_t)event->value[i], length = (uint32_t)(event->value[i] >> 32);

		if (plan->args.items[i].format != ARG_TEXT || (event->unread >> i & 1) ||
		    at > sizeof(full->text) || length > sizeof(full->text) - at)
			continue;
		event->text[i] = full->text + at;
		/* Without the NUL. */
		length -= length != 0;
		event->cut |= (uint32_t)(length > limit) << i;
		event->length[i] = length > limit ? limit : length;
	}
}

static void take_stacks(struct point_event *event, const struct chop_probe_record_stack *full,
			bool at_entry)
{
	event->user = full->user;
	event->kernel = full->kernel;
	event->user_count = full->user_size > 0 ? (size_t)full->user_size / 8 : 0;
	event->kernel_count = full->kernel_size > 0 ? (size_t)full->kernel_size / 8 : 0;
	event->caller = at_entry ? full->caller : 0;
}

static int on_record(void *context, void *data, size_t size)
{
	const struct chop_probe_record *record = data;
	struct bpf_source *s = context;
	const struct points *points = s->request->points;
	struct point_event event = {
		.time = record->head.time,
		.tid = (pid_t)record->head.tid,
		.pid = (pid_t)record->head.pid,
		.row = record->head.number,
		.plan = record->plan,
		.comm = record->comm,
		.unread = record->unread,
	};

	memcpy(event.value, record->value, sizeof(event.value));
	if (size >= sizeof(struct chop_probe_record_text))
		take_texts(&event, &points->plans.items[event.plan], data, s->request->text_limit);
	if (size >= sizeof(struct chop_probe_record_stack))
		take_stacks(&event, data, points->plans.items[event.plan].at_entry);
	s->handled++;
	s->error = s->handler(s->context, &event);
	return s->error ? -EINTR : 0;
}

static int bpf_read(struct point_source *source, point_handler handler, void *context)
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

static bool bpf_finished(struct point_source *source)
{
	struct bpf_source *s = (struct bpf_source *)source;
	uint32_t key;

	if (source->command.pid > 0 && !source->command.ended)
		return false;
	if (s->request->everyone)
		return source->command.pid > 0;
	return bpf_map_get_next_key(bpf_map__fd(s->skel->maps.processes), NULL, &key) == -ENOENT;
}

static void bpf_wait(struct point_source *source, unsigned int milliseconds)
{
	struct bpf_source *s = (struct bpf_source *)source;
	struct epoll_event event;

	epoll_wait(ring_buffer__epoll_fd(s->ring), &event, 1, (int)milliseconds);
}

/* Also the times a program could not run because one was running already on that processor. */
static uint64_t missed(struct bpf_program *program)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);
	int fd = bpf_program__fd(program);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size))
		return 0;
	return info.recursion_misses;
}

static uint64_t bpf_lost(struct point_source *source)
{
	struct bpf_source *s = (struct bpf_source *)source;
	uint64_t count = s->skel->bss->lost + s->skel->bss->lost_counts;
	struct bpf_program *program;

	/* A hit inside of a hit: the thread stops for that one. */
	if (s->request->mode == CHOP_PROBE_STOPS)
		return count;
	bpf_object__for_each_program(program, s->skel->obj) count += missed(program);
	return count;
}

/* -- what the kernel has counted ------------------------------------------------------------------ */

static int collect_counts(struct bpf_source *s, struct tally *tally)
{
	int cpus = libbpf_num_possible_cpus(), fd = bpf_map__fd(s->skel->maps.counts);
	cleanup_free uint64_t *each = xcalloc((size_t)cpus, sizeof(*each));

	for (uint32_t row = 0; row < s->request->points->rows.length; row++) {
		struct chop_probe_key key = { .row = row };
		uint64_t sum = 0;

		if (bpf_map_lookup_elem(fd, &row, each))
			return err_sys(CHOP_MISSING, errno, "cannot read the counts");
		for (int i = 0; i < cpus; i++)
			sum += each[i];
		tally_add(tally, &key, sum);
	}
	return 0;
}

static void collect_tallies(struct bpf_source *s, struct tally *tally)
{
	int counts = bpf_map__fd(s->skel->maps.tallies), sums = bpf_map__fd(s->skel->maps.sums);
	struct chop_probe_key key, *last = NULL;
	struct chop_probe_sum sum;
	uint64_t count;

	for (; !bpf_map_get_next_key(counts, last, &key); last = &key) {
		if (!bpf_map_lookup_elem(counts, &key, &count))
			tally_add(tally, &key, count);
	}
	for (last = NULL; !bpf_map_get_next_key(sums, last, &key); last = &key) {
		if (!bpf_map_lookup_elem(sums, &key, &sum))
			tally_add_sum(tally, key.row, key.id, sum.count, sum.sum);
	}
}

static int bpf_collect(struct point_source *source, struct tally *tally)
{
	struct bpf_source *s = (struct bpf_source *)source;

	if (s->request->mode == CHOP_PROBE_COUNTS && s->request->tally.by == CHOP_BY_NOTHING)
		return collect_counts(s, tally);
	collect_tallies(s, tally);
	return 0;
}

/* -- life ------------------------------------------------------------------------------------------- */

static int bpf_start(struct point_source *source)
{
	child_go(&source->command);
	return 0;
}

static void bpf_stop(struct point_source *source)
{
	struct bpf_source *s = (struct bpf_source *)source;

	attachments_release(&s->attachments);
}

static void bpf_errand(struct point_source *source, pid_t tid)
{
	struct bpf_source *s = (struct bpf_source *)source;

	__atomic_store_n(&s->skel->bss->errand, (uint32_t)tid, __ATOMIC_SEQ_CST);
}

static void bpf_stopped(struct point_source *source, pid_t tid)
{
	struct bpf_source *s = (struct bpf_source *)source;
	uint32_t key = (uint32_t)tid;

	bpf_map_delete_elem(bpf_map__fd(s->skel->maps.stops), &key);
}

static void bpf_close(struct point_source *source)
{
	struct bpf_source *s = (struct bpf_source *)source;

	child_close(&source->command);
	attachments_release(&s->attachments);
	if (s->ring)
		ring_buffer__free(s->ring);
	probe_bpf__destroy(s->skel);
	free(s);
}

static const struct point_source_ops ops = {
	.name = "BPF",
	.start = bpf_start,
	.read = bpf_read,
	.finished = bpf_finished,
	.wait = bpf_wait,
	.lost = bpf_lost,
	.stop = bpf_stop,
	.collect = bpf_collect,
	.errand = bpf_errand,
	.stopped = bpf_stopped,
	.close = bpf_close,
};

static int set_up(struct bpf_source *s)
{
	int error = load(s);

	if (!error)
		error = fill_plans(s);
	if (error)
		return error;
	s->ring = ring_buffer__new(bpf_map__fd(s->skel->maps.ring), on_record, s, NULL);
	if (!s->ring)
		return err_sys(CHOP_MISSING, errno, "cannot map the ring buffer");
	error = watch_all(s);
	return error ? error : attach(s);
}

int point_bpf_open(struct point_source **source, const struct point_request *request)
{
	struct bpf_source *s = xcalloc(1, sizeof(*s));
	int error;

	s->base.ops = &ops;
	s->request = request;
	s->base.command = (struct child)CHILD_INIT;
	error = set_up(s);
	if (error) {
		bpf_close(&s->base);
		return error;
	}
	*source = &s->base;
	return 0;
}

#endif
