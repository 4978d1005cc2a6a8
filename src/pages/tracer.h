/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of page tracing share (used inside src/pages). */
#ifndef PAGES_TRACER_H
#define PAGES_TRACER_H

#include "pages/journal.h"
#include "pages/space.h"
#include "pages/task.h"

struct tracer {
	struct tasks tasks;
	struct journal journal;
	struct space_setup setup;
	struct map
		early; /* thread id -> first status, of children whose parent's event is to come */
	struct space_vec VEC_BODY(struct space *) spaces;
	pthread_mutex_t spaces_lock; /* of the vector: the steward walks it, too */
	pid_t first;		     /* the process everything began with */
	int first_status;	     /* its end, as from waitpid */
	bool first_gone;
	bool child;	      /* we started it */
	bool pin;	      /* keep processes and pagers together (affinity.c) */
	cpu_set_t own_cpus;   /* where we may run */
	bool catcher_seen;    /* malloc_only: a main has begun */
	uint64_t allocations; /* seen with `sites` */
	char *preload;	  /* malloc_only, sites: the library's path, removed at the end; owned */
	bool leaving;	  /* everything is being let go */
	uint64_t refused; /* bytes of private mappings that could not be watched */
	int refused_error;
	uint64_t unshared;		       /* bytes of shared mappings that could not */
	bool copied;			       /* pagers copy pages */
	uint64_t faults, closed, kept, cpu_ns; /* of pagers that have ended */
};

/* A record of now about a task, without values. */
static inline struct chop_page_record tracer_record(const struct task *task, uint32_t kind)
{
	return (struct chop_page_record){
		.kind = kind,
		.thread = (uint32_t)task->tid,
		.process = (uint32_t)task->process->space->pid,
	};
}

#endif
