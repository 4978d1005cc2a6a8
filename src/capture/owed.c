// SPDX-License-Identifier: Apache-2.0
#include "capture/owed.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tracee/memory.h"
#include "tracee/threads.h"

/* The kernel itself follows no more than this many (ROBUST_LIST_LIMIT is 2048). */
#define LIST_MAX 2048
/* Of a thread's control block, from its thread pointer: glibc's has 0x900 bytes. */
#define CONTROL_BLOCK 0x900

static bool robust_head(const struct thread *thread, uint64_t *address)
{
	size_t size = 0;

	*address = 0;
	return !syscall(SYS_get_robust_list, thread->tid, address, &size) && *address;
}

static int read_word(const struct tracee *tracee, struct backend *armed, uint64_t address,
		     void *data, size_t size)
{
	if (armed)
		armed->ops->make_present(armed, address);
	return memory_read(tracee, address, data, size);
}

/*
 * The head's page, and of each mutex on the list its entry and its lock word. While
 * armed, each page must be made present before it can be read.
 */
static void list(const struct tracee *tracee, struct backend *armed, uint64_t head_address,
		 struct u64vec *out)
{
	struct robust_list_head head;
	uint64_t at;

	if (read_word(tracee, armed, head_address, &head, sizeof(head)))
		return;
	at = (uint64_t)head.list.next & ~(uint64_t)1;
	if (at == head_address && !head.list_op_pending)
		return; /* holds none */
	*vec_push(out) = head_address;
	if (head.list_op_pending)
		*vec_push(out) = (uint64_t)head.list_op_pending + (uint64_t)head.futex_offset;
	for (int i = 0; i < LIST_MAX && at && at != head_address; i++) {
		*vec_push(out) = at;
		*vec_push(out) = at + (uint64_t)head.futex_offset;
		if (read_word(tracee, armed, at, &at, sizeof(at)))
			return;
		at &= ~(uint64_t)1;
	}
}

void owed_find(const struct tracee *tracee, struct u64vec *addresses)
{
	for (size_t i = 0; i < tracee->threads.length; i++) {
		const struct thread *thread = tracee->threads.items[i];
		uint64_t head;

		if (!thread->exiting && robust_head(thread, &head))
			list(tracee, NULL, head, addresses);
	}
}

void owed_by(const struct tracee *tracee, struct backend *backend, const struct thread *thread)
{
	struct u64vec addresses = { 0 };
	struct chop_regs regs;
	uint64_t head;

	if (!thread_get_regs(thread, &regs)) {
		uint64_t block = arch_thread_pointer(&regs);

		backend->ops->make_present(backend, block);
		backend->ops->make_present(backend, block + CONTROL_BLOCK);
	}
	if (!robust_head(thread, &head))
		return;
	list(tracee, backend, head, &addresses);
	for (size_t i = 0; i < addresses.length; i++)
		backend->ops->make_present(backend, addresses.items[i]);
	vec_release(&addresses);
}
