/* SPDX-License-Identifier: Apache-2.0 */
/* chop trace -f: another chop for each child. */
#ifndef CMD_TRACE_FOLLOW_H
#define CMD_TRACE_FOLLOW_H

#include "cmd/trace.h"

struct trace_follow {
	char *const *words;		     /* our own options */
	size_t word_count;		     /* without the command */
	const char *directory;		     /* -trace-dir */
	struct handover taken;		     /* with -taken: how the process waits for us */
	struct pids VEC_BODY(pid_t) tracers; /* of children */
};

/* 0, or -errno with a message when this machine does not allow it. */
int trace_follow_check(void);
/* A session's `born`: `follow` is a struct trace_follow. */
void trace_follow_child(void *follow, pid_t pid, const struct handover *handover);
/* Wait for all tracers; whether one of them has captured something. */
bool trace_follow_finish(struct trace_follow *follow);
/* "PC:BYTES" of the option -taken; 0 or -errno with a message. */
int trace_follow_parse(const char *text, struct handover *handover);

#endif
