/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where in the program a page fault came from, where there is no table of faults
 * (fault_table.h): samples of the kernel's page-fault software event, which cost 0.8 us, are
 * matched with the pager's records by thread, address and time. Reading /proc/TID/syscall of
 * the waiting thread would cost 2 us.
 */
#ifndef PAGES_IP_H
#define PAGES_IP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/map.h"
#include "base/vec.h"

struct ip_fault {
	uint64_t address, ip;
	uint64_t time; /* ns, CLOCK_MONOTONIC; 0 not known */
};

struct ip_sample {
	uint64_t time;
	struct ip_fault fault;
	uint32_t thread;
};

struct ip_source {
	struct ip_ring_vec VEC_BODY(struct ip_ring *) rings; /* one a thread and CPU */
	VEC(struct ip_sample) batch;
	struct map threads; /* thread id -> struct ip_queue * */
	uint64_t lost;	    /* samples the kernel had no room for */
	bool usable;
};

/*
 * Follow a thread and everything it creates from now on. 0 or -errno without a message:
 * instruction pointers are then not known.
 */
int ip_follow(struct ip_source *source, pid_t tid);
void ip_release(struct ip_source *source);
/* Take in what the kernel has sampled. */
void ip_collect(struct ip_source *source);
/*
 * The instruction that touched the address, no later than `latest` (as ip_fault.time), and
 * forget faults of the thread before it. A later touch is another one: the kernel may have
 * made the one that is asked for, and the address comes again.
 */
bool ip_find(struct ip_source *source, uint32_t thread, uint64_t address, uint64_t latest,
	     uint64_t *ip);
/* The thread is gone. */
void ip_forget(struct ip_source *source, uint32_t thread);

#endif
