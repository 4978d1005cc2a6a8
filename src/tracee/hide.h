/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instructions whose results no replay repeats - random numbers, the processor's number,
 * transactions - are hidden from a program: cpuid, by which programs find out what there is,
 * faults in it (arch_prctl(2) ARCH_SET_CPUID) and is answered by us, without them. It is in
 * force from the first instruction of an image on; what the program forks is let go without it,
 * and the kernel takes it off at an exec.
 *
 * A program that has SIGSEGV blocked or ignored where it executes cpuid loses that: the kernel
 * sets the signal to its default then. What ignores or blocks it from its start is left alone.
 * A task with seccomp filters of its own keeps it where only root may suspend those (warned).
 */
#ifndef TRACEE_HIDE_H
#define TRACEE_HIDE_H

#include "tracee/tracee.h"

/* Where tracee->hides: in a new image. 0 or -ESRCH; what cannot be is warned about. */
int hide_begin(struct tracee *tracee, struct thread *thread);
/* All threads stand still, and are about to be let go. */
void hide_end(struct tracee *tracee);
/* A child with memory of its own at its first stop is about to be let go. */
void hide_end_in(struct tracee *tracee, pid_t child);
/*
 * At a signal stop: whether it is a cpuid that was answered now, so that the thread can go on
 * as if nothing had been. Not those of tracee->cpuid_recorded.
 */
bool hide_answered(struct tracee *tracee, struct thread *thread);

#endif
