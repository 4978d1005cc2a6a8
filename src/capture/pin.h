/* SPDX-License-Identifier: Apache-2.0 */
/*
 * While a region runs, the owner, we and our helpers take turns: on one CPU that costs a
 * few microseconds a turn, across CPUs of a virtual machine ten times that.
 */
#ifndef CAPTURE_PIN_H
#define CAPTURE_PIN_H

#include <sched.h>

#include "tracee/tracee.h"

struct pin {
	pid_t tid;
	int cpu; /* -1: not pinned */
	cpu_set_t owner, self;
};

/* Keep a stopped thread and ourselves on the CPU it ran on last. */
void pin_begin(struct pin *pin, const struct tracee *tracee, const struct thread *owner);
/* Give both the CPUs they had. */
void pin_end(struct pin *pin);

#endif
