/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probe points: from what the user wrote to the places where the kernel is to tell us. What is
 * counted and shown under one name is a row; it may have many sites.
 */
#ifndef PROBE_POINTS_H
#define PROBE_POINTS_H

#include <sys/types.h>

#include "probe/args.h"
#include "probe/kernel.h"
#include "probe/spec.h"

struct point_row {
	char *name; /* "libc.so.6:malloc", "app:shop:taken", "sched:sched_switch"; owned */
};

struct point_site {
	enum point_kind kind;
	bool at_return;
	bool at_entry; /* the first instruction of a function */
	uint32_t row, plan;
	/* POINT_USER, POINT_USDT: where in the file; the semaphore's place or 0 */
	const char *path;
	uint64_t offset, semaphore;
	/* POINT_KERNEL: the function, or POINT_TRACEPOINT: the event */
	const char *category, *symbol;
	uint64_t symbol_offset;
	int error; /* errno of attaching it, 0 when it is attached */
};

struct point_skip {
	const char *name;
	const char *why;
};

/* Zero-initialised is empty. */
struct points {
	VEC(struct point_row) rows;
	struct point_plan_vec VEC_BODY(struct point_plan) plans;
	struct point_site_vec VEC_BODY(struct point_site) sites;
	VEC(struct point_skip) skips; /* found, but left out */
	VEC(char *) strings;	      /* what sites point to; owned */
	struct kernel_names kernel;   /* read when first needed */
};
void probe_points_release(struct points *points);

struct points_options {
	const char *command; /* path of the command, or NULL */
	pid_t pid;	     /* of a process that is watched instead, or 0 */
	bool latency;	     /* entries are to be paired with returns */
	bool force;	     /* what may crash the program as well */
};

/* Add what a spec names. 0, or -errno with a message recorded: also when nothing answers. */
int probe_points_add(struct points *points, const struct point_spec *spec,
		     const struct points_options *options);

/* -- for the points_*.c files ------------------------------------------------------------------ */

int probe_points_add_user(struct points *points, const struct point_spec *spec,
			  const struct points_options *options);
int probe_points_add_usdt(struct points *points, const struct point_spec *spec,
			  const struct points_options *options);
int probe_points_add_tracepoint(struct points *points, const struct point_spec *spec,
				const struct points_options *options);
int probe_points_add_kernel(struct points *points, const struct point_spec *spec,
			    const struct points_options *options);
const char *probe_points_string(struct points *points, const char *text);
/* A row of that name: new, or the one there is. */
uint32_t probe_points_row(struct points *points, const char *name);
void probe_points_skip(struct points *points, const char *name, const char *why);
/* Makes a plan of its own for the next site; its index in *plan. */
int probe_points_plan(struct points *points, const struct arg_context *context, uint32_t *plan);

/*
 * The file that a user means: a path; "" for the command; or the name of a library it uses,
 * "libc.so.6" or just "libc"; or of a program in PATH. Allocated; NULL with a message recorded.
 */
char *point_file(const char *name, const struct points_options *options);
/* The last part of a path. */
const char *point_base(const char *path);

#endif
