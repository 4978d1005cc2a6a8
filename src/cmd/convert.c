// SPDX-License-Identifier: Apache-2.0
/* chop convert: memory traces in other tools' formats. */
#include "cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "base/progress.h"
#include "cmd/convert_pages.h"
#include "cmd/live.h"
#include "fmt/detrace.h"
#include "fmt/mem_format.h"
#include "store/mem_format.h"

#define BATCH	  4096
#define NO_THREAD UINT64_MAX

struct options {
	const char *to, *output, *kinds;
	uint64_t from, count, block, tick, thread; /* thread: NO_THREAD for all */
	bool ifetch, partial, list;
};

static const struct opt table[] = {
	OPT_TEXT('t', "to", struct options, to, "FORMAT", "one of the formats below"),
	OPT_TEXT('o', "output", struct options, output, "FILE",
		 "write to FILE, compressed when it is named .gz or .zst\n(default: standard "
		 "output)"),
	OPT_TEXT(
		'k', "kinds", struct options, kinds, "LETTERS",
		"only these: r read, w write, i instruction fetch, p prefetch,\nf cache-line flush "
		"(default: r, w, i as far as the format holds them)"),
	OPT_FLAG(0, "ifetch", struct options, ifetch, "instruction fetches (-no-ifetch: without)"),
	OPT_NUMBER(0, "from", struct options, from, "N", "begin at instruction N of the region"),
	OPT_NUMBER(0, "count", struct options, count, "N", "convert N instructions", .min = 1),
	OPT_NUMBER(0, "thread", struct options, thread, "N",
		   "only thread N of the program, from 0 (default: all)", .max = UINT16_MAX),
	OPT_SIZE(0, "block", struct options, block, "SIZE",
		 "oracle-general: size of an object (64)", .min = 1, .max = 1U << 30),
	OPT_NUMBER(0, "tick", struct options, tick, "N",
		   "gem5: picoseconds for an instruction (500)", .min = 1),
	OPT_FLAG(0, "partial", struct options, partial, "also read traces that were cut off"),
	OPT_FLAG('l', "list", struct options, list, "list the formats, one a line"),
	OPT_END,
};

static const struct opt_spec spec = {
	.usage = "chop convert TRACE --to FORMAT [-o FILE] [options]",
	.about = "Write a memory trace (chop mem) or a page trace (chop pages) in another tool's "
		 "format.",
	.options = table,
	.examples = "  chop convert lzma.mem --to lackey | head\n"
		    "  chop convert lzma.mem --to champsim -o lzma.champsimtrace.gz\n"
		    "  chop convert lzma.mem --to din --no-ifetch -o lzma.din\n"
		    "  chop convert --list",
	.intermixed = true,
};

static int list_formats(void)
{
	const struct mem_format *format;

	for (unsigned int i = 0; (format = mem_format_at(i)); i++)
		printf("%-15s %s\n", format->name, format->about);
	convert_list_pages();
	return 0;
}

static int no_format(const char *name)
{
	const struct mem_format *format;
	cleanup_buf struct buf names = { 0 };

	for (unsigned int i = 0; (format = mem_format_at(i)); i++)
		buf_printf(&names, "%s%s", i ? ", " : "", format->name);
	if (!name)
		return cmd_usage("--to is missing: %s", buf_text(&names));
	return cmd_usage("no format '%s': %s", name, buf_text(&names));
}

static int parse_kinds(const char *letters, unsigned int *kinds)
{
	static const char known[] = "rwipf"; /* in the order of enum chop_mem_kind */

	for (*kinds = 0; *letters; letters++) {
		const char *at = strchr(known, *letters);

		if (!at)
			return cmd_usage("--kinds: '%c' is none of r, w, i, p, f", *letters);
		*kinds |= 1U << (at - known);
	}
	return *kinds ? 0 : cmd_usage("--kinds: expected some of r, w, i, p, f");
}

/* What to give to the format. */
static int choose_kinds(const struct options *options, const struct mem_format *format,
			unsigned int *kinds)
{
	unsigned int fetch = 1U << CHOP_MEM_FETCH;
	int error;

	*kinds = format->kinds & ~(1U << CHOP_MEM_PREFETCH | 1U << CHOP_MEM_FLUSH);
	if (options->kinds) {
		error = parse_kinds(options->kinds, kinds);
		if (error)
			return error;
	}
	if (!options->ifetch)
		*kinds &= ~fetch;
	if (*kinds & ~format->kinds)
		return cmd_usage("%s has no place for one of the kinds %s", format->name,
				 options->kinds);
	if (format->needs_fetch && !(*kinds & fetch))
		return cmd_usage("%s is a format of instructions: it cannot do without fetches",
				 format->name);
	return 0;
}

static int damaged(struct mem_convert *c)
{
	return err_set(CHOP_USAGE, EINVAL, "%s", chop_mem_error(c->reader));
}

/*
 * Fetches are read even when they are not wanted: they count the instructions. 0, the exit
 * status after an interruption, or -errno with a message recorded.
 */
static int feed(struct mem_convert *c, const struct mem_format *format, unsigned int kinds,
		const struct options *options)
{
	static struct chop_mem_record records[BATCH];
	uint64_t seen = 0;
	long got;

	chop_mem_select(c->reader, kinds | 1U << CHOP_MEM_FETCH);
	while ((got = chop_mem_read(c->reader, records, BATCH)) > 0) {
		for (long i = 0; i < got; i++) {
			int error;

			if (options->thread != NO_THREAD && records[i].thread != options->thread)
				continue;
			if (records[i].kind == CHOP_MEM_FETCH) {
				if (options->count && seen == options->count)
					return 0;
				c->instruction += seen++ != 0;
			}
			if (!(kinds >> records[i].kind & 1))
				continue;
			error = format->add(c, &records[i]);
			if (error)
				return error;
			c->records++;
		}
		if (c->out.failed)
			return 0; /* told at the end */
		if (live_interrupted)
			return live_interrupted_status();
		progress_show("%.1f million records, %.0f MB", (double)c->records / 1e6,
			      (double)c->out.written / 1e6);
	}
	return got < 0 ? damaged(c) : 0;
}

static int run(struct mem_convert *c, const struct mem_format *format,
	       const struct options *options, unsigned int kinds)
{
	int error = 0, ended = 0;

	c->state = xcalloc(1, format->state_size ? format->state_size : 1);
	c->instruction = options->from;
	if (options->from && chop_mem_seek_instruction(c->reader, options->from))
		error = damaged(c);
	if (!error && format->begin)
		error = format->begin(c);
	if (!error)
		error = feed(c, format, kinds, options);
	if (format->end)
		ended = format->end(c);
	free(c->state);
	progress_clear();
	return error ? error : ended;
}

static void tell(const struct mem_convert *c, const struct mem_format *format,
		 const struct options *options)
{
	const struct chop_mem_info *info = chop_mem_info(c->reader);

	if (info->outcome != CHOP_MEM_COMPLETE && info->outcome != CHOP_MEM_LIMITED)
		log_warn("this trace ends before its region does: %s", info->text);
	else if (info->verified == CHOP_MEM_DIFFERS)
		log_warn("the traced run ended in another state than the recorded one: %s",
			 info->text);
	if (options->thread != NO_THREAD && !c->records)
		log_warn("no record of thread %" PRIu64, options->thread);
	if (c->left_out)
		log_warn("%" PRIu64 " accesses left out: an instruction of %s has room for fewer",
			 c->left_out, format->name);
	if (options->output)
		log_info("%" PRIu64 " records, %" PRIu64 " bytes of %s in %s", c->records,
			 c->out.written, format->name, options->output);
}

static int convert(const char *path, const struct mem_format *format, const struct options *options)
{
	uint64_t thread = options->thread == NO_THREAD ? 0 : options->thread;
	struct mem_convert c = { .options = { options->block, options->tick, (uint16_t)thread } };
	unsigned int kinds;
	int error = choose_kinds(options, format, &kinds);

	if (error)
		return error;
	if (format->binary && !options->output && isatty(STDOUT_FILENO))
		return cmd_usage("%s is not for a terminal: -o FILE", format->name);
	if (format->needs_file && (!options->output || !strcmp(options->output, "-")))
		return cmd_usage("%s is written out of order: -o FILE", format->name);
	if (chop_mem_open(path, options->partial ? CHOP_MEM_PARTIAL : 0, &c.reader))
		error = damaged(&c);
	if (!error)
		error = mem_out_open(&c.out, options->output);
	if (!error && format->needs_file && (c.out.is_gzip || c.out.is_zstd))
		error = cmd_usage("%s is written out of order and cannot be compressed",
				  format->name);
	if (!error)
		error = run(&c, format, options, kinds);
	if (error > 0)
		log_warn("interrupted after %" PRIu64 " records%s", c.records,
			 options->output ? ": nothing is written" : "");
	if (error) {
		mem_out_close(&c.out, false);
	} else {
		error = mem_out_close(&c.out, true);
		if (!error)
			tell(&c, format, options);
	}
	chop_mem_close(c.reader);
	return error;
}

/* A file that is not of chop mem: ChopStiX's own memory_trace.bin, or nothing we know. */
static bool is_old(const char *path)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	char magic[sizeof(MEM_FILE_MAGIC)];

	return fd >= 0 && (io_pread(fd, magic, sizeof(magic), 0) ||
			   memcmp(magic, MEM_FILE_MAGIC, sizeof(magic)));
}

static int detrace_old(const char *path, const struct options *options)
{
	cleanup_buf struct buf data = { 0 };
	struct mem_out out;
	int error = io_read_file(path, &data), closed;

	if (error)
		return error;
	error = mem_out_open(&out, options->output);
	if (error)
		return error;
	error = detrace_accesses(data.data, data.length, path, &out);
	closed = mem_out_close(&out, !error || !options->output);
	return error ? error : closed;
}

int cmd_convert(int argc, char **argv)
{
	struct options options = { .block = 64, .tick = 500, .thread = NO_THREAD, .ifetch = true };
	const struct mem_format *format;
	struct strvec rest = { 0 };
	int status;

	/* chop-detrace-mem FILE wrote ChopStiX's text */
	if (strstr(argv[0], "detrace"))
		options.to = "chopstix";
	if (!cmd_parse(&spec, argc, argv, &options, &rest, &status))
		return status;
	format = options.to ? mem_format_find(options.to) : NULL;
	if (options.output) /* nothing half-written; a pipe is given up as ever */
		live_catch_signals();
	if (strstr(argv[0], "detrace") && rest.length == 1 && is_old(rest.items[0]))
		status = detrace_old(rest.items[0], &options);
	else if (options.list)
		status = list_formats();
	else if (rest.length != 1)
		status = cmd_usage("expected one trace, of chop mem or chop pages");
	else if (convert_is_pages(rest.items[0]))
		status = convert_pages(rest.items[0], options.to, options.output);
	else if (!format)
		status = no_format(options.to);
	else
		status = convert(rest.items[0], format, &options);
	vec_release(&rest);
	return status;
}
