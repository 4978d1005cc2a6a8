// SPDX-License-Identifier: Apache-2.0
#include "cmd/cmd.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <chop/arch.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/progress.h"
#include "fmt/page_format.h"
#include "pages/pages.h"
#include "store/page_trace.h"

#define ALL_PAGES (1ULL << 53) /* of sample_limit */

struct options {
	uint64_t window, pid, interval, sample_pages;
	const char *output, *format, *slowdown;
	double sample;
	bool fifo, heap, catcher, list, ips, pin, move, sites;
};

static const struct opt table[] = {
	OPT_NUMBER('w', "window", struct options, window, "N",
		   "keep at most N pages of a process open (1024)", .min = 1,
		   .max = PAGES_WINDOW_MAX),
	OPT_FLAG(0, "fifo", struct options, fifo,
		 "a plain FIFO window, as VMTRACE's (default: a quarter of it is a second\n"
		 "chance for pages that leave)"),
	OPT_TEXT('s', "max-slowdown", struct options, slowdown, "X",
		 "let the window grow, and shrink down to --window, so that the program\n"
		 "takes about X times as long"),
	OPT_TIME('i', "interval", struct options, interval, "T",
		 "instead of a window: the pages read and written in each slice of T",
		 .min = 1000000),
	OPT_FRACTION(0, "sample", struct options, sample, "P",
		     "watch only this part of the pages, chosen by their hash (1)"),
	OPT_NUMBER(0, "sample-pages", struct options, sample_pages, "N",
		   "watch at most N pages: the part of them is lowered as more are used",
		   .min = 100),
	OPT_FLAG(0, "heap", struct options, heap,
		 "watch only the heap and other anonymous memory but stacks"),
	OPT_FLAG(0, "sites", struct options, sites,
		 "tell which call of malloc asked for each block of the heap: a preloaded\n"
		 "library, some 20 us a call"),
	OPT_FLAG(0, "ips", struct options, ips,
		 "with instruction pointers (-no-ips: half a microsecond a record less)"),
	OPT_FLAG(0, "pin", struct options, pin,
		 "keep single-threaded processes on one processor while they cannot notice\n"
		 "(-no-pin: leave it to the kernel)"),
	OPT_FLAG(0, "move", struct options, move,
		 "move pages with UFFDIO_MOVE (-no-move: copy them, as kernels before Linux 6.8\n"
		 "have to: some four microseconds a record more)"),
	OPT_NUMBER('p', "pid", struct options, pid, "PID", "attach to a running process", .min = 1,
		   .max = INT_MAX),
	OPT_TEXT('o', "output", struct options, output, "FILE",
		 "write to FILE (chop.pages; other formats: chop.pages.FORMAT; - is\n"
		 "standard output, not for the binary format)"),
	OPT_TEXT('f', "format", struct options, format, "FORMAT",
		 "binary (default, for chop mrc and chop convert), text or another of --list"),
	OPT_FLAG('l', "list", struct options, list, "list the formats, one a line"),
	OPT_END,
};

static const struct opt_spec spec = {
	.usage = "chop pages [options] [-o FILE] [--] COMMAND [ARGUMENT...]\n"
		 "chop pages [options] [-o FILE] -p PID",
	.about = "Record which pages a program refers to, by keeping only a bounded set of them "
		 "open.",
	.options = table,
	.examples = "  chop pages -- sort big.txt && chop mrc chop.pages\n"
		    "  chop pages --window 256 --format text -o - -- ls\n"
		    "  chop pages --interval 100ms -p 4711",
};

/* Where records go: the binary trace or another format. */
struct sink {
	bool binary;
	struct page_trace_writer trace;
	struct page_writer writer;
};

static int add(void *context, const struct chop_page_record *record)
{
	struct sink *sink = context;

	return sink->binary ? page_trace_add(&sink->trace, record)
			    : page_writer_add(&sink->writer, record);
}

static int open_sink(struct sink *sink, const struct options *options,
		     const struct chop_page_trace_header *header, const char *command)
{
	cleanup_free char *name = NULL;
	const struct page_format *format;

	sink->binary = !strcmp(options->format, "binary");
	if (sink->binary && options->output && !strcmp(options->output, "-"))
		return cmd_usage("the binary format goes to a file: standard output is for others "
				 "(--format)");
	if (sink->binary)
		return page_trace_create(&sink->trace,
					 options->output ? options->output : "chop.pages", header,
					 command);
	format = page_format_find(options->format);
	if (!format)
		return cmd_usage("no format '%s'; chop pages --list names them", options->format);
	name = xasprintf("chop.pages.%s", options->format);
	return page_writer_begin(&sink->writer, format, options->output ? options->output : name,
				 header, command, strlen(command));
}

static int close_sink(struct sink *sink, bool complete)
{
	return sink->binary ? page_trace_finish(&sink->trace, complete)
			    : page_writer_end(&sink->writer, complete);
}

static void fill_header(struct chop_page_trace_header *header, const struct pages_options *options)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	*header = (struct chop_page_trace_header){
		.page_size = CHOP_PAGE_SIZE,
		.process = (uint32_t)options->pid,
		.window = options->interval ? 0 : options->window,
		.interval = options->interval,
		.start_time = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec,
		.sample_limit = options->sample_limit,
		.flags = (options->fifo ? CHOP_PAGE_TRACE_FIFO : 0u) |
			 (options->interval ? CHOP_PAGE_TRACE_SLICES : 0u) |
			 (options->heap_only ? CHOP_PAGE_TRACE_HEAP_ONLY : 0u) |
			 (options->max_slowdown > 0 ? CHOP_PAGE_TRACE_ADAPTIVE : 0u) |
			 (options->no_ips ? CHOP_PAGE_TRACE_NO_IP : 0u) |
			 (options->sample_limit < ALL_PAGES || options->sample_pages
				  ? CHOP_PAGE_TRACE_SAMPLED
				  : 0u),
	};
}

static void command_line(const struct options *options, const struct strvec *words, struct buf *out)
{
	if (!words->length)
		buf_printf(out, "process %" PRIu64, options->pid);
	for (size_t i = 0; i < words->length; i++)
		buf_printf(out, "%s%s", i ? " " : "", words->items[i]);
}

static void report(const struct pages_result *result, const struct options *options,
		   const struct sink *sink)
{
	cleanup_buf struct buf left_out = { 0 };
	struct rusage own;

	if (result->unshared && !options->catcher)
		buf_printf(&left_out, "; %" PRIu64 " pages of shared mappings of files not counted",
			   result->unshared / CHOP_PAGE_SIZE);
	if (result->no_main)
		log_warn("no malloc was seen: a statically linked program? try chop pages --heap "
			 "--fifo --format vmtrace");
	if (result->no_sites)
		log_warn("no call of malloc was seen: a statically linked program?");
	if (result->refused)
		log_warn("%.1f MB of memory could not be watched: %s",
			 (double)result->refused / 1e6, strerror(-result->refused_error));
	if (result->no_ips)
		log_warn("instruction pointers are not known: neither BPF (root) nor "
			 "perf_event_open "
			 "(kernel.perf_event_paranoid) is allowed");
	else if (result->unknown_ips && options->ips)
		log_warn("%" PRIu64 " of %" PRIu64 " references are without instruction pointer",
			 result->unknown_ips, result->accesses);
	if (result->interrupted && !result->ended)
		log_info("let go; the program goes on");
	log_verbose("%" PRIu64 " faults served in %.6f s of CPU time, %" PRIu64
		    " pages closed, kept open %" PRIu64 " times",
		    result->faults, (double)result->cpu_ns / 1e9, result->closed, result->kept);
	getrusage(RUSAGE_SELF, &own);
	log_verbose("chop itself took %ld.%06ld s of CPU time",
		    own.ru_utime.tv_sec + own.ru_stime.tv_sec +
			    (own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1000000,
		    (own.ru_utime.tv_usec + own.ru_stime.tv_usec) % 1000000);
	log_info("%" PRIu64 " references in %s%s", result->accesses,
		 options->output ? options->output
		 : sink->binary	 ? "chop.pages"
				 : sink->writer.out.name,
		 buf_text(&left_out));
}

/* As a shell tells it; a program that goes on without us is no failure. */
static int exit_status(const struct pages_result *result)
{
	if (!result->ended)
		return 0;
	if (WIFSIGNALED(result->status))
		return 128 + WTERMSIG(result->status);
	return WEXITSTATUS(result->status);
}

static int run(const struct pages_options *base, const struct options *options,
	       const struct strvec *words)
{
	struct pages_options pages = *base;
	cleanup_buf struct buf command = { 0 };
	struct chop_page_trace_header header;
	struct pages_result result;
	struct sink sink = { 0 };
	int error, closed;

	command_line(options, words, &command);
	fill_header(&header, &pages);
	error = open_sink(&sink, options, &header, buf_text(&command));
	if (error)
		return error;
	pages.sink = add;
	pages.context = &sink;
	error = pages_run(&pages, &result);
	if (!error)
		report(&result, options, &sink);
	closed = close_sink(&sink, !error && (!result.interrupted || !pages.argv));
	if (error || closed)
		return error ? error : closed;
	return exit_status(&result);
}

static int parse_slowdown(const char *text, double *value)
{
	char *end;

	*value = 0;
	if (!text)
		return 0;
	*value = strtod(text, &end);
	if (end == text || (*end && strcasecmp(end, "x")) || !(*value >= 1.1 && *value <= 1000))
		return cmd_usage("--max-slowdown: expected a factor from 1.1 to 1000, not '%s'",
				 text);
	return 0;
}

static int check(struct options *options, const struct strvec *words, struct pages_options *pages)
{
	if (!words->length == !options->pid)
		return cmd_usage(words->length ? "either a command or -p PID, not both"
					       : "expected a command to run, or -p PID");
	if (options->interval && (options->fifo || options->slowdown))
		return cmd_usage("--interval has no window: leave --fifo and --max-slowdown out");
	if (!(options->sample > 0))
		return cmd_usage("--sample: expected a part of the pages above 0");
	if (options->sites && options->pid)
		return cmd_usage("--sites preloads a library: not for a process that runs already");
	if (options->sample_pages && (options->interval || strcmp(options->format, "binary")))
		return cmd_usage(
			"--sample-pages: only with a window, and in the binary format: the "
			"sample is what is left at the end");
	if (options->window < PAGES_WINDOW_MIN && !options->catcher) {
		log_warn("a window of %" PRIu64
			 " pages is less than one instruction can need: raised to %d",
			 options->window, PAGES_WINDOW_MIN);
		options->window = PAGES_WINDOW_MIN;
	}
	*pages = (struct pages_options){
		.argv = words->length ? (char *const *)words->items : NULL,
		.pid = (pid_t)options->pid,
		.window = options->window,
		.fifo = options->fifo,
		.interval = options->interval,
		.heap_only = options->heap,
		.no_ips = !options->ips,
		.no_pin = !options->pin,
		.copies = !options->move,
		.malloc_only = options->catcher,
		.sites = options->sites,
		.sample_pages = options->sample_pages,
		.sample_limit = (uint64_t)(options->sample * (double)ALL_PAGES),
	};
	return parse_slowdown(options->slowdown, &pages->max_slowdown);
}

static int list_formats(void)
{
	const struct page_format *format;

	printf("%-15s %s\n", "binary", "chop's own, for chop mrc and chop convert");
	for (unsigned int i = 0; (format = page_format_at(i)); i++)
		printf("%-15s %s\n", format->name, format->about);
	return 0;
}

/* -- catcher: VMTRACE's interface ------------------------------------------------------------ */

static int vmt_size(uint64_t *window)
{
	const char *text = getenv("VMT_SIZE");
	char *end;

	if (!text || !*text)
		return cmd_usage("VMT_SIZE is not set: the number of pages to keep open");
	errno = 0;
	*window = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end || errno || !*window ||
	    *window > PAGES_WINDOW_MAX)
		return cmd_usage("VMT_SIZE=%s: expected a number of pages from 1 to %llu", text,
				 PAGES_WINDOW_MAX);
	return 0;
}

static const struct opt catcher_table[] = { OPT_END };

static const struct opt_spec catcher_spec = {
	.usage = "chop pages, as catcher: VMT_TRACENAME=FILE VMT_SIZE=PAGES catcher COMMAND "
		 "[ARGUMENT...]",
	.about = "VMTRACE's interface: record which pages of what malloc returns a program refers "
		 "to,\nas misses of a FIFO memory of VMT_SIZE pages. Everything else: chop pages.",
	.options = catcher_table,
	.examples = "  VMT_TRACENAME=foo.csv VMT_SIZE=1024 catcher ls",
};

static int catcher(int argc, char **argv)
{
	struct options options = {
		.format = "vmtrace",
		.fifo = true,
		.catcher = true,
		.sample = 1,
		.pin = true,
		.move = true,
	};
	struct pages_options pages;
	struct strvec words = { 0 };
	int error;

	if (!cmd_parse(&catcher_spec, argc, argv, &options, &words, &error))
		return error;
	options.output = getenv("VMT_TRACENAME");
	if (!options.output || !*options.output) {
		vec_release(&words);
		return cmd_usage("VMT_TRACENAME is not set: the file to write the trace to");
	}
	error = vmt_size(&options.window);
	if (!error)
		error = check(&options, &words, &pages);
	if (!error)
		error = run(&pages, &options, &words);
	vec_release(&words);
	return error;
}

int cmd_pages(int argc, char **argv)
{
	struct options options = {
		.window = 1024,
		.format = "binary",
		.sample = 1,
		.ips = true,
		.pin = true,
		.move = true,
	};
	const char *slash = strrchr(argv[0], '/');
	struct pages_options pages;
	struct strvec words = { 0 };
	int status;

	if (!strcmp(slash ? slash + 1 : argv[0], "catcher"))
		return catcher(argc, argv);
	if (!cmd_parse(&spec, argc, argv, &options, &words, &status))
		return status;
	if (options.list)
		status = list_formats();
	else
		status = check(&options, &words, &pages);
	if (!status && !options.list)
		status = run(&pages, &options, &words);
	vec_release(&words);
	return status;
}
