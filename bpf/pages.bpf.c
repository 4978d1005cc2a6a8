// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Where page faults of the traced processes come from: address and instruction of each. */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include <chop/pager_fault.h>

struct bpf_pidns_info {
	__u32 pid, tgid;
};

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Set before loading: the pid namespace of the tool, whose numbers are used; 0: the first. */
const volatile __u64 namespace_device = 0, namespace_inode = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, u32); /* process id */
	__type(value, u8);
} processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
} faults SEC(".maps");

__u64 lost = 0;

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

SEC("tp_btf/page_fault_user")
int BPF_PROG(on_fault, unsigned long address, struct pt_regs *registers, unsigned long code)
{
	struct bpf_pidns_info ids;
	struct pager_fault *fault;

	if (!get_ids(&ids) || !bpf_map_lookup_elem(&processes, &ids.tgid))
		return 0;
	fault = bpf_ringbuf_reserve(&faults, sizeof(*fault), 0);
	if (!fault) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	fault->address = address;
	fault->time = bpf_ktime_get_ns();
	fault->ip = registers->ip;
	fault->thread = ids.pid;
	fault->code = (u32)code;
	/* Nobody waits for it: it is looked for when the pager's record is read. */
	bpf_ringbuf_submit(fault, BPF_RB_NO_WAKEUP);
	return 0;
}
