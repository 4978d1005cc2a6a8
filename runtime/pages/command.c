// SPDX-License-Identifier: Apache-2.0
/* What chop tells the pager. */
#include "task.h"

#include "machine.h"

static long unpin(struct pager *pager)
{
	for (uint32_t i = 0; i < pager->unused && pager->pinned; i++) {
		struct slot *slot = &pager->slots[i];

		if (slot->list == LIST_FREE || !slot->pinned)
			continue;
		slot->pinned = 0;
		pager->pinned--;
	}
	return 0;
}

static long set_window(struct pager *pager, uint64_t open, uint64_t second)
{
	pager->setup.window = open;
	pager->setup.second = second;
	close_surplus(pager);
	return 0;
}

static long restore(struct pager *pager)
{
	restore_all(pager);
	pager->shared->state = PAGER_RESTORED;
	return 0;
}

static uint64_t cpu_time(void)
{
	struct {
		int64_t seconds, nanoseconds;
	} time = { 0, 0 };

	sys(__NR_clock_gettime, 2 /* CLOCK_PROCESS_CPUTIME_ID */, (uint64_t)&time, 0);
	return (uint64_t)time.seconds * 1000000000 + (uint64_t)time.nanoseconds;
}

static long run_window(struct pager *pager, const struct pager_command *command)
{
	switch (command->op) {
	case PAGER_WINDOW:
		return set_window(pager, command->start, command->end);
	case PAGER_SLICE:
		close_all(pager);
		return 0;
	case PAGER_SAMPLE:
		pager->setup.sample_limit = command->start;
		return 0;
	case PAGER_MARK:
		record_mark(pager, command->start);
		return 0;
	case PAGER_RESTORE:
		return restore(pager);
	case PAGER_EXIT:
		pager->shared->cpu_ns = cpu_time();
		pager->leaving = true;
		return 0;
	case PAGER_NOTHING:
		return 0;
	case PAGER_FAULT_TABLE:
		return faults_receive(pager, (uint32_t)command->start);
	case PAGER_HELLO:
		return sys(__NR_close, (uint64_t)pager->setup.pipe_out, 0, 0);
	default:
		return -EINVAL;
	}
}

static long run(struct pager *pager, const struct pager_command *command)
{
	switch (command->op) {
	case PAGER_VMA:
		return arm_vma(pager, command);
	case PAGER_GONE:
		return arm_gone(pager, command->start, command->end);
	case PAGER_MOVED:
		return arm_moved(pager, command);
	case PAGER_ADVISED:
		return arm_advised(pager, command->start, command->end, command->extra);
	case PAGER_RELEASE:
		return restore_range(pager, command->start, command->end);
	case PAGER_PIN:
		return fault_pin(pager, command->start & -PAGE);
	case PAGER_UNPIN:
		return unpin(pager);
	default:
		return run_window(pager, command);
	}
}

void command_run_all(struct pager *pager)
{
	struct pager_shared *shared = pager->shared;
	uint32_t sequence = __atomic_load_n(&shared->sequence, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < shared->count && i < PAGER_COMMANDS; i++)
		shared->commands[i].result = (int32_t)run(pager, &shared->commands[i]);
	if (!pager->leaving)
		fault_retry_deferred(pager, false);
	shared->open = pager->lists[LIST_OPEN].length;
	__atomic_store_n(&shared->replied, sequence, __ATOMIC_RELEASE);
	call6(__NR_futex, (uint64_t)&shared->replied, FUTEX_WAKE, 1, 0, 0, 0);
}
