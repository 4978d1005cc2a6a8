/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last fault of each thread: what bpf/pages.bpf.c writes at the page-fault tracepoint, and
 * the pagers (runtime/pages) read, who map the table into the programs. One table serves all
 * pagers of a chop; each has a number, its space.
 */
#ifndef CHOP_PAGER_FAULT_H
#define CHOP_PAGER_FAULT_H

#ifdef __bpf__
typedef __UINT32_TYPE__ uint32_t;
typedef __UINT64_TYPE__ uint64_t;
#else
#include <stdint.h>
#endif

#define PAGER_FAULT_BITS      14
#define PAGER_FAULT_SLOTS     (1u << PAGER_FAULT_BITS) /* one a thread */
#define PAGER_FAULT_PROBES    16		       /* a thread's is one of so many neighbours */
#define PAGER_FAULT_SPACES    4096		       /* numbers from 1 on */
#define PAGER_FAULT_PROCESSES 16384		       /* by process id, linear probing */

enum pager_fault_flag {
	PAGER_FAULT_PRESENT = 1 << 0, /* the page was there: the kernel serves the fault */
	PAGER_FAULT_WRITE = 1 << 1,
	PAGER_FAULT_FETCH = 1 << 2, /* of an instruction */
};

/* A line of the cache: nobody else's faults slow a thread's down. */
struct pager_fault {
	uint64_t owner; /* pager_fault_owner(); 0: free */
	uint64_t address, ip;
	uint32_t flags;
	uint32_t sequence; /* counts the thread's faults; written last */
	uint32_t reserved[8];
};

/* Whose faults are told: written by chop. */
struct pager_fault_process {
	uint32_t pid;	/* as chop sees it; 0: free, and the end of a search */
	uint32_t space; /* 0: was one */
};

struct pager_faults {
	struct pager_fault_process processes[PAGER_FAULT_PROCESSES];
	uint32_t last[PAGER_FAULT_SPACES]; /* slot of the latest fault, by space */
	uint32_t lost;			   /* faults of threads there was no slot for */
	uint32_t reserved[15];
	struct pager_fault slots[PAGER_FAULT_SLOTS];
};

/* `thread`: its id as userfaultfd tells it, in its own pid namespace. */
static inline uint64_t pager_fault_owner(uint32_t space, uint32_t thread)
{
	return (uint64_t)space << 32 | thread;
}

/* The first slot to look at; the others follow, round the end. */
static inline uint32_t pager_fault_first(uint64_t owner)
{
	return (uint32_t)((owner * 0x9e3779b97f4a7c15ULL) >> (64 - PAGER_FAULT_BITS));
}

#endif
