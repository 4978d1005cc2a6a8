// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Where page faults of the traced processes come from: address and instruction of each. */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include <chop/pager_fault.h>

struct bpf_pidns_info {
	__u32 pid, tgid;
};

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Set before loading: the pid namespace of the tool, whose numbers are used; 0: the first. */
const volatile __u64 namespace_device = 0, namespace_inode = 0;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct pager_faults);
} faults SEC(".maps");

/* Numbers as the tool sees them; in the first namespace they are the kernel's own. */
static __always_inline bool get_ids(struct bpf_pidns_info *ids)
{
	__u64 both;

	if (namespace_inode)
		return !bpf_get_ns_current_pid_tgid(namespace_device, namespace_inode, ids,
						    sizeof(*ids));
	both = bpf_get_current_pid_tgid();
	ids->pid = (__u32)both;
	ids->tgid = both >> 32;
	return true;
}

/* 0: nobody's. Most page faults of the machine come no further. */
static __always_inline u32 space_of(struct pager_faults *table, u32 process)
{
	for (u32 i = 0; i < PAGER_FAULT_PROBES; i++) {
		struct pager_fault_process *entry =
			&table->processes[(process + i) & (PAGER_FAULT_PROCESSES - 1)];

		if (entry->pid == process)
			return entry->space & (PAGER_FAULT_SPACES - 1);
		if (!entry->pid)
			return 0;
	}
	return 0;
}

/* The thread's number in its own namespace, which userfaultfd tells the pager. */
static __always_inline u32 own_number(u32 number)
{
	struct pid *pid = bpf_get_current_task_btf()->thread_pid;
	u32 level = pid->level, own = 0;

	if (!level)
		return number;
	/* Entries are larger than what vmlinux.h has of them. */
	bpf_core_read(&own, sizeof(own),
		      (void *)&pid->numbers[0].nr + level * bpf_core_type_size(struct upid));
	return own;
}

/* The thread's slot; a free one becomes its own. */
static __always_inline struct pager_fault *slot_of(struct pager_faults *table, u64 owner,
						   u32 *index)
{
	u32 first = pager_fault_first(owner);

	for (u32 i = 0; i < PAGER_FAULT_PROBES; i++) {
		*index = (first + i) & (PAGER_FAULT_SLOTS - 1);
		if (table->slots[*index].owner == owner)
			return &table->slots[*index];
	}
	for (u32 i = 0; i < PAGER_FAULT_PROBES; i++) {
		*index = (first + i) & (PAGER_FAULT_SLOTS - 1);
		if (!table->slots[*index].owner &&
		    !__sync_val_compare_and_swap(&table->slots[*index].owner, 0, owner))
			return &table->slots[*index];
	}
	return NULL;
}

/* x86: the processor's error code. */
static __always_inline u32 flags_of(unsigned long code)
{
	return (code & 1 ? PAGER_FAULT_PRESENT : 0) | (code & 2 ? PAGER_FAULT_WRITE : 0) |
	       (code & 16 ? PAGER_FAULT_FETCH : 0);
}

SEC("tp_btf/page_fault_user")
int BPF_PROG(on_fault, unsigned long address, struct pt_regs *registers, unsigned long code)
{
	struct bpf_pidns_info ids;
	struct pager_faults *table;
	struct pager_fault *fault;
	u32 space, zero = 0, index;

	if (!get_ids(&ids))
		return 0;
	table = bpf_map_lookup_elem(&faults, &zero);
	if (!table)
		return 0;
	space = space_of(table, ids.tgid);
	if (!space)
		return 0;
	fault = slot_of(table, pager_fault_owner(space, own_number(ids.pid)), &index);
	if (!fault) {
		__sync_fetch_and_add(&table->lost, 1);
		return 0;
	}
	fault->address = address;
	fault->ip = registers->ip;
	fault->flags = flags_of(code);
	__sync_fetch_and_add(&fault->sequence, 1);
	table->last[space] = index;
	return 0;
}
