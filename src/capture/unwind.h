/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that are left without returning: longjmp and exceptions. Where they land is where the
 * region ends, when that is outside of its activation.
 */
#ifndef CAPTURE_UNWIND_H
#define CAPTURE_UNWIND_H

#include "tracee/tracee.h"

struct unwind {
	struct u64vec jumps;	/* functions of the longjmp family; run-time addresses */
	struct u64vec landings; /* _Unwind_SetIP: a landing pad was found */
};

/*
 * Find the functions by which a region in `module` (a path, or NULL) can be left; none when
 * neither it nor the program can call them.
 */
void unwind_find(struct unwind *unwind, struct tracee *tracee, const char *module);
void unwind_release(struct unwind *unwind);
/* Reads the program's memory; 0 or -errno. */
typedef int unwind_read_fn(void *context, uint64_t address, void *data, size_t size);

/*
 * A thread is at the first instruction of one of them: where it will go on. False when that
 * cannot be told. `floor` as arch_frame_floor: targets inside the activation do not count.
 */
bool unwind_target(const struct unwind *unwind, const struct chop_regs *regs, uint64_t floor,
		   unwind_read_fn *read, void *context, uint64_t *target);

#endif
