/* SPDX-License-Identifier: Apache-2.0 */
/* Making jumps and their stubs (used inside src/tracee). */
#ifndef TRACEE_TRAMPOLINE_BUILD_H
#define TRACEE_TRAMPOLINE_BUILD_H

#include "tracee/trampoline.h"

/* A place that is to get a jump. */
struct trampoline_request {
	uint64_t place;		   /* run-time address */
	struct relocate_plan plan; /* for it, when there is no reason against it */
	const char *reason;	   /* why it gets none: a static string, or NULL */
	bool entry;		   /* it is a function's first instruction */
	unsigned int id;	   /* for whoever writes the stub */
	bool point;
};

/* tracee->trampolines, made on first use. */
struct trampolines *trampolines_of(struct tracee *tracee);

/* Fill in all but the place: from the modules' files, checked against the memory. */
void trampoline_plan(struct tracee *tracee, struct trampoline_request *requests, size_t count);

/* Write the stub for `at` into out[STUB_MAX]; its size, or 0 when something is out of reach. */
typedef size_t (*trampoline_writer)(void *context, const struct trampoline_request *request,
				    uint64_t at, uint8_t *out, struct stub *stub);
/*
 * A stub in the window for a request without a reason; NULL, and a reason then, when there is
 * no room. Nothing leads to it yet.
 */
struct trampoline *trampoline_build(struct tracee *tracee, struct trampoline_window *window,
				    struct trampoline_request *request, trampoline_writer write,
				    void *context);
/*
 * Put the jump in the place of a breakpoint's instruction, where that is in memory; threads
 * that are between the displaced instructions go on in their copies. Other threads stand still.
 */
int trampoline_attach(struct tracee *tracee, struct breakpoint *breakpoint,
		      struct trampoline *trampoline);
/* The jump that was built for a place last, or NULL. */
struct trampoline *trampoline_at(const struct tracee *tracee, uint64_t place);

#endif
