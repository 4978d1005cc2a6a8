// SPDX-License-Identifier: Apache-2.0
/* Records, into the ring chop reads. */
#include "task.h"

#include "machine.h"

/* Waits end after a second: whoever should wake us may be gone. */
static long futex(uint32_t *word, int operation, uint32_t value)
{
	struct {
		int64_t seconds, nanoseconds;
	} second = { 1, 0 };

	return call6(__NR_futex, (uint64_t)word, (uint64_t)operation, value, (uint64_t)&second, 0,
		     0);
}

/* Bytes in the pipe only wake us; its end means that chop is gone. */
static bool chop_left(const struct pager *pager)
{
	uint8_t bytes[64];

	return !sys(__NR_read, (uint64_t)pager->pipe_in, (uint64_t)bytes, sizeof(bytes));
}

/*
 * Nothing is lost: when the ring is full the pager, and with it whoever faults, waits. A chop that
 * died meanwhile closes the pipe; the signal of that ends the wait. False: nobody will take records
 * out any more, and the memory is put back as soon as possible.
 */
static bool wait_for_space(struct pager *pager)
{
	struct pager_shared *shared = pager->shared;

	while (shared->head - __atomic_load_n(&shared->tail, __ATOMIC_ACQUIRE) >=
	       pager->setup.ring) {
		uint32_t seen = __atomic_load_n(&shared->wake, __ATOMIC_ACQUIRE);

		shared->waits++;
		__atomic_add_fetch(&shared->data, 1, __ATOMIC_RELEASE);
		futex(&shared->data, FUTEX_WAKE, 1);
		if (shared->head - __atomic_load_n(&shared->tail, __ATOMIC_ACQUIRE) <
		    pager->setup.ring)
			break;
		if (chop_left(pager))
			return false;
		futex(&shared->wake, FUTEX_WAIT, seen);
	}
	return true;
}

static void put(struct pager *pager, const struct pager_record *record)
{
	struct pager_shared *shared = pager->shared;
	uint64_t head = shared->head;

	if (head - __atomic_load_n(&shared->tail, __ATOMIC_ACQUIRE) >= pager->setup.ring &&
	    !wait_for_space(pager))
		return;
	shared->ring[head & (pager->setup.ring - 1)] = *record;
	__atomic_store_n(&shared->head, head + 1, __ATOMIC_RELEASE);
	if (((head + 1) & (pager->setup.ring / 2 - 1)) == 0) {
		__atomic_add_fetch(&shared->data, 1, __ATOMIC_RELEASE);
		futex(&shared->data, FUTEX_WAKE, 1);
	}
}

static const struct pager_call *call_of(const struct pager *pager, uint32_t thread)
{
	const struct pager_shared *shared = pager->shared;

	for (uint32_t i = 0, at = thread % PAGER_CALLS; i < PAGER_CALLS;
	     i++, at = (at + 1) % PAGER_CALLS) {
		const struct pager_call *call = &shared->calls[at];

		if (call->thread == thread)
			return call;
		if (!call->thread)
			break;
	}
	return NULL;
}

struct origin record_origin(const struct pager *pager, const struct uffd_message *message)
{
	const struct pager_call *call = call_of(pager, message->thread);
	struct origin origin = { .call = -1 };

	if (call && call->number >= 0)
		return (struct origin){ call->ip, PAGER_CALL, call->number };
	origin.flags = faults_origin(pager, message, &origin.ip);
	return origin;
}

void record_access(struct pager *pager, const struct uffd_message *message,
		   const struct origin *origin, uint64_t clock, uint32_t flags)
{
	struct pager_record record = {
		.clock = clock,
		.address = message->address,
		.ip = origin->ip,
		.thread = message->thread,
		.flags = (uint16_t)(flags | origin->flags),
		.call = (int16_t)origin->call,
	};

	put(pager, &record);
}

void record_late_write(struct pager *pager, const struct slot *slot)
{
	struct pager_record record = {
		.clock = machine_clock(),
		.address = slot->page,
		.thread = slot->thread,
		.flags = PAGER_WRITE | PAGER_LATE,
		.call = -1,
	};

	put(pager, &record);
}

void record_mark(struct pager *pager, uint64_t number)
{
	struct pager_record record = {
		.clock = machine_clock(),
		.address = number,
		.flags = PAGER_IS_MARK,
		.call = -1,
	};

	put(pager, &record);
}
