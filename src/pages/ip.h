/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where in the program a page fault came from: the kernel tells of each, through a BPF
 * program on its tracepoint (root; 0.1 us a fault) or samples of its page-fault software event
 * (0.8 us), and they are matched with the pager's records by thread and address. Reading
 * /proc/TID/syscall of the waiting thread would cost 2 us.
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
	struct ip_ring_vec VEC_BODY(struct ip_ring *) rings; /* perf: one a thread and CPU */
	VEC(struct ip_sample) batch;
	struct ip_bpf *bpf; /* NULL: perf events */
	struct map threads; /* thread id -> struct ip_queue * */
	uint64_t lost;	    /* samples the kernel had no room for */
	bool usable;
};

/* Look which way is open here. */
void ip_open(struct ip_source *source);
/*
 * Follow a thread and everything it creates from now on. 0 or -errno without a message:
 * instruction pointers are then not known.
 */
int ip_follow(struct ip_source *source, pid_t tid, pid_t process);
/* A process was forked by one that is followed, or is gone. */
void ip_new_process(struct ip_source *source, pid_t process);
void ip_end_process(struct ip_source *source, pid_t process);
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

/* -- the BPF way: ip_bpf.c ------------------------------------------------------------- */

/* NULL when it cannot be had. */
struct ip_bpf *ip_bpf_open(void);
void ip_bpf_close(struct ip_bpf *bpf);
int ip_bpf_add(struct ip_bpf *bpf, pid_t process);
void ip_bpf_remove(struct ip_bpf *bpf, pid_t process);
/* Give each fault since the last time to ip_push. */
void ip_bpf_collect(struct ip_bpf *bpf, struct ip_source *source);
void ip_push(struct ip_source *source, uint32_t thread, const struct ip_fault *fault);

#endif
