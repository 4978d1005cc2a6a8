// SPDX-License-Identifier: Apache-2.0
#include "pages/fault_table.h"

#include <errno.h>
#include <stddef.h>

#ifdef HAVE_BPF

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <chop/pager_fault.h>

#include "base/alloc.h"
#include "pages.skel.h"
#include "tracee/bpf.h"
#include "tracee/give.h"

#define FIRST_NAMESPACE 0xeffffffcU /* PROC_PID_INIT_INO */

struct fault_table {
	struct pages_bpf *program;
	struct pager_faults *shared; /* mapped */
	bool used[PAGER_FAULT_SPACES];
	uint32_t next;
};

static int load(struct fault_table *table)
{
	struct stat namespace;
	int error;

	if (stat("/proc/self/ns/pid", &namespace))
		return -1;
	table->program = pages_bpf__open();
	if (!table->program)
		return -1;
	if (namespace.st_ino != FIRST_NAMESPACE) {
		table->program->rodata->namespace_device = namespace.st_dev;
		table->program->rodata->namespace_inode = namespace.st_ino;
	}
	error = pages_bpf__load(table->program);
	if (!error)
		error = pages_bpf__attach(table->program);
	if (error)
		return error;
	table->shared = mmap(NULL, sizeof(*table->shared), PROT_READ | PROT_WRITE, MAP_SHARED,
			     bpf_map__fd(table->program->maps.faults), 0);
	return table->shared == MAP_FAILED ? -1 : 0;
}

struct fault_table *fault_table_open(void)
{
	struct fault_table *table = xcalloc(1, sizeof(*table));

	table->shared = MAP_FAILED;
	bpf_messages_to_log();
	if (load(table)) {
		fault_table_close(table);
		table = NULL;
	}
	return table;
}

void fault_table_close(struct fault_table *table)
{
	if (!table)
		return;
	if (table->shared != MAP_FAILED)
		munmap(table->shared, sizeof(*table->shared));
	pages_bpf__destroy(table->program);
	free(table);
}

/* In turn: what a thread of an ended pager may still leave behind is nobody's for long. */
uint32_t fault_table_add_space(struct fault_table *table)
{
	for (uint32_t i = 0; table && i < PAGER_FAULT_SPACES; i++) {
		uint32_t space = table->next++ % PAGER_FAULT_SPACES;

		if (!space || table->used[space])
			continue;
		table->used[space] = true;
		return space;
	}
	return 0;
}

void fault_table_drop_space(struct fault_table *table, uint32_t space)
{
	if (table && space)
		table->used[space] = false;
}

int fault_table_send(const struct fault_table *table, int socket)
{
	return give_send(socket, bpf_map__fd(table->program->maps.faults));
}

/* The entry of a process, or one that is free for it; NULL: there is no room. */
static struct pager_fault_process *entry_of(struct pager_faults *faults, uint32_t process)
{
	struct pager_fault_process *unused = NULL;

	for (uint32_t i = 0; i < PAGER_FAULT_PROBES; i++) {
		struct pager_fault_process *entry =
			&faults->processes[(process + i) % PAGER_FAULT_PROCESSES];

		if (entry->pid == process)
			return entry;
		if (!entry->space && !unused)
			unused = entry;
		if (!entry->pid)
			break;
	}
	return unused;
}

void fault_table_watch(struct fault_table *table, pid_t process, uint32_t space)
{
	struct pager_fault_process *entry;

	if (!table)
		return;
	entry = entry_of(table->shared, (uint32_t)process);
	if (!entry || (!space && entry->pid != (uint32_t)process))
		return;
	entry->space = 0;
	__atomic_store_n(&entry->pid, (uint32_t)process, __ATOMIC_RELEASE);
	__atomic_store_n(&entry->space, space, __ATOMIC_RELEASE);
}

void fault_table_forget_process(struct fault_table *table, pid_t process)
{
	fault_table_watch(table, process, 0);
}

void fault_table_forget(struct fault_table *table, uint32_t space, pid_t thread)
{
	uint64_t owner = pager_fault_owner(space, (uint32_t)thread);

	if (!table || !space)
		return;
	for (uint32_t i = 0; i < PAGER_FAULT_PROBES; i++) {
		uint32_t index = (pager_fault_first(owner) + i) % PAGER_FAULT_SLOTS;

		if (table->shared->slots[index].owner == owner)
			__atomic_store_n(&table->shared->slots[index].owner, 0, __ATOMIC_RELEASE);
	}
}

#else

struct fault_table *fault_table_open(void)
{
	return NULL;
}

void fault_table_close(struct fault_table *table)
{
	(void)table;
}

uint32_t fault_table_add_space(struct fault_table *table)
{
	(void)table;
	return 0;
}

void fault_table_drop_space(struct fault_table *table, uint32_t space)
{
	(void)table;
	(void)space;
}

int fault_table_send(const struct fault_table *table, int socket)
{
	(void)table;
	(void)socket;
	return -ENOSYS;
}

void fault_table_watch(struct fault_table *table, pid_t process, uint32_t space)
{
	(void)table;
	(void)process;
	(void)space;
}

void fault_table_forget_process(struct fault_table *table, pid_t process)
{
	(void)table;
	(void)process;
}

void fault_table_forget(struct fault_table *table, uint32_t space, pid_t thread)
{
	(void)table;
	(void)space;
	(void)thread;
}

#endif
