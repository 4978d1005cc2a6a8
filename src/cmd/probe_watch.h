/* SPDX-License-Identifier: Apache-2.0 */
/* chop probe: what its files share. */
#ifndef CMD_PROBE_WATCH_H
#define CMD_PROBE_WATCH_H

#include "cmd/watch.h"
#include "fmt/probe_text.h"
#include "probe/source.h"

struct probe_options {
	const char *output, *format, *source, *by, *linear;
	struct strvec pids;
	uint64_t text_limit, buffer, stop_count, stop_time;
	bool list, follow, everyone, count, latency, values, stack, kernel_stack, force;
};

struct probe_session {
	struct probe_options o;
	struct points points;
	struct point_request request;
	struct point_source *source;
	struct tally tally;
	struct probe_writer writer;
	char *command; /* its path */
	pid_t *pids;
	bool in_kernel; /* counting is done there */
	uint64_t hits;
	struct watch watch;
};

/*
 * Let the command run and show what happens, to the end or until a limit or signal ends the
 * watching. The command's status, or -errno with a message recorded.
 */
int probe_watch(struct probe_session *s);

#endif
