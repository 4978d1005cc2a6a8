/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hardware's accessed bits: which pages of a process were touched since its
 * clear_refs was written. Needs root, BPF, and a kernel that shows it page tables.
 */
#ifndef TRACEE_PAGE_TABLE_H
#define TRACEE_PAGE_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <chop/page_table.h>

struct page_table;

/* Bits are CHOP_TABLE_...; anything but 0 ends the walk and is returned. */
typedef int page_table_fn(void *context, uint64_t page, unsigned int bits);

/* 0, or -errno with a message (status CHOP_MISSING) that says what is missing here. */
int page_table_open(struct page_table **table);
void page_table_close(struct page_table *table);
/* Whether CHOP_TABLE_YOUNG can be told here; ask for it only where something ages pages: it is slow. */
bool page_table_tells_young(const struct page_table *table);
/*
 * Call for each page of [start, end) with one of the wanted bits, in order. CHOP_TABLE_SAME is
 * told when there is a twin (not 0). 0 or -errno.
 */
int page_table_scan(struct page_table *table, pid_t pid, pid_t twin, uint64_t start, uint64_t end,
		    unsigned int wanted, page_table_fn *function, void *context);

#endif
