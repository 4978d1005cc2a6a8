// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Reads the accessed and dirty bits of a process's pages from its page tables: which pages
 * were touched since clear_refs, without a fault for any of them. The tables' entries are
 * physical addresses; the kernel's direct map, found by the tool, makes them readable.
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include <chop/page_table.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PRESENT	     1ULL
#define BIG	     0x80ULL /* the entry maps memory itself, no table */
#define ACCESSED_BIT 5	     /* and the dirty bit beside it */
#define FRAME	     0x000ffffffffff000ULL
#define BLOCK_BITS   21
#define ENTRIES	     512

extern struct task_struct *bpf_task_from_pid(__s32 pid) __ksym;
extern void bpf_task_release(struct task_struct *task) __ksym;

struct bytes {
	u8 page[CHOP_TABLE_PAGES];
};
struct table {
	u64 entry[ENTRIES];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CHOP_TABLE_BLOCKS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, struct bytes);
} blocks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2); /* the process's, its twin's */
	__type(key, u32);
	__type(value, struct table);
} scratch SEC(".maps");

struct state {
	u64 root, twin_root, direct_map, start;
	u64 done, next, failed;
	u32 levels;
};

static __always_inline u64 entry_of(struct state *s, u64 table, u64 address, u32 shift)
{
	u64 entry = 0;

	if (bpf_probe_read_kernel(&entry, sizeof(entry),
				  (void *)(table + ((address >> shift) & (ENTRIES - 1)) * 8)))
		s->failed++;
	return entry;
}

/*
 * The entry of a block: a table of pages, or a big page. 0 when nothing is mapped there, with
 * *next behind what the missing entry would cover.
 */
static __always_inline u64 block_entry(struct state *s, u64 root, u64 address, u64 *next)
{
	u64 entry = 0, table = root;
	u32 shift = 48;

	for (u32 level = 5; level > 1; level--, shift -= 9) {
		if (level > s->levels)
			continue;
		entry = entry_of(s, table, address, shift);
		if (!(entry & PRESENT)) {
			*next = ((address >> shift) + 1) << shift;
			return 0;
		}
		if (entry & BIG)
			return entry;
		table = (entry & FRAME) + s->direct_map;
	}
	return entry;
}

/* The twin's table of the same block, NULL when it has none. */
static __always_inline struct table *twin_table(struct state *s, u64 address)
{
	u64 entry = 0, next = 0;
	u32 one = 1;
	struct table *table = bpf_map_lookup_elem(&scratch, &one);

	if (s->twin_root)
		entry = block_entry(s, s->twin_root, address, &next);
	if (!table || !entry || entry & BIG)
		return NULL;
	if (bpf_probe_read_kernel(table, sizeof(*table),
				  (void *)((entry & FRAME) + s->direct_map))) {
		s->failed++;
		return NULL;
	}
	return table;
}

static long one_block(u32 index, struct state *s)
{
	u64 address = s->start + ((u64)index << BLOCK_BITS), entry;
	struct bytes *bytes = bpf_map_lookup_elem(&blocks, &index);
	u32 zero = 0;
	struct table *table = bpf_map_lookup_elem(&scratch, &zero), *twin;

	if (!bytes || !table)
		return 1;
	s->next = address + CHOP_TABLE_SIZE;
	entry = block_entry(s, s->root, address, &s->next);
	if (!entry && s->next > address + CHOP_TABLE_SIZE)
		return 1; /* much is missing: the tool goes on behind it */
	s->done = index + 1;
	if (!entry) {
		__builtin_memset(bytes, 0, sizeof(*bytes));
		return 0;
	}
	if (entry & BIG) {
		u8 bits = (entry >> ACCESSED_BIT & 3) | CHOP_TABLE_PRESENT | CHOP_TABLE_HUGE;

		for (int i = 0; i < CHOP_TABLE_PAGES; i++)
			bytes->page[i] = bits;
		return 0;
	}
	if (bpf_probe_read_kernel(table, sizeof(*table),
				  (void *)((entry & FRAME) + s->direct_map))) {
		s->failed++;
		return 0;
	}
	twin = twin_table(s, address);
	for (int i = 0; i < CHOP_TABLE_PAGES; i++) {
		u64 page = table->entry[i];
		u8 bits = page & PRESENT ? (page >> ACCESSED_BIT & 3) | CHOP_TABLE_PRESENT : 0;

		if (twin && bits && twin->entry[i] & PRESENT &&
		    (twin->entry[i] & FRAME) == (page & FRAME))
			bits |= CHOP_TABLE_SAME;
		bytes->page[i] = bits;
	}
	return 0;
}

/* The kernel's address of a process's top table; 0 when there is no such process. */
static __always_inline u64 root_of(int pid)
{
	struct task_struct *task = bpf_task_from_pid(pid);
	struct mm_struct *mm;
	u64 root;

	if (!task)
		return 0;
	mm = BPF_CORE_READ(task, mm);
	root = (u64)BPF_CORE_READ(mm, pgd);
	bpf_task_release(task);
	return root;
}

SEC("syscall")
int walk(struct chop_table_walk *args)
{
	struct state s = {
		.direct_map = args->direct_map,
		.start = args->start,
		.next = args->start,
		.levels = args->levels,
	};

	s.root = root_of(args->pid);
	if (!s.root)
		return 1;
	if (args->twin)
		s.twin_root = root_of(args->twin);
	args->root = s.root;
	if (args->blocks)
		bpf_loop(args->blocks, one_block, &s, 0);
	args->done = s.done;
	args->next = s.next;
	args->failed = s.failed;
	return 0;
}

SEC("syscall")
int peek(struct chop_table_peek *args)
{
	u64 value = 0;

	args->error = bpf_probe_read_kernel(&value, sizeof(value), (void *)args->address);
	args->value = value;
	return 0;
}
