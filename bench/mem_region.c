// SPDX-License-Identifier: Apache-2.0
/*
 * mem_region SNIPPET [RUNS]: what tracing a captured region costs, apart from starting,
 * mapping and comparing. One line of numbers, each the best of RUNS (3) - on a busy machine
 * only the least disturbed run tells anything:
 *	references  data references of the region
 *	raw         CPU seconds of the traced code; the stream is handed over and dropped
 *	file        seconds from the region's begin until the file is finished, writing included
 *	coder       CPU seconds of the process that takes, codes and writes the stream
 *	bytes       of the file
 *	data        records a second read back from it by one thread: loads and stores
 *	all         ... instruction fetches as well
 *	raw bytes   of the stream
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <chop/mem_trace.h>

#include "base/err.h"
#include "memtrace/from_snippet.h"
#include "memtrace/memtrace.h"
#include "memtrace/record_private.h"
#include "memtrace/region.h"

#define RECORDS 4096

struct costs {
	double raw, file, coder, data, all;
	struct mem_write_totals totals;
};

static char path[64];

static double clock_now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void fail(const char *text)
{
	fprintf(stderr, "mem_region: %s\n", text);
	unlink(path);
	exit(1);
}

static void drain(struct ring *ring, struct mem_writer *writer)
{
	const struct ring_chunk *facts;
	const uint64_t *words;
	int more;

	while ((more = ring_next(ring, &words, &facts, 1000)) != 0) {
		if (more != 1)
			continue;
		if (writer && mem_writer_add(writer, words, facts->words, facts->fs_base,
					     facts->gs_base, facts->thread))
			fail(err_message());
		ring_release(ring);
	}
}

/* The region runs in a child, as under chop mem; its stream goes to the writer or nowhere. */
static void trace(const struct capture *capture, bool to_file, struct costs *costs)
{
	struct memtrace_options options = { .output = path };
	struct memtrace_result result = { 0 };
	struct recording r = { .capture = capture, .options = &options, .result = &result };
	double cpu;

	if (recording_allocate(&r) || (to_file && recording_create_writer(&r, "{}")) ||
	    recording_start(&r))
		fail(err_message());
	cpu = clock_now(CLOCK_PROCESS_CPUTIME_ID);
	drain(r.ring, r.writer);
	if (r.writer && mem_writer_finish(r.writer, CHOP_MEM_COMPLETE, CHOP_MEM_NOT_VERIFIED, NULL,
					  &costs->totals))
		fail(err_message());
	costs->file = clock_now(CLOCK_MONOTONIC) - (double)r.report->begin_ns * 1e-9;
	costs->coder = clock_now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	waitpid(r.child, &r.status, 0);
	if (r.report->verified != CHOP_MEM_EQUAL)
		fail(r.report->text);
	costs->raw = (double)r.report->cpu_ns * 1e-9;
	recording_release(&r);
}

/* Records a second of the file. */
static double read_back(bool fetches)
{
	static struct chop_mem_record records[RECORDS];
	struct chop_mem_reader *reader;
	double start = clock_now(CLOCK_PROCESS_CPUTIME_ID);
	uint64_t count;
	long got;

	if (chop_mem_open(path, 0, &reader))
		fail(chop_mem_error(reader));
	if (!fetches)
		chop_mem_select(reader, 1 << CHOP_MEM_READ | 1 << CHOP_MEM_WRITE);
	for (count = 0; (got = chop_mem_read(reader, records, RECORDS)) > 0;)
		count += (uint64_t)got;
	if (got < 0)
		fail(chop_mem_error(reader));
	chop_mem_close(reader);
	return (double)count / (clock_now(CLOCK_PROCESS_CPUTIME_ID) - start);
}

static void less(double *best, double value)
{
	if (!*best || value < *best)
		*best = value;
}

static void more(double *best, double value)
{
	if (value > *best)
		*best = value;
}

int main(int argc, char **argv)
{
	int runs = argc > 2 ? atoi(argv[2]) : 3;
	struct costs best = { 0 };
	cleanup_capture struct capture capture;

	if (argc < 2 || runs < 1)
		return 2;
	capture_init(&capture);
	if (memtrace_load_snippet(argv[1], &capture))
		fail(err_message());
	if (memtrace_collides(&capture))
		return memtrace_start_over(&capture, NULL) ? 1 : 0;
	snprintf(path, sizeof(path), "/dev/shm/chop-bench.%d.mem", getpid());
	for (int i = 0; i < runs; i++) {
		struct costs costs = { 0 };

		trace(&capture, false, &costs);
		less(&best.raw, costs.raw);
		trace(&capture, true, &costs);
		less(&best.file, costs.file);
		less(&best.coder, costs.coder);
		best.totals = costs.totals;
		more(&best.data, read_back(false));
		more(&best.all, read_back(true));
	}
	unlink(path);
	printf("%" PRIu64 " %.6f %.6f %.6f %" PRIu64 " %.0f %.0f %" PRIu64 "\n",
	       best.totals.references, best.raw, best.file, best.coder, best.totals.file_bytes,
	       best.data, best.all, best.totals.raw_bytes);
	return 0;
}
