/* SPDX-License-Identifier: Apache-2.0 */
/* One mapping of a process at a time: PROCMAP_QUERY where the kernel has it (6.11). */
#ifndef PAGES_VMA_H
#define PAGES_VMA_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct vma {
	uint64_t start, end, offset;
	uint32_t protection; /* PROT_ bits */
	bool shared, file;   /* file: has an inode */
	bool tmpfs;	     /* shared, and its pages can be watched: anonymous, memfd, tmpfs */
	bool stack, heap;    /* the main stack, the brk heap */
	bool special;	     /* [vdso], a device, huge pages: not like other memory */
	char path[256];	     /* cut off when longer */
};

struct vma_source {
	pid_t pid;
	int maps;      /* /proc/PID/maps */
	bool no_query; /* the kernel does not know PROCMAP_QUERY */
};

int vma_open(struct vma_source *source, pid_t pid);
void vma_close(struct vma_source *source);
/* The first mapping that ends above an address: 0, -ENOENT when there is none, -errno. */
int vma_next(struct vma_source *source, uint64_t address, struct vma *vma);

#endif
