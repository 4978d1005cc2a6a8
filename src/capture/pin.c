// SPDX-License-Identifier: Apache-2.0
#include "capture/pin.h"

#include <stddef.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/rseq.h>

#include "tracee/memory.h"
#include "tracee/proc_stat.h"

/* The kernel keeps it for the program in its rseq area, which is read much faster. */
static int cpu_by_rseq(const struct tracee *tracee, pid_t tid)
{
	struct __ptrace_rseq_configuration rseq = { 0 };
	int32_t cpu;

	if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, tid, sizeof(rseq), &rseq) < 0 ||
	    !rseq.rseq_abi_pointer ||
	    memory_read(tracee, rseq.rseq_abi_pointer + offsetof(struct rseq, cpu_id), &cpu,
			sizeof(cpu)))
		return -1;
	return cpu;
}

void pin_begin(struct pin *pin, const struct tracee *tracee, const struct thread *owner)
{
	cpu_set_t one;

	*pin = (struct pin){ .tid = owner->tid, .cpu = cpu_by_rseq(tracee, owner->tid) };
	if (pin->cpu < 0)
		pin->cpu = proc_stat_processor(owner->tid);
	if (pin->cpu < 0 || pin->cpu >= CPU_SETSIZE)
		pin->cpu = -1;
	if (pin->cpu < 0 || sched_getaffinity(owner->tid, sizeof(pin->owner), &pin->owner) ||
	    sched_getaffinity(0, sizeof(pin->self), &pin->self)) {
		pin->cpu = -1;
		return;
	}
	CPU_ZERO(&one);
	CPU_SET(pin->cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one) ||
	    sched_setaffinity(owner->tid, sizeof(one), &one)) {
		sched_setaffinity(0, sizeof(pin->self), &pin->self);
		pin->cpu = -1;
	}
}

void pin_end(struct pin *pin)
{
	if (pin->cpu < 0)
		return;
	sched_setaffinity(pin->tid, sizeof(pin->owner), &pin->owner);
	sched_setaffinity(0, sizeof(pin->self), &pin->self);
	pin->cpu = -1;
}
