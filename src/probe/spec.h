/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a user writes to name a probe point:
 *
 *	u:FILE:WHAT	functions, lines and addresses of a program or library; ur: their returns
 *	usdt:FILE:PROVIDER:NAME		static probe points
 *	t:CATEGORY:NAME	tracepoints of the kernel
 *	k:WHAT		functions of the kernel; kr: their returns
 *
 * followed by (ARGUMENT,...) and " if TEST && TEST".
 */
#ifndef PROBE_SPEC_H
#define PROBE_SPEC_H

#include <stdbool.h>

#include "base/vec.h"
#include <chop/probe_event.h>

enum point_kind { POINT_USER, POINT_USDT, POINT_TRACEPOINT, POINT_KERNEL };

struct spec_test {
	char *arg, *value;
	enum chop_probe_op op;
};

struct point_spec {
	enum point_kind kind;
	bool at_return;
	char *file;	  /* "" is the command itself */
	char *provider;	  /* or the category of a tracepoint */
	char *name;	  /* may have * ? [ ] */
	bool has_args;	  /* there are parentheses, maybe empty ones */
	VEC(char *) args; /* "NAME=EXPRESSION:TYPE", parts of it */
	VEC(struct spec_test) tests;
	char *text; /* as it was written */
};

/* 0, or -errno with a message recorded. The caller releases it in both cases. */
int spec_parse(const char *text, struct point_spec *spec);
void spec_release(struct point_spec *spec);
/* Is it a pattern, of more than one name? */
bool spec_is_pattern(const char *name);

#endif
