// SPDX-License-Identifier: Apache-2.0
/*
 * The table of the threads' last faults, which a BPF program fills in (chop/pager_fault.h): it
 * says which instruction a fault came from, and often makes it unnecessary to ask userfaultfd
 * for the next one.
 */
#include "task.h"

#include "machine.h"

void faults_open(struct pager *pager)
{
	pager->faults = NULL;
	if (pager->setup.wants_faults)
		parcel_open(pager);
}

long faults_receive(struct pager *pager, uint32_t space)
{
	uint64_t size = (sizeof(struct pager_faults) + PAGE - 1) & -PAGE;
	long fd = parcel_receive(pager), error;

	parcel_close(pager);
	if (fd < 0)
		return fd;
	error = sys_map(PAGER_FAULTS, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			(int)fd);
	sys(__NR_close, (uint64_t)fd, 0, 0);
	if (error < 0)
		return error;
	pager->space = space;
	pager->faults = (struct pager_faults *)PAGER_FAULTS;
	return 0;
}

static struct pager_fault *find(const struct pager *pager, uint32_t thread)
{
	uint64_t owner = pager_fault_owner(pager->space, thread);
	uint32_t first = pager_fault_first(owner);

	for (uint32_t i = 0; i < PAGER_FAULT_PROBES; i++) {
		struct pager_fault *fault = &pager->faults->slots[(first + i) % PAGER_FAULT_SLOTS];

		if (fault->owner == owner)
			return fault;
	}
	return NULL;
}

/* Kernels before 5.18 tell only the page. */
static bool same_fault(const struct pager_fault *fault, uint64_t address)
{
	return address % PAGE ? fault->address == address : (fault->address & -PAGE) == address;
}

/*
 * The thread's last fault is this one, or what the kernel touches besides system calls (a
 * signal's frame, the rseq area) is at another address. It may be asked for more than once: when
 * the page was closed again before the thread had a processor, it is still in the same fault.
 */
uint32_t faults_origin(const struct pager *pager, const struct uffd_message *message, uint64_t *ip)
{
	const struct pager_fault *fault;

	if (!pager->faults)
		return 0;
	fault = find(pager, message->thread);
	if (fault && same_fault(fault, message->address)) {
		*ip = fault->ip;
		return PAGER_HAS_IP;
	}
	return pager->faults->lost ? 0 : PAGER_NO_IP;
}

static uint64_t latest(const struct pager *pager, struct pager_fault **fault)
{
	uint32_t index = __atomic_load_n(&pager->faults->last[pager->space], __ATOMIC_ACQUIRE) %
			 PAGER_FAULT_SLOTS;

	*fault = &pager->faults->slots[index];
	return (uint64_t)index << 32 | __atomic_load_n(&(*fault)->sequence, __ATOMIC_ACQUIRE);
}

void faults_note(struct pager *pager)
{
	struct pager_fault *fault;

	if (pager->faults)
		pager->fault_noted = latest(pager, &fault);
}

/* Will end in userfaultfd's queue, if it is not there yet. */
static bool is_for_us(struct pager *pager, const struct pager_fault *fault)
{
	uint64_t page = fault->address & -PAGE;
	const struct range *range = range_find(pager, page);
	const struct slot *slot = window_find(pager, page);

	if (fault->owner >> 32 != pager->space || fault->flags & PAGER_FAULT_PRESENT || !range ||
	    !moves(range))
		return false;
	if (fault->flags & PAGER_FAULT_FETCH && !(range->protection & PROT_EXEC))
		return false;
	return !slot || slot->list == LIST_SECOND;
}

/*
 * A fault that came while the last one was served: mostly the thread runs as soon as it has its
 * page, before we do, and is back in the queue when we go on. Then there is nothing to wait for,
 * and no need to read what userfaultfd has to say: the queue forgets it when its page is moved
 * in. Only a fault that came since: nothing has changed between it and now. When the thread has
 * not got as far as the queue yet, it will find its page there.
 */
bool faults_next(struct pager *pager, struct uffd_message *message)
{
	uint64_t before = pager->fault_noted;
	struct pager_fault *fault;

	if (!pager->faults || pager->setup.slices || pager->setup.copies || pager->deferred_count ||
	    latest(pager, &fault) == before || !is_for_us(pager, fault))
		return false;
	*message = (struct uffd_message){
		.event = UFFD_EVENT_FAULT,
		.flags = fault->flags & PAGER_FAULT_WRITE ? UFFD_FLAG_WRITE : 0,
		.address = fault->address,
		.thread = (uint32_t)fault->owner,
	};
	return true;
}
