/* SPDX-License-Identifier: Apache-2.0 */
/* What happens by the clock: slices, and a window that follows the slowdown it causes. */
#ifndef PAGES_STEWARD_H
#define PAGES_STEWARD_H

#include "pages/tracer.h"

struct steward {
	struct tracer *tracer;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool running, stop;
	uint64_t interval;   /* ns between two slices; 0 none */
	double max_slowdown; /* 0: the window stays as it is */
	bool sampling;	     /* the number of watched pages is bounded */
	bool small;	     /* the window is less than an instruction can need */
	uint64_t slices;     /* begun */
};

/* Start it when there is something to do. 0 or -errno with a message. */
int steward_start(struct steward *steward);
void steward_stop(struct steward *steward);

#endif
