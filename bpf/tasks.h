/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The threads that are watched, the ring buffer, and what both kinds of tracing do with them. */
#ifndef BPF_TASKS_H
#define BPF_TASKS_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include <chop/event.h>

#define TASK_WAIT_EXEC CHOP_TASK_WAIT_EXEC
#define TASK_IN_CALL   CHOP_TASK_IN_CALL
#define TASK_NEW       CHOP_TASK_NEW

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, u32);
	__type(value, struct chop_task);
} tasks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 << 20);
} ring SEC(".maps");

/* Set before loading. */
const volatile bool follow = true;	 /* threads and children of watched threads, too */
const volatile bool tell_tasks = true;	 /* records of beginnings and ends */
const volatile __u64 wait_full = 0;	 /* ns to wait for room in the ring before giving up */
const volatile __u64 wake_at = 16 << 20; /* bytes in the ring at which the reader is woken */

/* Read by the tool. */
__u64 lost = 0;	      /* records there was no room for */
__u64 lost_tasks = 0; /* threads that could not be followed */
__u64 waited = 0;     /* times a thread waited for room */

/* The reader polls; it is woken only when it has fallen behind. */
static __always_inline u64 wake_flags(void)
{
	return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > wake_at ? BPF_RB_FORCE_WAKEUP
								     : BPF_RB_NO_WAKEUP;
}

/*
 * Send a record. A full ring is waited for a moment: the reader, on another processor, takes
 * thousands of records in that time, and slowing the program down beats losing what it did.
 */
static __noinline void put_slowly(void *record, u64 size)
{
	u64 until = bpf_ktime_get_ns() + wait_full;

	__sync_fetch_and_add(&waited, 1);
	for (int i = 0; i < 2048 && wait_full; i++) {
		if (!bpf_ringbuf_output(&ring, record, size, BPF_RB_FORCE_WAKEUP))
			return;
		if (bpf_ktime_get_ns() > until)
			break;
	}
	__sync_fetch_and_add(&lost, 1);
}

static __always_inline void put(void *record, u64 size)
{
	if (bpf_ringbuf_output(&ring, record, size, wake_flags()))
		put_slowly(record, size);
}

static __always_inline void fill_head(struct chop_live_head *head, u32 kind, u32 number)
{
	u64 id = bpf_get_current_pid_tgid();

	head->time = bpf_ktime_get_ns();
	head->tid = (u32)id;
	head->pid = id >> 32;
	head->kind = (u16)kind;
	head->flags = 0;
	head->number = number;
}

static __always_inline struct chop_task *current_task(void)
{
	u32 tid = (u32)bpf_get_current_pid_tgid();

	return bpf_map_lookup_elem(&tasks, &tid);
}

/* -- beginnings and ends of threads --------------------------------------------------------- */

SEC("raw_tp/sched_process_fork")
int on_fork(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *child = (void *)ctx->args[1];
	struct chop_task *parent = current_task();
	struct chop_task fresh = { .flags = TASK_NEW };
	struct chop_live_task record;
	u32 tid;

	if (!parent || !follow)
		return 0;
	tid = BPF_CORE_READ(child, pid);
	fresh.flags |= parent->flags & TASK_WAIT_EXEC;
	if (bpf_map_update_elem(&tasks, &tid, &fresh, BPF_ANY)) {
		__sync_fetch_and_add(&lost_tasks, 1);
		return 0;
	}
	if (!tell_tasks || (parent->flags & TASK_WAIT_EXEC))
		return 0;
	__builtin_memset(&record, 0, sizeof(record));
	fill_head(&record.head, CHOP_LIVE_FORK, 0);
	record.other = tid;
	record.other_pid = BPF_CORE_READ(child, tgid);
	put(&record, sizeof(record));
	return 0;
}

SEC("raw_tp/sched_process_exit")
int on_task_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *self = (void *)ctx->args[0];
	struct chop_task *task = current_task();
	struct chop_live_task record;
	u64 id = bpf_get_current_pid_tgid();
	u32 tid = (u32)id;

	if (!task)
		return 0;
	/* The first thread of a process where another runs execve: that one takes its place. */
	if (tid == id >> 32 && bpf_core_field_exists(self->signal->group_exec_task) &&
	    BPF_CORE_READ(self, signal, group_exec_task))
		return 0;
	__builtin_memset(&record, 0, sizeof(record));
	fill_head(&record.head, CHOP_LIVE_TASK_EXIT, 0);
	record.status = BPF_CORE_READ(self, exit_code);
	/* The record first: when no thread is left, all has been said. */
	if (tell_tasks)
		put(&record, sizeof(record));
	bpf_map_delete_elem(&tasks, &tid);
	return 0;
}

#endif
