/* SPDX-License-Identifier: Apache-2.0 */
/* Rings in which the kernel leaves what it sampled, one for each processor. */
#ifndef PROFILE_RING_H
#define PROFILE_RING_H

#include <linux/perf_event.h>

#include "base/map.h"
#include "profile/profile.h"

/* Bytes of a ring; an unprivileged user may lock half a megabyte for each processor. */
#define RING_SIZE	 (256U << 10)
#define RING_SAMPLE_TYPE (PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME)

struct ring {
	int cpu, fd;
	struct perf_event_mmap_page *page;
};

struct rings {
	struct ring_vec VEC_BODY(struct ring) rings;
	VEC(int) others; /* events that use a ring of another one */
	struct sampled_vec sampled;
	struct strvec paths; /* each once; owned */
	struct map path_index;
	uint64_t lost;
};

/* Take over an event of a processor. 0, or -errno with a message. */
int rings_add(struct rings *rings, int cpu, int fd);
void rings_enable(struct rings *rings);
/* Take what there is into rings->sampled. */
void rings_read(struct rings *rings);
/* Index of a path in rings->paths. */
size_t rings_path(struct rings *rings, const char *path);
/* All but the paths. */
void rings_close(struct rings *rings);

#endif
