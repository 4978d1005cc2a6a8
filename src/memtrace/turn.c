// SPDX-License-Identifier: Apache-2.0
#include "memtrace/turn.h"

#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>

#define YIELD_NS 20000

/* For what runs while the thread pointer is the program's. */
#define PLAIN __attribute__((no_stack_protector, no_sanitize("address", "undefined")))

PLAIN static void futex(_Atomic uint32_t *word, long operation, long value)
{
	register const struct timespec *timeout __asm__("r10") = NULL;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(SYS_futex), "D"(word), "S"(operation), "d"(value), "r"(timeout)
			 : "rcx", "r11", "memory");
}

/* Ulrich Drepper, "Futexes are tricky" (2011), the second mutex. */
PLAIN void turn_take(struct turn *turn)
{
	uint32_t free = 0;

	if (atomic_compare_exchange_strong(&turn->lock, &free, 1))
		return;
	while (atomic_exchange(&turn->lock, 2))
		futex(&turn->lock, FUTEX_WAIT_PRIVATE, 2);
}

PLAIN void turn_give(struct turn *turn)
{
	if (atomic_exchange(&turn->lock, 0) == 2)
		futex(&turn->lock, FUTEX_WAKE_PRIVATE, 1);
}

PLAIN void turn_yield(struct turn *turn)
{
	static const struct timespec some = { 0, YIELD_NS };
	long result;

	turn_give(turn);
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(SYS_nanosleep), "D"(&some), "S"(NULL)
			 : "rcx", "r11", "memory");
	turn_take(turn);
}

PLAIN void turn_pause(struct turn *turn, uint32_t id)
{
	uint32_t stopping;

	while ((stopping = turn->stopping) && stopping != id) {
		turn_give(turn);
		futex(&turn->stopping, FUTEX_WAIT_PRIVATE, stopping);
		turn_take(turn);
	}
}

PLAIN void turn_stop(struct turn *turn, uint32_t id)
{
	turn_pause(turn, id);
	turn->stopping = id;
}

PLAIN void turn_resume(struct turn *turn)
{
	turn->stopping = 0;
	futex(&turn->stopping, FUTEX_WAKE_PRIVATE, INT_MAX);
}
