/* SPDX-License-Identifier: Apache-2.0 */
/* Memory, auxiliary vector and mappings of a traced program. */
#ifndef TRACEE_MEMORY_H
#define TRACEE_MEMORY_H

#include "store/capture.h"
#include "tracee/tracee.h"

/* Open /proc/PID/mem, pagemap and auxv, find the executable's path. */
int memory_open(struct tracee *tracee);
void memory_close(struct tracee *tracee);

/* All bytes, or -errno without a message (-EIO: not mapped, or missing under uffd). */
int memory_read(const struct tracee *tracee, uint64_t address, void *data, size_t size);
int memory_write(const struct tracee *tracee, uint64_t address, const void *data, size_t size);
/*
 * Whole pages from or to scattered addresses, in few system calls. How many were done before one
 * that cannot be.
 */
size_t memory_read_pages(const struct tracee *tracee, const uint64_t *pages, uint8_t *const *to,
			 size_t count);
size_t memory_write_pages(const struct tracee *tracee, const uint64_t *pages,
			  const uint8_t *const *from, size_t count);
/* Read with our breakpoints taken out; as many bytes as are mapped, at most `size`. */
size_t memory_read_code(const struct tracee *tracee, uint64_t address, uint8_t *code, size_t size);
/* A string of at most `max` - 1 bytes; NULL when it cannot be read. Caller frees. */
char *memory_read_text(const struct tracee *tracee, uint64_t address, size_t max);

/*
 * Where the kernel finds the program's arguments and environment (proc(5), stat) for whoever reads
 * /proc/PID/cmdline or environ, ps and top among them. -errno when it cannot be told, without a
 * message.
 */
int memory_arguments(const struct tracee *tracee, uint64_t *start, uint64_t *end);

/* Value of an auxiliary vector entry (AT_ENTRY, ...); 0 when absent. */
uint64_t memory_auxv(const struct tracee *tracee, uint64_t type);

/* Entries of /proc/PID/pagemap for `count` pages from an address; 0 or -errno. */
#define PAGEMAP_PRESENT (1ULL << 63)
#define PAGEMAP_SWAPPED (1ULL << 62)
#define PAGEMAP_FILE	(1ULL << 61) /* the file's page, or shared memory */
#define PAGEMAP_UFFD_WP (1ULL << 57) /* not written since write-protected */
int memory_pagemap(const struct tracee *tracee, uint64_t address, uint64_t *entries, size_t count);

/* The lines of /proc/PID/maps, sorted; 0 or -errno with a message. */
int mappings_read(const struct tracee *tracee, struct capture_mapping_vec *maps);
int mappings_read_of(pid_t pid, struct capture_mapping_vec *maps);
void mappings_release(struct capture_mapping_vec *maps);
/* The mapping that holds an address, or NULL. */
const struct capture_mapping *mappings_find(const struct capture_mapping_vec *maps,
					    uint64_t address);
/* Whether nothing is mapped in [start, end). */
bool mappings_free(const struct capture_mapping_vec *maps, uint64_t start, uint64_t end);

#endif
