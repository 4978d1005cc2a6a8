/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments of probe points: what is fetched, how it is called and how it is shown. */
#ifndef PROBE_ARGS_H
#define PROBE_ARGS_H

#include <chop/probe_event.h>

#include "base/vec.h"
#include "probe/spec.h"
#include "probe/tracefs.h"

struct image;

enum arg_format {
	ARG_SIGNED,
	ARG_UNSIGNED,
	ARG_HEX,
	ARG_POINTER,
	ARG_CHARACTER,
	ARG_BOOL,
	ARG_TEXT,
};

struct point_arg {
	char *name; /* owned */
	enum arg_format format;
	struct chop_probe_fetch fetch;
};

struct point_text_test {
	unsigned int arg;
	bool equal; /* or different */
	char *text; /* owned */
};

/* What is taken at a site, and under which conditions. */
struct point_plan {
	struct point_arg_vec VEC_BODY(struct point_arg) args;
	unsigned int test_count;
	struct chop_probe_test test[CHOP_PROBE_TESTS];
	bool at_entry; /* its sites are first instructions of functions */
	/* Texts are compared by the tool. */
	VEC(struct point_text_test) text_tests;
};
void point_plan_release(struct point_plan *plan);
/* As the BPF programs want it. */
void point_plan_fill(const struct point_plan *plan, struct chop_probe_plan *abi);

/* What the names in an argument mean: depends on the point. */
struct arg_context {
	const struct point_spec *spec;
	/* Functions and lines of programs: the address, in the image. */
	const struct image *image;
	uint64_t address;
	bool at_entry;
	const char *usdt;		   /* static points: their arguments as the note says */
	const struct trace_format *fields; /* tracepoints */
	const char *category;
};

/*
 * Make the plan of a site from its spec; without arguments in the spec those that are known:
 * all of a static point or tracepoint, the result of a return. 0, or -errno with a message.
 */
int point_plan_make(const struct arg_context *context, struct point_plan *plan);

/*
 * The n-th argument of a static point, from the text of its note: "-4@%edi 8@-8(%rbp)".
 * 0, -ENOENT past the last, or -EINVAL when it is not understood; no message. The name of *arg
 * stays as it is.
 */
int usdt_argument(const char *text, unsigned int n, struct point_arg *arg);

#endif
