// SPDX-License-Identifier: Apache-2.0
#include "tracee/fault_event.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef TRAP_PERF
#define TRAP_PERF 6 /* si_code, Linux 5.13 */
#endif

int fault_event_begin(struct tracee *tracee, const struct thread *thread)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_PAGE_FAULTS,
		.size = sizeof(attr),
		.sample_period = 1,
		.exclude_kernel = 1,
		.exclude_hv = 1,
		/* The kernel sends SIGTRAP before the thread executes anything more. */
		.sigtrap = 1,
		.remove_on_exec = 1,
	};
	long fd = syscall(SYS_perf_event_open, &attr, thread->tid, -1, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		return -errno;
	/* 0 says that there is none. */
	tracee->fault_event = fcntl((int)fd, F_DUPFD_CLOEXEC, 3);
	close((int)fd);
	return tracee->fault_event < 0 ? -errno : 0;
}

void fault_event_end(struct tracee *tracee)
{
	if (tracee->fault_event > 0)
		close(tracee->fault_event);
	tracee->fault_event = 0;
}

void fault_event_pause(const struct tracee *tracee, bool pause)
{
	if (tracee->fault_event > 0)
		ioctl(tracee->fault_event, pause ? PERF_EVENT_IOC_DISABLE : PERF_EVENT_IOC_ENABLE,
		      0);
}

bool fault_event_stopped(const struct tracee *tracee, const struct thread *thread,
			 uint64_t *address)
{
	*address = (uint64_t)thread->info.si_addr;
	return tracee->fault_event > 0 && thread->info.si_signo == SIGTRAP &&
	       thread->info.si_code == TRAP_PERF;
}
