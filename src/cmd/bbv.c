// SPDX-License-Identifier: Apache-2.0
/* chop bbv: basic-block vectors of a memory trace, for SimPoint. */
#include "cmd/cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <chop/mem_trace.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "base/map.h"
#include "base/progress.h"
#include "memtrace/facts.h"

#define BATCH	   4096
#define CACHE_SIZE 65536 /* instructions looked up fast, a power of two */

struct options {
	const char *output, *markers;
	uint64_t interval;
	bool partial;
};

static const struct opt table[] = {
	OPT_TEXT('o', "output", struct options, output, "FILE",
		 "write the vectors to FILE (default: TRACE.bb)"),
	OPT_TEXT('m', "markers", struct options, markers, "FILE",
		 "write where each interval begins to FILE (default: TRACE.markers)"),
	OPT_NUMBER('n', "interval", struct options, interval, "N",
		   "instructions of an interval (10000000)", .min = 1),
	OPT_FLAG(0, "partial", struct options, partial, "also read traces that were cut off"),
	OPT_END,
};

static const struct opt_spec spec = {
	.usage = "chop bbv TRACE [--interval N] [-o FILE]",
	.about = "Count how often each basic block of a memory trace (chop mem) is executed in "
		 "each\n"
		 "interval of N instructions, in SimPoint's format, and tell where the intervals\n"
		 "begin: an address, and how often it had been reached.",
	.options = table,
	.examples = "  chop bbv lzma.mem --interval 1000000\n"
		    "  simpoint -loadFVFile lzma.mem.bb -maxK 10 -saveSimpoints points",
	.intermixed = true,
};

/* What is known of an instruction. */
struct cached {
	uint64_t ip; /* 0: free */
	bool ends;   /* a branch: the next instruction begins a block */
};

struct block {
	uint64_t start, entries; /* address; how often it was begun so far */
	uint64_t instructions;	 /* in this interval */
};

struct vectors {
	struct chop_mem_reader *reader;
	uint64_t interval;
	struct cached cache[CACHE_SIZE];
	struct map numbers; /* start -> index of a block */
	struct block_vec VEC_BODY(struct block) blocks;
	struct u32_vec VEC_BODY(uint32_t) used; /* blocks of this interval, in order of use */
	uint32_t current;
	bool begin;	/* the next instruction begins a block */
	uint64_t count; /* instructions of this interval */
	uint64_t total, intervals;
	struct buf bb, markers;
};

static int lookup(struct vectors *v, uint64_t ip, struct cached *entry)
{
	struct insn_facts facts;
	uint8_t code[15];
	unsigned int length = chop_mem_code(v->reader, ip, code);

	if (!length || insn_facts(code, length, &facts))
		return err_set(CHOP_USAGE, EINVAL, "the trace has no code for %#" PRIx64, ip);
	*entry = (struct cached){ ip, facts.branch != BRANCH_NONE };
	return 0;
}

static int by_number(const void *a, const void *b)
{
	const uint32_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

/* "T:1:200 :5:3", block numbers from 1. */
static void end_interval(struct vectors *v)
{
	if (!v->count)
		return;
	vec_sort(&v->used, by_number);
	buf_add_char(&v->bb, 'T');
	for (size_t i = 0; i < v->used.length; i++) {
		struct block *block = &v->blocks.items[v->used.items[i]];

		buf_printf(&v->bb, "%s:%" PRIu32 ":%" PRIu64, i ? "   " : "", v->used.items[i] + 1,
			   block->instructions);
		block->instructions = 0;
	}
	buf_add_char(&v->bb, '\n');
	v->used.length = 0;
	v->count = 0;
	v->intervals++;
}

static void begin_block(struct vectors *v, uint64_t ip)
{
	uint64_t number;

	if (!map_get(&v->numbers, ip, &number)) {
		number = v->blocks.length;
		map_put(&v->numbers, ip, number);
		*vec_push(&v->blocks) = (struct block){ .start = ip };
	}
	v->current = (uint32_t)number;
	v->blocks.items[number].entries++;
	if (v->count >= v->interval)
		end_interval(v);
	if (!v->count)
		buf_printf(&v->markers, "%" PRIu64 " %#" PRIx64 " %" PRIu64 " %" PRIu64 "\n",
			   v->intervals, ip, v->blocks.items[number].entries, v->total);
	v->begin = false;
}

static int add(struct vectors *v, uint64_t ip)
{
	struct cached *entry = &v->cache[(ip ^ ip >> 16) % CACHE_SIZE];
	struct block *block;
	int error = entry->ip == ip ? 0 : lookup(v, ip, entry);

	if (error)
		return error;
	if (v->begin)
		begin_block(v, ip);
	block = &v->blocks.items[v->current];
	if (!block->instructions++)
		*vec_push(&v->used) = v->current;
	v->count++;
	v->total++;
	v->begin = entry->ends;
	return 0;
}

static int read_all(struct vectors *v)
{
	static struct chop_mem_record records[BATCH];
	long got;

	chop_mem_select(v->reader, 1U << CHOP_MEM_FETCH);
	v->begin = true;
	while ((got = chop_mem_read(v->reader, records, BATCH)) > 0) {
		for (long i = 0; i < got; i++) {
			int error = add(v, records[i].ip);

			if (error)
				return error;
		}
		progress_show("%.1f million instructions", (double)v->total / 1e6);
	}
	end_interval(v);
	return got < 0 ? err_set(CHOP_USAGE, EINVAL, "%s", chop_mem_error(v->reader)) : 0;
}

static int write_text(const char *path, const struct buf *text)
{
	cleanup_io_file struct io_file file = IO_FILE_INIT;
	int error = io_create(&file, path, 0666);

	if (error)
		return error;
	error = io_write(file.fd, text->data, text->length);
	if (error)
		return err_sys(CHOP_USAGE, -error, "cannot write %s", path);
	return io_commit(&file);
}

static int write_results(const struct options *options, const char *trace, struct vectors *v)
{
	cleanup_free char *bb =
		options->output ? xstrdup(options->output) : xasprintf("%s.bb", trace);
	cleanup_free char *markers =
		options->markers ? xstrdup(options->markers) : xasprintf("%s.markers", trace);
	const struct chop_mem_info *info = chop_mem_info(v->reader);
	int error = write_text(bb, &v->bb);

	if (!error)
		error = write_text(markers, &v->markers);
	if (error)
		return error;
	printf("%s: %" PRIu64 " intervals, %zu basic blocks, %" PRIu64 " instructions; %s\n", bb,
	       v->intervals, v->blocks.length, v->total, markers);
	if (info->sample_period)
		log_warn("this trace is sampled: what lies between the samples is not counted");
	else if (info->outcome != CHOP_MEM_COMPLETE)
		log_warn("this trace ends before its region does: %s", info->text);
	return 0;
}

static int make_vectors(const struct options *options, const char *trace)
{
	struct vectors *v = xcalloc(1, sizeof(*v));
	int error = 0;

	v->interval = options->interval;
	if (chop_mem_open(trace, options->partial ? CHOP_MEM_PARTIAL : 0, &v->reader))
		error = err_set(CHOP_USAGE, EINVAL, "%s", chop_mem_error(v->reader));
	if (!error)
		error = read_all(v);
	progress_clear();
	if (!error)
		error = write_results(options, trace, v);
	chop_mem_close(v->reader);
	map_release(&v->numbers);
	vec_release(&v->blocks);
	vec_release(&v->used);
	buf_release(&v->bb);
	buf_release(&v->markers);
	free(v);
	return error;
}

int cmd_bbv(int argc, char **argv)
{
	struct options options = { .interval = 10000000 };
	struct strvec rest = { 0 };
	int status;

	if (!cmd_parse(&spec, argc, argv, &options, &rest, &status))
		return status;
	if (rest.length == 1)
		status = make_vectors(&options, rest.items[0]);
	else
		status = cmd_usage("expected one memory trace, of chop mem");
	vec_release(&rest);
	return status;
}
