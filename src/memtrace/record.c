// SPDX-License-Identifier: Apache-2.0
/* The parent's side: a child runs the region, we take its stream and write it. */
#include "memtrace/record_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "base/progress.h"
#include "memtrace/describe.h"
#include "memtrace/region.h"

#define RING_CHUNK   (1UL << 18)
#define TABLE_INSNS  (8U << 20)
#define TABLE_OPS    (8U << 20)
#define TABLE_BLOCKS (2U << 20)
#define TABLE_ROOM   (1UL << 30) /* for one of them, of address space */
#define POLL_MS	     50
#define PATIENCE_MS  2000 /* for the child to stop when told to */

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* where: 0 for anywhere */
static void *shared_memory(size_t size, uint64_t where)
{
	void *memory = mmap((void *)(uintptr_t)where, size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static void free_shared(void *memory, size_t size)
{
	if (memory)
		munmap(memory, size);
}

int recording_allocate(struct recording *r)
{
	struct mem_tables *t = &r->tables;
	uint64_t far = r->program ? RING_FAR : 0; /* a region's pages may be there */

	t->max_insns = TABLE_INSNS;
	t->max_ops = TABLE_OPS;
	t->max_blocks = TABLE_BLOCKS;
	if (r->program)
		r->rings = ring_set_create(RING_CHUNK);
	else
		r->ring = ring_create(RING_CHUNK);
	r->report = shared_memory(sizeof(*r->report), 0);
	t->insns = shared_memory(TABLE_INSNS * sizeof(*t->insns), far ? far - TABLE_ROOM : 0);
	t->ops = shared_memory(TABLE_OPS * sizeof(*t->ops), far ? far - 2 * TABLE_ROOM : 0);
	t->blocks =
		shared_memory(TABLE_BLOCKS * sizeof(*t->blocks), far ? far - 3 * TABLE_ROOM : 0);
	if ((r->ring || r->rings) && r->report && t->insns && t->ops && t->blocks)
		return 0;
	return err_sys(CHOP_MISSING, ENOMEM, "memory to share with the traced code");
}

void recording_release(struct recording *r)
{
	ring_free(r->ring);
	ring_set_free(r->rings);
	free_shared(r->report, sizeof(*r->report));
	free_shared(r->tables.insns, TABLE_INSNS * sizeof(*r->tables.insns));
	free_shared(r->tables.ops, TABLE_OPS * sizeof(*r->tables.ops));
	free_shared(r->tables.blocks, TABLE_BLOCKS * sizeof(*r->tables.blocks));
}

static void become_region(struct recording *r, pid_t parent)
{
	if (r->program) {
		live_run(r->program, r->rings, &r->tables, r->report);
		_exit(0);
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	region_run(r->capture, r->ring, &r->tables, r->report);
	_exit(0);
}

int recording_start(struct recording *r)
{
	pid_t parent = getpid();

	if (r->ring)
		r->ring->consumer = (uint32_t)parent;
	for (size_t i = 0; r->rings && i < RING_SET_MAX; i++)
		r->rings->rings[i].consumer = (uint32_t)parent;
	fflush(NULL); /* what is buffered must not be written twice */
	r->child = fork();
	if (!r->child)
		become_region(r, parent);
	if (r->child < 0)
		return err_sys(CHOP_MISSING, errno, "cannot start a process for the region");
	return 0;
}

void recording_stop(struct recording *r, enum chop_mem_outcome outcome, const char *text)
{
	if (r->stopped)
		return;
	r->stopped = true;
	r->result->outcome = outcome;
	snprintf(r->result->text, sizeof(r->result->text), "%s", text);
	if (r->ring)
		ring_stop(r->ring);
	else
		ring_set_stop(r->rings);
}

static void take(struct recording *r, const uint64_t *words, const struct ring_chunk *facts)
{
	const struct memtrace_options *options = r->options;
	int error = 0;

	if (r->stopped)
		return;
	if (options->observe)
		error = options->observe(options->context, &r->tables, words, facts->words);
	if (!error && !options->no_values)
		error = mem_writer_add(r->writer, words, facts->words, facts->fs_base,
				       facts->gs_base, facts->thread);
	if (error > 0) {
		recording_stop(r, CHOP_MEM_LIMITED, "as many references as asked for");
	} else if (error) {
		r->failed = error;
		recording_stop(r, CHOP_MEM_NO_SPACE, err_message());
	}
}

void recording_check(struct recording *r)
{
	if (!r->gone && waitpid(r->child, &r->status, WNOHANG) == r->child)
		r->gone = true;
}

static void show_progress(struct recording *r)
{
	struct mem_write_totals totals;

	mem_writer_totals(r->writer, &totals);
	progress_show("%.1f million references, %.0f MB written", (double)totals.references / 1e6,
		      (double)totals.file_bytes / 1e6);
}

static void check_limits(struct recording *r)
{
	uint64_t limit = r->options->timeout_ns;

	if (!limit && r->program)
		limit = UINT64_MAX;
	else if (!limit)
		limit = 60 * 1000000000ULL + 1000 * r->capture->duration_ns;
	if (r->options->interrupted && *r->options->interrupted)
		recording_stop(r, CHOP_MEM_INTERRUPTED, "interrupted");
	if (now() - r->start > limit)
		recording_stop(r, CHOP_MEM_DIVERGED,
			       "the end was not reached in time (--timeout gives it longer)");
}

void recording_drain(struct recording *r)
{
	const struct ring_chunk *facts;
	const uint64_t *words;
	uint64_t told = 0;

	for (;;) {
		struct ring *ring = r->ring;
		int more = r->rings ? ring_set_next(r->rings, &ring, &words, &facts, POLL_MS)
				    : ring_next(ring, &words, &facts, POLL_MS);

		if (!more || (more < 0 && r->gone))
			return;
		if (more > 0) {
			take(r, words, facts);
			ring_release(ring);
		} else {
			recording_check(r);
		}
		check_limits(r);
		show_progress(r);
		if (!r->stopped)
			continue;
		told = told ? told : now();
		if (now() - told > PATIENCE_MS * 1000000ULL)
			return;
	}
}

static void reap(struct recording *r)
{
	for (int i = 0; i < PATIENCE_MS / 10 && !r->gone; i++) {
		recording_check(r);
		if (!r->gone)
			usleep(10000);
	}
	if (r->gone)
		return;
	kill(r->child, SIGKILL);
	waitpid(r->child, &r->status, 0);
	r->gone = true;
}

static enum chop_mem_outcome outcome_of(const struct engine_stop *stop)
{
	switch (stop->result) {
	case ENGINE_END:
		return CHOP_MEM_COMPLETE;
	case ENGINE_REFUSED:
	case ENGINE_OUT_OF_TABLE:
		return CHOP_MEM_REFUSED;
	default:
		return CHOP_MEM_DIVERGED;
	}
}

static void conclude(struct recording *r)
{
	struct memtrace_result *result = r->result;

	result->duration_ns = now() - r->start;
	if (r->stopped)
		return;
	if (WIFSIGNALED(r->status)) {
		result->outcome = CHOP_MEM_CRASHED;
		snprintf(result->text, sizeof(result->text),
			 "the tracing process died of signal %d", WTERMSIG(r->status));
		return;
	}
	result->outcome = outcome_of(&r->report->stop);
	result->verified = r->report->verified;
	snprintf(result->text, sizeof(result->text), "%s", r->report->text);
}

int recording_create_writer(struct recording *r, const char *description)
{
	const struct memtrace_options *o = r->options;
	struct mem_write_options options = { .sample_on = o->sample_on,
					     .sample_period = o->sample_period,
					     .max_references = o->max_references,
					     .no_fetch = o->no_fetch,
					     .level = o->level,
					     .description = description };

	engine_machine(&options.machine);
	return mem_writer_create(o->output, &options, &r->tables, &r->writer);
}

static int create_writer(struct recording *r)
{
	cleanup_buf struct buf description = { 0 };

	describe_capture(r->capture, &description);
	return recording_create_writer(r, buf_text(&description));
}

int recording_finish(struct recording *r)
{
	struct memtrace_result *result = r->result;
	int error;

	if (!r->report->started && !r->stopped) {
		mem_writer_finish(r->writer, CHOP_MEM_CRASHED, 0, result->text, &result->totals);
		if (r->options->output)
			io_discard(r->options->output);
		return err_set(CHOP_MISSING, EINVAL, "%s", result->text);
	}
	error = mem_writer_finish(r->writer, result->outcome, result->verified, result->text,
				  &result->totals);
	if (error) {
		result->outcome = CHOP_MEM_NO_SPACE;
		snprintf(result->text, sizeof(result->text), "%s", err_message());
	}
	return r->failed ? r->failed : error;
}

int memtrace_record(const struct capture *capture, const struct memtrace_options *options,
		    struct memtrace_result *result)
{
	struct recording r = { .capture = capture, .options = options, .result = result };
	int error = capture_check_whole(capture);

	memset(result, 0, sizeof(*result));
	if (!error)
		error = recording_allocate(&r);
	if (!error)
		error = create_writer(&r);
	if (!error) {
		r.start = now();
		error = recording_start(&r);
		if (!error) {
			recording_drain(&r);
			reap(&r);
			conclude(&r);
			progress_clear();
			error = recording_finish(&r);
		} else {
			mem_writer_finish(r.writer, CHOP_MEM_CRASHED, 0, NULL, NULL);
		}
	}
	recording_release(&r);
	return error;
}
