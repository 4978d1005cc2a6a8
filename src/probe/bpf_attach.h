/* SPDX-License-Identifier: Apache-2.0 */
/* Sites and BPF programs put together. Private to the BPF source. */
#ifndef PROBE_BPF_ATTACH_H
#define PROBE_BPF_ATTACH_H

#include "probe/source.h"

struct bpf_link;
struct bpf_program;

/* The programs of one kind of point. */
struct attach_programs {
	struct bpf_program *user_hit, *user_begin, *user_end;
	struct bpf_program *kernel_hit, *kernel_begin, *kernel_end;
	struct bpf_program *tracepoint_hit;
};

struct attachments {
	struct attach_programs programs;
	bool multi; /* many places of a file at once (Linux 6.6) */
	pid_t pid;  /* only this process needs the breakpoints; 0: all */
	VEC(struct bpf_link *) links;
	VEC(int) fds; /* links libbpf 1.1 does not know */
};

/* Can this kernel attach to many places at once? */
bool attach_multi_works(void);

/*
 * Attach all sites; those that cannot be attached get their errno. 0 when at least one could,
 * else -errno of the first.
 */
int attach_sites(struct attachments *attachments, const struct point_request *request);
void attachments_release(struct attachments *attachments);

#endif
