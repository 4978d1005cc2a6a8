// SPDX-License-Identifier: Apache-2.0
/* How long a tick of the time stamp counter is: no machine tells reliably, so it is measured. */
#include "invok/private.h"

#include <time.h>

#define LONG_ENOUGH 10000000 /* ns; a look at both clocks is 50 ns apart at most */
#define LOOKS	    5

uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Both clocks at one moment: the closest of some pairs. */
void tick_scale_begin(struct tick_scale *scale)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < LOOKS; i++) {
		uint64_t before = stub_time(), ns = monotonic_ns(), after = stub_time();

		if (after - before >= best)
			continue;
		best = after - before;
		*scale = (struct tick_scale){ before + best / 2, ns };
	}
}

double tick_scale_end(const struct tick_scale *scale)
{
	struct tick_scale now;

	while (monotonic_ns() - scale->ns < LONG_ENOUGH)
		;
	tick_scale_begin(&now);
	return (double)(now.ns - scale->ns) / (double)(now.ticks - scale->ticks);
}
