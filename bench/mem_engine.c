// SPDX-License-Identifier: Apache-2.0
/*
 * mem_engine [RUNS]: what the translator, the writer and the reader cost, on code of this
 * program: daxpy, a pointer chase, sorting and hashing. Each line is the median of RUNS
 * (3): slowdown against the same code run natively just before, and million data
 * references per second. CPU time of the process that runs the code, or that reads.
 *	discard  raw stream in memory, thrown away by the consumer
 *	file     encoded and compressed into a file by another process
 *	read     that file read back, data references only; +fetch: with instruction fetches
 */
#include <asm/prctl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <chop/mem_trace.h>

#include "base/alloc.h"
#include "base/err.h"
#include "memtrace/engine.h"
#include "store/mem_write.h"

#define STACK_SIZE  (1UL << 20)
#define CHUNK_SIZE  (1UL << 20)
#define TABLE_ROOM  1000000
#define RECORDS	    4096
#define DAXPY_SIZE  1000000
#define CHASE_NODES 1000000
#define SORT_SIZE   1000000

struct node {
	struct node *next;
	long pad[7];
};

static double *x, *y;
static struct node *nodes;
static int *numbers, *spare_numbers;
static uint64_t *hash;
static volatile long sink;

static void daxpy(void)
{
	for (int k = 0; k < 100; k++) {
		for (long i = 0; i < DAXPY_SIZE; i++)
			y[i] += 1.0001 * x[i];
		__asm__ volatile("" ::: "memory");
	}
}

static void chase(void)
{
	struct node *at = nodes;

	for (long i = 0; i < 4000000; i++)
		at = at->next;
	sink = at - nodes;
}

static int by_value(const void *a, const void *b)
{
	const int *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

/* Not qsort: it allocates, and so does the translator in this very process. */
static void merge_sort(int *at, int *spare, long count, int (*compare)(const void *, const void *))
{
	long half = count / 2;

	if (count < 2)
		return;
	merge_sort(at, spare, half, compare);
	merge_sort(at + half, spare, count - half, compare);
	for (long i = 0, left = 0, right = half; i < count; i++) {
		bool take = left < half && (right == count || compare(&at[left], &at[right]) <= 0);

		spare[i] = at[take ? left++ : right++];
	}
	for (long i = 0; i < count; i++)
		at[i] = spare[i];
}

static void sort(void)
{
	merge_sort(numbers, spare_numbers, SORT_SIZE, by_value);
	for (long i = 0; i < SORT_SIZE; i++) {
		uint64_t key = (uint32_t)numbers[i] | 1;
		uint64_t at = key * 0x9E3779B97F4A7C15 >> 43;

		while (hash[at] && hash[at] != key)
			at = (at + 1) & 0x1fffff;
		hash[at] = key;
	}
}

static const struct workload {
	const char *name;
	void (*code)(void);
} workloads[] = { { "daxpy", daxpy }, { "chase", chase }, { "sort", sort } };

struct shared {
	struct timespec time;
	struct engine_stop stop;
};

static struct shared *shared;
static struct mem_tables tables;
static char path[64];

static uint64_t cpu_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void *shared_memory(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
		    -1, 0);
}

static uint64_t random_word(void)
{
	static uint64_t word = 88172645463325252;

	word ^= word << 13;
	word ^= word >> 7;
	return word ^= word << 17;
}

/* One random cycle through all nodes (Sattolo). */
static void make_cycle(void)
{
	uint32_t *order = xmalloc(CHASE_NODES * sizeof(*order));
	for (uint32_t i = 0; i < CHASE_NODES; i++)
		order[i] = i;
	for (uint32_t i = CHASE_NODES - 1; i > 0; i--) {
		uint32_t j = (uint32_t)(random_word() % i), swap = order[i];

		order[i] = order[j];
		order[j] = swap;
	}
	for (uint32_t i = 0; i < CHASE_NODES; i++)
		nodes[i].next = &nodes[order[i]];
	free(order);
}

static void setup(void)
{
	x = page_alloc(DAXPY_SIZE * sizeof(*x));
	y = page_alloc(DAXPY_SIZE * sizeof(*y));
	nodes = page_alloc(CHASE_NODES * sizeof(*nodes));
	numbers = page_alloc(SORT_SIZE * sizeof(*numbers));
	spare_numbers = page_alloc(SORT_SIZE * sizeof(*numbers));
	hash = page_alloc(0x200000 * sizeof(*hash));
	for (long i = 0; i < DAXPY_SIZE; i++)
		x[i] = y[i] = (double)i;
	for (long i = 0; i < SORT_SIZE; i++)
		numbers[i] = (int)(random_word() >> 32);
	make_cycle();
	tables.insns = shared_memory(TABLE_ROOM * sizeof(*tables.insns));
	tables.ops = shared_memory(TABLE_ROOM * sizeof(*tables.ops));
	tables.blocks = shared_memory(TABLE_ROOM * sizeof(*tables.blocks));
	tables.max_insns = tables.max_ops = tables.max_blocks = TABLE_ROOM;
	shared = shared_memory(sizeof(*shared));
}

static void the_end(void)
{
	abort();
}

static void run_translated(const struct workload *w, struct ring *ring)
{
	uint64_t ends[] = { (uintptr_t)the_end };
	struct engine_config config = { .ring = ring, .tables = &tables, .ends = ends, .nends = 1 };
	uint8_t *stack = page_alloc(STACK_SIZE);
	uint64_t *sp = (uint64_t *)(stack + STACK_SIZE - 64) - 1;
	struct chop_regs regs = { .rip = (uintptr_t)w->code,
				  .rsp = (uintptr_t)sp,
				  .eflags = 0x202 };
	struct engine *engine;

	*sp = ends[0];
	syscall(SYS_arch_prctl, ARCH_GET_FS, &regs.fs_base);
	if (engine_create(&config, &engine)) {
		fprintf(stderr, "%s\n", err_message());
		_exit(1);
	}
	engine_run(engine, &regs, NULL, 0, &shared->stop);
	if (shared->stop.result != ENGINE_END)
		fprintf(stderr, "%s: %s\n", w->name, shared->stop.reason);
}

static void drain(struct ring *ring, struct mem_writer *writer)
{
	const struct ring_chunk *facts;
	const uint64_t *words;
	int more;

	while ((more = ring_next(ring, &words, &facts, 1000)) != 0) {
		if (more != 1)
			continue;
		if (writer && mem_writer_add(writer, words, facts->words, facts->fs_base, 0, 0))
			fprintf(stderr, "%s\n", err_message());
		ring_release(ring);
	}
}

/* CPU nanoseconds of the code: natively, translated, translated into the file. */
static uint64_t run(const struct workload *w, int mode, struct mem_write_totals *totals)
{
	struct ring *ring = mode ? ring_create(CHUNK_SIZE) : NULL;
	struct mem_write_options options = { 0 };
	struct mem_writer *writer = NULL;
	pid_t child = fork();
	uint64_t wall;
	int status;

	if (!child) {
		struct timespec a, b;

		wall = cpu_time();
		clock_gettime(CLOCK_MONOTONIC, &a);
		if (mode)
			run_translated(w, ring);
		else
			w->code();
		clock_gettime(CLOCK_MONOTONIC, &b);
		wall = mode == 2 ? (uint64_t)(b.tv_sec - a.tv_sec) * 1000000000 +
					   (uint64_t)b.tv_nsec - (uint64_t)a.tv_nsec
				 : cpu_time() - wall;
		shared->time.tv_sec = (time_t)(wall / 1000000000);
		shared->time.tv_nsec = (long)(wall % 1000000000);
		_exit(0);
	}
	engine_machine(&options.machine);
	if (mode == 2 && mem_writer_create(path, &options, &tables, &writer))
		exit(1);
	if (mode)
		drain(ring, writer);
	waitpid(child, &status, 0);
	if (writer)
		mem_writer_finish(writer, CHOP_MEM_COMPLETE, 0, NULL, totals);
	ring_free(ring);
	return (uint64_t)shared->time.tv_sec * 1000000000 + (uint64_t)shared->time.tv_nsec;
}

/* CPU nanoseconds to read the file; counts records. */
static uint64_t read_back(bool fetches, uint64_t *count)
{
	static struct chop_mem_record records[RECORDS];
	struct chop_mem_reader *reader;
	uint64_t start = cpu_time();
	long got;

	if (chop_mem_open(path, 0, &reader)) {
		fprintf(stderr, "%s\n", chop_mem_error(reader));
		exit(1);
	}
	if (!fetches)
		chop_mem_select(reader, 1 << CHOP_MEM_READ | 1 << CHOP_MEM_WRITE);
	for (*count = 0; (got = chop_mem_read(reader, records, RECORDS)) > 0;)
		*count += (uint64_t)got;
	if (got < 0)
		fprintf(stderr, "%s\n", chop_mem_error(reader));
	chop_mem_close(reader);
	return cpu_time() - start;
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static uint64_t median(uint64_t *values, int count)
{
	qsort(values, (size_t)count, sizeof(*values), by_size);
	return values[count / 2];
}

static void measure(const struct workload *w, int runs)
{
	struct mem_write_totals totals = { 0 };
	uint64_t times[5][32], records[2];

	for (int i = 0; i < runs; i++) {
		times[0][i] = run(w, 0, NULL);
		times[1][i] = run(w, 1, NULL);
		times[2][i] = run(w, 2, &totals);
		times[3][i] = read_back(false, &records[0]);
		times[4][i] = read_back(true, &records[1]);
	}
	double native = (double)median(times[0], runs), raw = (double)median(times[1], runs);
	double file = (double)median(times[2], runs), data = (double)median(times[3], runs);
	double all = (double)median(times[4], runs), refs = (double)totals.references;

	printf("%-6s %6.1f Mref native %7.1f ms | discard %5.1fx %6.0f Mref/s | file %5.1fx %5.0f "
	       "Mref/s %5.2f bit/ref | read %5.0f M/s, +fetch %5.0f M/s\n",
	       w->name, refs / 1e6, native / 1e6, raw / native, refs * 1e3 / raw, file / native,
	       refs * 1e3 / file, (double)totals.file_bytes * 8 / refs,
	       (double)records[0] * 1e3 / data, (double)records[1] * 1e3 / all);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	int runs = argc > 1 ? atoi(argv[1]) : 3;

	if (runs < 1 || runs > 32)
		return 2;
	setup();
	snprintf(path, sizeof(path), "/dev/shm/chop-bench.%d.mem", getpid());
	for (size_t i = 0; i < ARRAY_SIZE(workloads); i++)
		measure(&workloads[i], runs);
	unlink(path);
	return 0;
}
