// SPDX-License-Identifier: Apache-2.0
/*
 * The time inside a region: what it was at the begin, and a nanosecond more with each
 * question. So it never stands still and never goes back, not at the region's end either (a
 * question takes longer than a nanosecond), and a replay is told what the region was told.
 */
#include "interpose.h"

#include <errno.h>
#include <sys/time.h>
#include <time.h>

#define CLOCKS 12
#define SECOND 1000000000ULL

static uint64_t base[CLOCKS];	   /* nanoseconds; 0: no such clock */
static _Atomic uint64_t questions; /* since the begin of the region */

void clock_begin(void)
{
	struct timespec now;

	atomic_store(&questions, 0);
	for (clockid_t id = 0; id < CLOCKS; id++)
		base[id] = REAL(clock_gettime)(id, &now)
				   ? 0
				   : (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

static bool kept_time(clockid_t id, uint64_t *ns)
{
	if (!is_active() || id < 0 || id >= CLOCKS || !base[id])
		return false;
	*ns = base[id] + 1 + atomic_fetch_add_explicit(&questions, 1, memory_order_relaxed);
	return true;
}

EXPORT int clock_gettime(clockid_t id, struct timespec *time)
{
	uint64_t ns;

	if (!kept_time(id, &ns))
		return REAL(clock_gettime)(id, time);
	time->tv_sec = (time_t)(ns / SECOND);
	time->tv_nsec = (long)(ns % SECOND);
	return 0;
}

EXPORT int timespec_get(struct timespec *time, int what)
{
	if (what != TIME_UTC || !is_active())
		return REAL(timespec_get)(time, what);
	return clock_gettime(CLOCK_REALTIME, time) ? 0 : what;
}

EXPORT int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
	uint64_t ns;

	if (zone || !kept_time(CLOCK_REALTIME, &ns))
		return REAL(gettimeofday)(time, zone);
	time->tv_sec = (time_t)(ns / SECOND);
	time->tv_usec = (suseconds_t)(ns % SECOND / 1000);
	return 0;
}

EXPORT time_t time(time_t *result)
{
	uint64_t ns;
	time_t now;

	if (!kept_time(CLOCK_REALTIME, &ns))
		return REAL(time)(result);
	now = (time_t)(ns / SECOND);
	if (result)
		*result = now;
	return now;
}

EXPORT clock_t clock(void)
{
	uint64_t ns;

	if (!kept_time(CLOCK_PROCESS_CPUTIME_ID, &ns))
		return REAL(clock)();
	return (clock_t)(ns / (SECOND / CLOCKS_PER_SEC));
}
