// SPDX-License-Identifier: Apache-2.0
#include "tracee/page_table.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "tracee/bpf.h"

#ifndef HAVE_BPF

int page_table_open(struct page_table **table)
{
	*table = NULL;
	return bpf_not_built();
}

void page_table_close(struct page_table *table)
{
	(void)table;
}

bool page_table_tells_young(const struct page_table *table)
{
	(void)table;
	return false;
}

int page_table_scan(struct page_table *table, pid_t pid, pid_t twin, uint64_t start, uint64_t end,
		    unsigned int wanted, page_table_fn *function, void *context)
{
	(void)table;
	(void)pid;
	(void)twin;
	(void)start;
	(void)end;
	(void)wanted;
	(void)function;
	(void)context;
	return -ENOSYS;
}

#else

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/io.h"
#include "base/log.h"
#include "store/capture.h"

#include "page_table.skel.h"

#define GIGABYTE	 ((uint64_t)1 << 30)
/* The direct map begins below the tables in it, by no more than the memory there is. */
#define DIRECT_MAP_TRIES 4096
#define FRAME_BITS	 55 /* of an entry of /proc/PID/pagemap */
#define BYTES_SIZE	 ((size_t)CHOP_TABLE_BLOCKS * CHOP_TABLE_PAGES)

struct page_table {
	struct page_table_bpf *program;
	const uint8_t *bytes; /* of the last walk, one for each page */
	uint64_t direct_map, frames;
	unsigned int levels;
};

static int run(const struct bpf_program *program, void *context, unsigned int size)
{
	/* Programs of this kind give their answer in what they were given. */
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = context, .ctx_size_in = size);

	if (bpf_prog_test_run_opts(bpf_program__fd(program), &options))
		return -errno;
	return options.retval ? -ESRCH : 0;
}

static int walk(const struct page_table *table, struct chop_table_walk *args)
{
	args->levels = table->levels;
	args->direct_map = table->direct_map;
	return run(table->program->progs.walk, args, sizeof(*args));
}

static uint64_t physical(const volatile void *page)
{
	cleanup_close int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry;

	if (fd < 0 || pread(fd, &entry, sizeof(entry),
			    (off_t)((uint64_t)page / CHOP_PAGE_SIZE * sizeof(entry))) != 8)
		return 0;
	return (entry & ((1ULL << FRAME_BITS) - 1)) * CHOP_PAGE_SIZE;
}

/*
 * Where physical address 0 is in the kernel's direct map: the one place below our own top
 * table, in whole gigabytes, from which a page of ours shows what we wrote to it.
 */
static bool find_direct_map(struct page_table *table, const volatile uint64_t *page)
{
	struct chop_table_walk args = { .pid = getpid() };
	uint64_t frame = physical(page);

	if (!frame || walk(table, &args))
		return false;
	for (uint64_t i = 0; i < DIRECT_MAP_TRIES; i++) {
		struct chop_table_peek peek;

		table->direct_map = (args.root & -GIGABYTE) - i * GIGABYTE;
		peek.address = table->direct_map + frame;
		if (!run(table->program->progs.peek, &peek, sizeof(peek)) && !peek.error &&
		    peek.value == *page)
			return true;
	}
	return false;
}

static int is_it(void *page, uint64_t address, unsigned int bits)
{
	return address == (uint64_t)page && bits & CHOP_TABLE_PRESENT;
}

/* The page is seen as touched, with as many levels of tables as this machine has. */
static bool find_levels(struct page_table *table, void *page)
{
	uint64_t start = (uint64_t)page & -CHOP_TABLE_SIZE;

	for (table->levels = 4; table->levels <= 5; table->levels++) {
		if (page_table_scan(table, getpid(), 0, start, start + CHOP_TABLE_SIZE,
				    CHOP_TABLE_ACCESSED, is_it, page) == 1)
			return true;
	}
	return false;
}

/* The kernel's array of pages begins at a multiple of 1 GB: anything else is no such array. */
static void find_frames(struct page_table *table)
{
	struct chop_table_find args = {
		.pid = getpid(),
		.levels = table->levels,
		.direct_map = table->direct_map,
	};

	if (!run(table->program->progs.find, &args, sizeof(args)) &&
	    !(args.frames & (GIGABYTE - 1)))
		table->frames = args.frames;
}

static bool calibrate(struct page_table *table)
{
	uint64_t *page = mmap(NULL, CHOP_PAGE_SIZE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct timespec now;
	bool found;

	if (page == MAP_FAILED)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &now);
	*page = 0xa55a5aa5deadbeefULL ^ (uint64_t)now.tv_nsec ^ (uint64_t)now.tv_sec << 32;
	table->levels = 4;
	found = find_direct_map(table, page) && find_levels(table, page);
	munmap(page, CHOP_PAGE_SIZE);
	return found;
}

static int load(struct page_table *table)
{
	int error;

	bpf_messages_to_log();
	table->program = page_table_bpf__open();
	error = table->program ? page_table_bpf__load(table->program) : -errno;
	if (error)
		return err_sys(CHOP_MISSING, -error,
			       "cannot load the program that reads page tables (root and Linux "
			       "6.2 or newer with BPF and BTF are needed)");
	table->bytes = mmap(NULL, BYTES_SIZE, PROT_READ, MAP_SHARED,
			    bpf_map__fd(table->program->maps.blocks), 0);
	if (table->bytes == MAP_FAILED) {
		table->bytes = NULL;
		return err_sys(CHOP_MISSING, errno, "cannot map what page tables hold");
	}
	if (calibrate(table)) {
		find_frames(table);
		return 0;
	}
	return err_set(CHOP_MISSING, ENOTSUP,
		       "this kernel does not let its page tables be read (a process namespace, "
		       "or lockdown, hides them)");
}

int page_table_open(struct page_table **table)
{
	int error;

	*table = xcalloc(1, sizeof(**table));
	error = load(*table);
	if (error) {
		page_table_close(*table);
		*table = NULL;
	}
	return error;
}

void page_table_close(struct page_table *table)
{
	if (!table)
		return;
	if (table->bytes)
		munmap((void *)table->bytes, BYTES_SIZE);
	page_table_bpf__destroy(table->program);
	free(table);
}

bool page_table_tells_young(const struct page_table *table)
{
	return table->frames != 0;
}

static int give(const struct page_table *table, const struct chop_table_walk *done, uint64_t start,
		uint64_t end, unsigned int wanted, page_table_fn *function, void *context)
{
	for (uint64_t i = 0; i < done->done * CHOP_TABLE_PAGES; i++) {
		uint64_t page = done->start + i * CHOP_PAGE_SIZE;
		int error = 0;

		if (table->bytes[i] & wanted && page >= start && page < end)
			error = function(context, page, table->bytes[i]);
		if (error)
			return error;
	}
	return 0;
}

int page_table_scan(struct page_table *table, pid_t pid, pid_t twin, uint64_t start, uint64_t end,
		    unsigned int wanted, page_table_fn *function, void *context)
{
	struct chop_table_walk args = {
		.pid = pid,
		.twin = twin,
		.start = start & -CHOP_TABLE_SIZE,
		.frames = wanted & CHOP_TABLE_YOUNG ? table->frames : 0,
	};

	while (args.start < end) {
		uint64_t blocks = (end - args.start + CHOP_TABLE_SIZE - 1) / CHOP_TABLE_SIZE;
		int error;

		args.blocks = blocks < CHOP_TABLE_BLOCKS ? blocks : CHOP_TABLE_BLOCKS;
		error = walk(table, &args);
		if (!error && args.failed)
			error = -EIO;
		if (!error)
			error = give(table, &args, start, end, wanted, function, context);
		if (error)
			return error;
		args.start = args.next;
	}
	return 0;
}

#endif
