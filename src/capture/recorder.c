// SPDX-License-Identifier: Apache-2.0
#include "capture/recorder.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/alloc.h"
#include "base/err.h"
#include "capture/policy.h"
#include "tracee/memory.h"
#include "tracee/modules.h"
#include "tracee/threads.h"

/* Results that mean "to be made again" and never reach the program. */
#define RESTART_FIRST (-516)
#define RESTART_LAST  (-512)
/* Words of struct rseq, and a flag of the call. */
enum { RSEQ_CPU_START, RSEQ_CPU, RSEQ_NODE = 5, RSEQ_CONCURRENCY, RSEQ_WORDS = 8 };
#define RSEQ_UNREGISTER 1
#define MAPPED_FILE_MAX ((uint64_t)256 << 20)

static uint64_t page_up(uint64_t address)
{
	return (address + CHOP_PAGE_SIZE - 1) & -(uint64_t)CHOP_PAGE_SIZE;
}

static struct syslog *log_of(struct recorder *recorder)
{
	return &recorder->capture->calls;
}

void recorder_begin(struct recorder *recorder, struct tracee *tracee, struct backend *backend,
		    struct thread *owner, struct capture *capture)
{
	*recorder = (struct recorder){
		.tracee = tracee,
		.backend = backend,
		.owner = owner,
		.capture = capture,
	};
	for (size_t i = 0; i < capture->maps.length; i++) {
		if (!strcmp(capture->maps.items[i].path, "[heap]"))
			recorder->heap_end = capture->maps.items[i].end;
	}
}

void recorder_finish(struct recorder *recorder)
{
	vec_release(&recorder->fresh);
	vec_release(&recorder->home);
	vec_release(&recorder->named);
	mappings_release(&recorder->maps);
	if (recorder->open)
		syslog_cancel(log_of(recorder));
	recorder->open = false;
}

/* -- refusals ------------------------------------------------------------------------------ */

static int refuse(struct recorder *recorder, const char *reason)
{
	cleanup_free char *place = module_describe(recorder->tracee, recorder->ip);
	cleanup_free char *number = xasprintf("%ld", recorder->call.number);
	const char *name = arch_call_name(recorder->call.number);

	return err_set(CHOP_DIFFERS, EOPNOTSUPP,
		       "invocation %" PRIu64 " makes the system call %s at %s, which cannot be "
		       "recorded: %s",
		       recorder->capture->invocation, name ? name : number, place, reason);
}

static bool overlaps(uint64_t start, uint64_t end, uint64_t other_start, uint64_t other_end)
{
	return start < other_end && other_start < end;
}

static bool was_mapped(const struct recorder *recorder, const struct call_change *change)
{
	for (size_t i = 0; i < recorder->capture->maps.length; i++) {
		const struct capture_mapping *mapping = &recorder->capture->maps.items[i];

		if (overlaps(change->start, change->end, mapping->start, mapping->end))
			return true;
	}
	return false;
}

/* All of what is attached there goes. */
static void find_attached(const struct recorder *recorder, struct call_change *change)
{
	const struct capture_mapping *mapping =
		capture_mapping_at(recorder->capture, change->start);

	if (mapping && mapping->start == change->start)
		change->end = mapping->end;
}

/* Changes of memory the program had when the region began: it is not where it seems. */
static unsigned int find_changes(const struct recorder *recorder, long number,
				 const uint64_t args[6], struct call_change kept[2])
{
	struct call_change changes[2];
	unsigned int count = policy_changes(number, args, recorder->heap_end, changes), found = 0;

	for (unsigned int i = 0; i < count; i++) {
		if (recorder->call.number == SYS_shmdt)
			find_attached(recorder, &changes[i]);
		if (was_mapped(recorder, &changes[i]))
			kept[found++] = changes[i];
	}
	return found;
}

static int release(struct recorder *recorder, struct thread *thread,
		   const struct call_change *changes, unsigned int count)
{
	int error = 0;

	for (unsigned int i = 0; i < count && !error; i++) {
		*vec_push(&recorder->home) = changes[i].start;
		*vec_push(&recorder->home) = changes[i].end;
		error = recorder->backend->ops->release(recorder->backend, thread, changes[i].start,
							changes[i].end, changes[i].moves);
	}
	return error;
}

int recorder_release(struct recorder *recorder)
{
	return release(recorder, recorder->owner, recorder->changes, recorder->change_count);
}

/* -- memory ------------------------------------------------------------------------------- */

/* What the program would see there; pages it has not touched are recorded as touched. */
int recorder_read(void *context, uint64_t address, void *data, size_t size)
{
	struct recorder *recorder = context;

	for (uint64_t page = address & -(uint64_t)CHOP_PAGE_SIZE; page < address + size;
	     page += CHOP_PAGE_SIZE)
		recorder->backend->ops->make_present(recorder->backend, page);
	return memory_read(recorder->tracee, address, data, size);
}

/* As much as can be read, at most `size`: buffers may reach into nothing. */
static uint64_t read_prefix(struct recorder *recorder, uint64_t address, uint8_t *data,
			    uint64_t size)
{
	uint64_t done = 0;

	while (done < size) {
		uint64_t at = address + done;
		uint64_t part = CHOP_PAGE_SIZE - (at & (CHOP_PAGE_SIZE - 1));

		if (part > size - done)
			part = size - done;
		if (recorder_read(recorder, at, data + done, part))
			break;
		done += part;
	}
	return done;
}

/* What can be read of [address, address + size), by syslog_input or syslog_write. */
static int add_bytes(struct recorder *recorder, uint64_t address, uint64_t size,
		     void (*add)(struct syslog *, uint64_t, const void *, uint64_t))
{
	cleanup_free uint8_t *data = malloc(size);
	uint64_t got;

	if (!data)
		return -ENOMEM;
	got = read_prefix(recorder, address, data, size);
	if (got)
		add(log_of(recorder), address, data, got);
	return 0;
}

static int add_input(void *context, uint64_t address, uint64_t size)
{
	return add_bytes(context, address, size, syslog_input);
}

static int add_output(void *context, uint64_t address, uint64_t size)
{
	return add_bytes(context, address, size, syslog_write);
}

static int add_change(void *context, uint64_t address, const uint8_t *bytes, size_t size)
{
	struct recorder *recorder = context;

	syslog_write(log_of(recorder), address, bytes, size);
	return 0;
}

static int out_of_memory(int error)
{
	return error == -ENOMEM ? err_set(CHOP_MISSING, ENOMEM, "out of memory") : error;
}

/* -- entry -------------------------------------------------------------------------------- */

static bool is_output(const struct recorder *recorder)
{
	long number = recorder->call.number;
	uint64_t fd = recorder->call.args[0];

	return (number == SYS_write || number == SYS_writev) &&
	       (fd == STDOUT_FILENO || fd == STDERR_FILENO);
}

static void open_record(struct recorder *recorder, enum call_policy policy)
{
	struct chop_event event = {
		.kind = CHOP_EVENT_CALL,
		.thread = (uint32_t)recorder->owner->tid,
		.number = (int32_t)recorder->call.number,
		.ip = recorder->ip,
	};

	if (policy == POLICY_EXECUTE)
		event.flags |= CHOP_EVENT_EXECUTE;
	if (policy == POLICY_END)
		event.flags |= CHOP_EVENT_LAST;
	if (is_output(recorder))
		event.flags |= CHOP_EVENT_OUTPUT;
	memcpy(event.args, recorder->call.args, sizeof(event.args));
	syslog_begin(log_of(recorder), &event);
	recorder->open = true;
}

/* The descriptor to be mapped is one whose memory the kernel writes at any time. */
static const char *maps_ring(const struct recorder *recorder)
{
	static const char *const kinds[] = { "anon_inode:[perf_event]", "anon_inode:[io_uring]" };
	const uint64_t *args = recorder->call.args;
	cleanup_free char *path = NULL;
	char target[64] = { 0 };

	if (recorder->call.number != SYS_mmap || args[3] & MAP_ANONYMOUS)
		return NULL;
	path = xasprintf("/proc/%d/fd/%d", recorder->owner->tid, (int)args[4]);
	if (readlink(path, target, sizeof(target) - 1) < 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!strcmp(target, kinds[i]))
			return "it maps a ring that the kernel writes at any time";
	}
	return NULL;
}

static enum call_policy find_policy(struct recorder *recorder, const char **reason)
{
	uint64_t args[6] = { 0 };

	*reason = maps_ring(recorder);
	if (*reason)
		return POLICY_REFUSE;
	if (recorder->call.number != SYS_clone3)
		return policy_of(recorder->call.number, recorder->call.args, reason);
	/* Unreadable, the call fails and does nothing. */
	if (recorder_read(recorder, recorder->call.args[0], args, sizeof(*args)))
		args[0] = CLONE_THREAD;
	return policy_of(SYS_clone, args, reason);
}

/* A call that was interrupted goes on under another number, as the same call. */
static bool continues(struct recorder *recorder, const struct arch_call *call)
{
	bool same = recorder->restarting &&
		    (call->number == SYS_restart_syscall || call->number == recorder->call.number);

	recorder->restarting = false;
	return same && recorder->open;
}

int recorder_enter(struct recorder *recorder, const struct chop_regs *regs)
{
	enum call_policy policy;
	struct arch_call call;
	const char *reason;
	const struct call *known;
	int error;

	arch_get_call(regs, &call);
	if (continues(recorder, &call))
		return 0;
	if (recorder->open)
		syslog_cancel(log_of(recorder));
	recorder->open = recorder->compared = false;
	recorder->at = *regs;
	recorder->ip = arch_call_pc(regs);
	recorder->call = (struct call_instance){ .number = call.number };
	memcpy(recorder->call.args, call.args, sizeof(call.args));
	policy = find_policy(recorder, &reason);
	recorder->split = recorder->splits && policy != POLICY_END;
	if (recorder->split || recorder->ends)
		policy = POLICY_END;
	if (policy == POLICY_REFUSE)
		return refuse(recorder, reason);
	recorder->change_count = find_changes(recorder, call.number, call.args, recorder->changes);
	open_record(recorder, policy);
	call_enter(&recorder->call, recorder_read, recorder);
	error = call_inputs(&recorder->call, recorder_read, add_input, recorder);
	if (error < 0)
		return out_of_memory(error);
	recorder->ended = policy == POLICY_END;
	if (recorder->ended) {
		/* An exit is an end like any other. */
		if (!recorder->split && call.number != SYS_exit && call.number != SYS_exit_group)
			capture_warn(recorder->capture,
				     "the region ends before its system call %s: %s",
				     arch_call_name(call.number), reason);
		syslog_end(log_of(recorder));
		recorder->open = false;
		return 0;
	}
	recorder_expect(recorder);
	known = call_find(call.number);
	if (known)
		call_shape_of(known, call.args, &recorder->shape);
	/* A call from before the region goes on: where it writes to is not told here. */
	if (call.number == SYS_restart_syscall)
		known = NULL;
	return !known || recorder->shape.partial ? recorder_wait(recorder) : 0;
}

int recorder_wait(struct recorder *recorder)
{
	int error;

	/* What has changed since is still to be told. */
	if (recorder->compared)
		return 0;
	error = recorder->backend->ops->snapshot(recorder->backend);

	recorder->compared = !error;
	return error;
}

/* -- exit --------------------------------------------------------------------------------- */

static void add_fresh(struct recorder *recorder, uint64_t start, uint64_t size)
{
	*vec_push(&recorder->fresh) = start;
	*vec_push(&recorder->fresh) = start + size;
}

static int record_mapping(struct recorder *recorder)
{
	const uint64_t *args = recorder->call.args;
	uint64_t size = page_up(args[1]);

	add_fresh(recorder, (uint64_t)recorder->call.result, size);
	if (args[3] & MAP_ANONYMOUS)
		return 0;
	if (size > MAPPED_FILE_MAX)
		return err_set(CHOP_DIFFERS, EFBIG,
			       "invocation %" PRIu64 " maps %" PRIu64
			       " MB of a file: too much to record",
			       recorder->capture->invocation, size >> 20);
	return add_output(recorder, (uint64_t)recorder->call.result, size);
}

static int record_attach(struct recorder *recorder)
{
	struct capture_mapping_vec maps = { 0 };
	const struct capture_mapping *mapping;
	int error = mappings_read(recorder->tracee, &maps);

	mapping = error ? NULL : mappings_find(&maps, (uint64_t)recorder->call.result);
	if (mapping) {
		syslog_event(log_of(recorder))->extra[0] = mapping->end - mapping->start;
		error = add_output(recorder, mapping->start, mapping->end - mapping->start);
	}
	mappings_release(&maps);
	return error;
}

/* The replay has no heap of its own: it is told from where to where this one went. */
static void record_heap(struct recorder *recorder)
{
	uint64_t end = page_up((uint64_t)recorder->call.result);
	struct chop_event *event = syslog_event(log_of(recorder));

	event->extra[0] = recorder->heap_end ? recorder->heap_end : end;
	event->extra[1] = end;
	if (end > event->extra[0])
		add_fresh(recorder, event->extra[0], end - event->extra[0]);
	recorder->heap_end = end;
}

static uint32_t protection_of(const struct recorder *recorder, uint64_t address)
{
	const struct capture_mapping *mapping = capture_mapping_at(recorder->capture, address);
	uint32_t flags = mapping ? mapping->flags : 0;

	return (flags & PAGE_READ ? PROT_READ : 0) | (flags & PAGE_WRITE ? PROT_WRITE : 0) |
	       (flags & PAGE_EXECUTE ? PROT_EXEC : 0);
}

/* A replay has a file where the original had anonymous memory. */
static void record_entry_memory(struct recorder *recorder)
{
	uint64_t address = recorder->call.args[0];
	const struct capture_mapping *mapping = capture_mapping_at(recorder->capture, address);
	struct chop_event *event = syslog_event(log_of(recorder));

	if (!recorder->change_count || !mapping)
		return;
	event->extra[0] = mapping->path[0] == '/' ? CHOP_MEMORY_FILE : CHOP_MEMORY_ANONYMOUS;
	event->extra[1] = protection_of(recorder, address);
}

static bool failed(int64_t result)
{
	return result < 0 && result > -4096;
}

static int settle(struct recorder *recorder, const struct call_change *changes, unsigned int count,
		  bool gone)
{
	int error = 0;

	for (unsigned int i = 0; i < count && !error; i++)
		error = recorder->backend->ops->settle(recorder->backend, changes[i].start,
						       changes[i].end, gone);
	return error;
}

static int settle_call(struct recorder *recorder)
{
	bool gone = !failed(recorder->call.result) &&
		    policy_takes_away(recorder->call.number, recorder->call.args);
	int error = settle(recorder, recorder->changes, recorder->change_count, gone);

	recorder->change_count = 0;
	return error;
}

/*
 * The kernel writes the area from now on, whenever it likes, first on the way out of this call:
 * the owner stays on its processor meanwhile, which is ours. struct rseq of linux/rseq.h.
 */
static void record_rseq(struct recorder *recorder)
{
	uint64_t address = recorder->call.args[0];
	uint32_t area[RSEQ_WORDS] = { 0 };
	unsigned int cpu = 0, node = 0;

	if (recorder->call.args[2] & RSEQ_UNREGISTER || getcpu(&cpu, &node) ||
	    recorder_read(recorder, address, area, sizeof(area)))
		return;
	area[RSEQ_CPU_START] = area[RSEQ_CPU] = cpu;
	area[RSEQ_NODE] = node;
	area[RSEQ_CONCURRENCY] = 0;
	syslog_write(log_of(recorder), address, area, sizeof(area));
	recorder->capture->rseq_address = address;
	recorder->capture->rseq_size = (uint32_t)recorder->call.args[1];
}

/* What a replay must know of a call that it makes again. */
static int record_execution(struct recorder *recorder)
{
	if (failed(recorder->call.result))
		return 0;
	switch (recorder->call.number) {
	case SYS_rseq:
		record_rseq(recorder);
		return 0;
	case SYS_mmap:
		return record_mapping(recorder);
	case SYS_shmat:
		return record_attach(recorder);
	case SYS_brk:
		record_heap(recorder);
		return 0;
	case SYS_mremap:
		add_fresh(recorder, (uint64_t)recorder->call.result,
			  page_up(recorder->call.args[2]));
		record_entry_memory(recorder);
		return 0;
	case SYS_madvise:
		record_entry_memory(recorder);
		return 0;
	default:
		return 0;
	}
}

bool recorder_restarts(int64_t result)
{
	return result >= RESTART_FIRST && result <= RESTART_LAST;
}

int recorder_compare(struct recorder *recorder)
{
	int error;

	if (!recorder->compared)
		return 0;
	recorder->compared = false;
	error = recorder_others_end(recorder);
	if (error)
		return error;
	syslog_event(log_of(recorder))->flags |= CHOP_EVENT_TRACKED;
	return recorder->backend->ops->changes(recorder->backend, add_change, recorder);
}

/* The call is over: with `result` for the program. */
static int finish_call(struct recorder *recorder, int64_t result)
{
	struct syslog *log = log_of(recorder);
	int error;

	syslog_event(log)->result = result;
	error = call_outputs(&recorder->call, recorder_read, add_output, recorder);
	if (error >= 0)
		error = recorder_compare(recorder);
	if (error >= 0)
		error = record_execution(recorder);
	if (error >= 0)
		error = settle_call(recorder);
	if (error < 0)
		return out_of_memory(error);
	syslog_end(log);
	recorder->open = false;
	return 0;
}

int recorder_exit(struct recorder *recorder, const struct chop_regs *regs)
{
	struct arch_call call;

	if (!recorder->open)
		return 0;
	arch_get_call(regs, &call);
	recorder->restarting = recorder_restarts(call.result);
	if (recorder->restarting)
		return 0;
	recorder->call.result = call.result;
	if (recorder->call.number == SYS_clone || recorder->call.number == SYS_clone3)
		recorder->started_thread |= call.result > 0;
	return finish_call(recorder, call.result);
}

int recorder_break(struct recorder *recorder, const struct chop_regs *regs)
{
	struct arch_call call;

	arch_get_call(regs, &call);
	/* What it wrote is what an interrupted call writes. */
	recorder->call.result = recorder_restarts(call.result) ? -EINTR : call.result;
	recorder->restarting = false;
	return finish_call(recorder, call.result);
}

/* -- other threads ------------------------------------------------------------------------- */

void recorder_changes_of(const struct recorder *recorder, const struct arch_call *call,
			 struct other_call *other)
{
	other->number = call->number;
	memcpy(other->args, call->args, sizeof(other->args));
	other->change_count = find_changes(recorder, call->number, call->args, other->changes);
}

int recorder_release_for(struct recorder *recorder, struct thread *thread,
			 const struct other_call *other)
{
	return release(recorder, thread, other->changes, other->change_count);
}

int recorder_settle_for(struct recorder *recorder, const struct other_call *other, int64_t result)
{
	bool gone = !failed(result) && policy_takes_away(other->number, other->args);

	for (unsigned int i = 0; i < other->change_count; i++) {
		*vec_push(&recorder->named) = other->changes[i].start;
		*vec_push(&recorder->named) = other->changes[i].end;
	}
	if (other->number == SYS_brk && !failed(result))
		recorder->heap_end = page_up((uint64_t)result);
	return settle(recorder, other->changes, other->change_count, gone);
}
