// SPDX-License-Identifier: Apache-2.0
/* chop bbv: basic-block vectors of a memory trace, for SimPoint. */
#include "cmd/cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <chop/mem_trace.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "base/progress.h"
#include "cmd/live.h"
#include "memtrace/bbv.h"
#include "memtrace/facts.h"
#include "memtrace/atlas.h"

#define BATCH	   4096
#define CACHE_SIZE 65536 /* instructions looked up fast, a power of two */

struct options {
	const char *output, *markers;
	uint64_t interval;
	bool partial, live;
};

static const struct opt table[] = {
	OPT_TEXT('o', "output", struct options, output, "FILE",
		 "write the vectors to FILE (default: TRACE.bb, COMMAND.bb)"),
	OPT_TEXT('m', "markers", struct options, markers, "FILE",
		 "write where each interval begins to FILE (default: the name of\n"
		 "the vectors with .markers in place of .bb)"),
	OPT_NUMBER('n', "interval", struct options, interval, "N",
		   "instructions of an interval (10000000)", .min = 1),
	OPT_FLAG(0, "live", struct options, live,
		 "count in a whole program: chop bbv --live -- COMMAND"),
	OPT_FLAG(0, "partial", struct options, partial, "also read traces that were cut off"),
	OPT_END,
};

static const struct opt_spec spec = {
	.usage = "chop bbv TRACE [--interval N] [-o FILE]\n"
		 "chop bbv --live [--interval N] [-o FILE] -- COMMAND",
	.about = "Count how often each basic block of a memory trace (chop mem), or of a program,\n"
		 "is executed in each interval of N instructions, in SimPoint's format, and tell "
		 "where the intervals\n"
		 "begin: an address, and how often it had been reached.",
	.options = table,
	.examples = "  chop bbv lzma.mem --interval 1000000\n"
		    "  chop bbv --live -- gzip -c FILE >/dev/null\n"
		    "  simpoint -loadFVFile lzma.mem.bb -maxK 10 -saveSimpoints points",
	.intermixed = true,
};

/* What is known of an instruction of a trace. */
struct cached {
	uint64_t ip; /* 0: free */
	uint32_t insn;
	bool ends; /* a branch: the next instruction begins a block */
};

struct source {
	struct chop_mem_reader *reader;
	struct cached cache[CACHE_SIZE];
};

static int lookup(struct source *source, struct bbv *bbv, uint64_t ip, struct cached *entry)
{
	struct insn_facts facts;
	uint8_t code[15];
	unsigned int length = chop_mem_code(source->reader, ip, code);

	if (!length || insn_facts(code, length, &facts))
		return err_set(CHOP_USAGE, EINVAL, "the trace has no code for %#" PRIx64, ip);
	*entry = (struct cached){ ip, bbv_insn(bbv, ip), facts.branch != BRANCH_NONE };
	return 0;
}

static int read_all(struct source *source, struct bbv *bbv)
{
	static struct chop_mem_record records[BATCH];
	long got = 0;

	chop_mem_select(source->reader, 1U << CHOP_MEM_FETCH);
	while (!live_interrupted && (got = chop_mem_read(source->reader, records, BATCH)) > 0) {
		for (long i = 0; i < got; i++) {
			uint64_t ip = records[i].ip;
			struct cached *entry = &source->cache[(ip ^ ip >> 16) % CACHE_SIZE];

			if (entry->ip != ip && lookup(source, bbv, ip, entry))
				return -EINVAL;
			bbv_execute(bbv, entry->insn, ip, entry->ends);
		}
		progress_show("%.1f million instructions", (double)bbv->total / 1e6);
	}
	bbv_finish(bbv);
	return got < 0 ? err_set(CHOP_USAGE, EINVAL, "%s", chop_mem_error(source->reader)) : 0;
}

/* A line for each interval; the end of it is what chop trace takes. */
static void add_marker(struct buf *text, struct atlas *atlas, size_t number,
		       const struct bbv_marker *marker)
{
	struct atlas_place place;

	buf_printf(text, "%zu %#" PRIx64 " %" PRIu64 " %" PRIu64, number, marker->address,
		   marker->count, marker->instruction);
	if (atlas_find(atlas, marker->address, &place) && place.module)
		buf_printf(text, " -module %s -begin %#" PRIx64 "@%" PRIu64, place.name,
			   place.address, marker->count);
	buf_add_char(text, '\n');
}

/* The files to write; owned. */
struct outputs {
	char *vectors, *markers;
};

static void name_outputs(const struct options *options, const char *name, struct outputs *outputs)
{
	const char *beside =
		options->output && !io_is_special(options->output) ? options->output : name;
	size_t length = strlen(beside);

	if (beside != name && length > 3 && !strcmp(beside + length - 3, ".bb"))
		length -= 3;
	outputs->vectors = options->output ? xstrdup(options->output) : xasprintf("%s.bb", name);
	outputs->markers = options->markers ? xstrdup(options->markers)
					    : xasprintf("%.*s.markers", (int)length, beside);
}

static void release_outputs(struct outputs *outputs)
{
	free(outputs->vectors);
	free(outputs->markers);
}

static int write_results(const struct options *options, const struct outputs *outputs,
			 const char *description, const struct bbv *bbv)
{
	cleanup_free char *line = NULL;
	cleanup_buf struct buf markers = { 0 };
	struct atlas *atlas = atlas_open(description);
	int error;

	for (size_t i = 0; i < bbv->markers.length; i++)
		add_marker(&markers, atlas, i, &bbv->markers.items[i]);
	atlas_close(atlas);
	error = io_write_file(outputs->vectors, &bbv->text);
	if (!error)
		error = io_write_file(outputs->markers, &markers);
	if (error)
		return error;
	line = xasprintf("%s: %" PRIu64 " interval%s, %zu basic blocks, %" PRIu64
			 " instructions; %s",
			 outputs->vectors, bbv->intervals, bbv->intervals == 1 ? "" : "s",
			 bbv->blocks.length, bbv->total, outputs->markers);
	if (options->live)
		log_info("%s", line); /* stdout is the program's */
	else
		puts(line);
	return 0;
}

static void warn(const struct chop_mem_info *info)
{
	if (info->sample_period)
		log_warn("this trace is sampled: what lies between the samples is not counted");
	else if (info->outcome != CHOP_MEM_COMPLETE)
		log_warn("this trace ends before its region does: %s", info->text);
}

static int from_trace(const struct options *options, const char *trace)
{
	struct source *source = xcalloc(1, sizeof(*source));
	struct outputs outputs;
	struct bbv bbv;
	int error = 0;

	name_outputs(options, trace, &outputs);
	live_catch_signals();
	bbv_init(&bbv, options->interval);
	if (chop_mem_open(trace, options->partial ? CHOP_MEM_PARTIAL : 0, &source->reader))
		error = err_set(CHOP_USAGE, EINVAL, "%s", chop_mem_error(source->reader));
	if (!error)
		error = read_all(source, &bbv);
	progress_clear();
	if (!error)
		error = write_results(options, &outputs, chop_mem_info(source->reader)->description,
				      &bbv);
	if (!error)
		warn(chop_mem_info(source->reader));
	if (!error && live_interrupted) {
		log_warn("interrupted: this is not the whole trace");
		error = live_interrupted_status();
	}
	chop_mem_close(source->reader);
	bbv_release(&bbv);
	release_outputs(&outputs);
	free(source);
	return error;
}

static int observe(void *context, const struct mem_tables *tables, const uint64_t *words,
		   uint64_t count)
{
	return bbv_words(context, tables, words, count);
}

static int from_program(const struct options *options, const struct strvec *command)
{
	const char *slash = strrchr(command->items[0], '/');
	const char *name = slash ? slash + 1 : command->items[0];
	struct memtrace_result result = { 0 };
	struct outputs outputs;
	struct bbv bbv;
	struct memtrace_options trace = { .observe = observe, .context = &bbv, .no_values = true };
	int error;

	name_outputs(options, name, &outputs);
	bbv_init(&bbv, options->interval);
	error = io_may_create(outputs.vectors);
	if (!error)
		error = io_may_create(outputs.markers);
	if (!error)
		error = live_trace(command, &trace, &result);
	bbv_finish(&bbv);
	if (!error)
		error = write_results(options, &outputs, result.description, &bbv);
	bbv_release(&bbv);
	release_outputs(&outputs);
	if (!error && result.outcome != CHOP_MEM_COMPLETE)
		log_warn("this is not the whole program: %s", result.text);
	free(result.description);
	return error ? error : live_status(&result);
}

int cmd_bbv(int argc, char **argv)
{
	struct options options = { .interval = 10000000 };
	struct strvec rest = { 0 };
	int status;

	if (!cmd_parse(&spec, argc, argv, &options, &rest, &status))
		return status;
	if (options.live && rest.length)
		status = from_program(&options, &rest);
	else if (options.live)
		status = cmd_usage("no command to run; try: chop bbv --live -- COMMAND");
	else if (rest.length == 1)
		status = from_trace(&options, rest.items[0]);
	else
		status = cmd_usage("expected one memory trace, of chop mem");
	vec_release(&rest);
	return status;
}
