/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What bpf/page_table.bpf.c and src/tracee/page_table.c say to each other: a walk of a
 * process's page tables, 2 MB at a time.
 */
#ifndef CHOP_PAGE_TABLE_H
#define CHOP_PAGE_TABLE_H

/* Blocks of one walk at most. */
#define CHOP_TABLE_BLOCKS 4096
/* Pages of a block, and bytes they cover together. */
#define CHOP_TABLE_PAGES 512
#define CHOP_TABLE_SIZE	 (512 * 4096ULL)

/* Of each page, one byte; 0 for a page that is not present. */
#define CHOP_TABLE_ACCESSED 1
#define CHOP_TABLE_DIRTY    2
#define CHOP_TABLE_PRESENT  4
#define CHOP_TABLE_HUGE	    8  /* one bit for all pages of the block */
#define CHOP_TABLE_SAME	    16 /* the twin has the very same page: neither has written it */

/*
 * The page was accessed through some page table since its mark was cleared (clear_refs does), and
 * whatever ages pages has cleared that table's accessed bit since (the kernel's PG_young).
 */
#define CHOP_TABLE_YOUNG 32

struct chop_table_walk {
	int pid;		       /* as the first process namespace numbers it */
	int twin;		       /* a process to compare with, 0 for none */
	unsigned int levels;	       /* 4 or 5 */
	unsigned long long start;      /* multiple of CHOP_TABLE_SIZE */
	unsigned long long blocks;     /* at most CHOP_TABLE_BLOCKS */
	unsigned long long direct_map; /* where the kernel sees physical address 0 */
	unsigned long long frames;     /* where its array of pages is; 0: do not look for YOUNG */
	unsigned long long root;       /* out: kernel address of the top table */
	unsigned long long done;       /* out: blocks whose bytes are valid */
	unsigned long long next;       /* out: where to go on; nothing is mapped up to there */
	unsigned long long failed;     /* out: tables that could not be read */
};

struct chop_table_find {
	int pid; /* a process with a stack in the kernel: any */
	unsigned int levels;
	unsigned long long direct_map;
	unsigned long long frames; /* out: as above; 0: this kernel keeps no such mark */
};

struct chop_table_peek {
	unsigned long long address; /* of the kernel */
	unsigned long long value;   /* out */
	long long error;	    /* out: 0 or -errno */
};

#endif
