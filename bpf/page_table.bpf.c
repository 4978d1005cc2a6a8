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
#define PAGE_BITS    12
#define IS_TAIL	     1ULL /* in compound_head */

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
	u64 root, twin_root, direct_map, frames, start;
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

/* Flags of a page and what leads from a part of a larger one to its head. */
struct page_words {
	u64 flags, head;
};

static __always_inline bool is_young(u64 page)
{
	struct page_words words = {};
	u64 flags = 0;

	if (bpf_probe_read_kernel(&words, sizeof(words), (void *)page))
		return false;
	flags = words.flags;
	if (words.head & IS_TAIL &&
	    bpf_probe_read_kernel(&flags, sizeof(flags), (void *)(words.head - IS_TAIL)))
		return false;
	return flags >> bpf_core_enum_value(enum pageflags, PG_young) & 1;
}

struct marking {
	u64 frames;
	u32 block;
};

/* One page of the block whose table is in the scratch space: not accessed, but young? */
static long mark_young(u32 index, struct marking *m)
{
	struct bytes *bytes = bpf_map_lookup_elem(&blocks, &m->block);
	u32 zero = 0;
	struct table *table = bpf_map_lookup_elem(&scratch, &zero);
	u64 entry, i = index;

	if (!bytes || !table)
		return 1;
	/* For the verifier, which loses sight of what a compiler knows of the index. */
	__asm__ volatile("%0 &= %1" : "+r"(i) : "i"(ENTRIES - 1));
	entry = table->entry[i];
	if (!(entry & PRESENT) || entry >> ACCESSED_BIT & 1)
		return 0;
	if (is_young(m->frames + ((entry & FRAME) >> PAGE_BITS) * bpf_core_type_size(struct page)))
		bytes->page[i] |= CHOP_TABLE_YOUNG;
	return 0;
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
	if (s->frames) {
		struct marking marking = { s->frames, index };

		bpf_loop(ENTRIES, mark_young, &marking, 0);
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
		.frames = args->frames,
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

/* Where page 0 would be, if the first page of the stack is the one its table says. */
static __always_inline u64 find_frames(struct state *s, u64 stack, u64 page)
{
	u64 entry, next = 0;

	entry = block_entry(s, s->root, stack, &next);
	if (!entry || entry & BIG)
		return 0;
	entry = entry_of(s, (entry & FRAME) + s->direct_map, stack, PAGE_BITS);
	if (!(entry & PRESENT))
		return 0;
	return page - ((entry & FRAME) >> PAGE_BITS) * bpf_core_type_size(struct page);
}

SEC("syscall")
int find(struct chop_table_find *args)
{
	struct state s = { .direct_map = args->direct_map, .levels = args->levels };
	struct task_struct *task = NULL;
	struct vm_struct *area;
	struct page **pages, *page = NULL;
	u64 stack;

	args->frames = 0;
	s.root = root_of(args->pid);
	if (!s.root || !bpf_core_field_exists(task->stack_vm_area) ||
	    !bpf_core_enum_value_exists(enum pageflags, PG_young) ||
	    !bpf_core_field_exists(page->compound_head) ||
	    bpf_core_field_offset(page->compound_head) != sizeof(u64))
		return 0;
	task = bpf_task_from_pid(args->pid);
	if (!task)
		return 0;
	area = BPF_CORE_READ(task, stack_vm_area);
	bpf_task_release(task);
	stack = (u64)BPF_CORE_READ(area, addr);
	pages = BPF_CORE_READ(area, pages);
	if (!stack || bpf_probe_read_kernel(&page, sizeof(page), pages))
		return 0;
	args->frames = find_frames(&s, stack, (u64)page);
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
