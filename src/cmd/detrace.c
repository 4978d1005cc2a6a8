// SPDX-License-Identifier: Apache-2.0
/* chop detrace: ChopStiX's binary traces, and ours of first touches, as text. */
#include "cmd/cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "fmt/detrace.h"
#include "store/chopstix.h"
#include "store/tracedir.h"

struct options {
	const char *output;
	bool accesses;
};

static const struct opt table[] = { OPT_TEXT('o', "output", struct options, output, "FILE",
					     "write to FILE (standard output)"),
				    OPT_FLAG('m', "memory", struct options, accesses,
					     "the file is a memory trace (default: by its name)"),
				    OPT_END };

static const struct opt_spec spec = {
	.usage = "chop detrace [options] FILE|DIR",
	.about = "Print the order in which captures first touched their pages, from a trace "
		 "directory\n"
		 "or ChopStiX's trace.bin, or the accesses of its memory_trace.bin.",
	.options = table,
	.examples = "  chop detrace trace_data\n"
		    "  chop-detrace trace_data/trace.bin",
	.intermixed = true,
};

static int print_first(struct mem_out *out, const struct capture *capture, size_t n)
{
	cleanup_buf struct buf words = { 0 };
	cleanup_free char *heading = xasprintf("# trace %zu\n", n);
	const char *text;

	chopstix_order(capture, &words);
	if (!words.length)
		return err_set(CHOP_USAGE, ENOENT,
			       "capture %u was traced without its order: use -access-trace",
			       capture->id);
	mem_out_add(out, heading, strlen(heading));
	/* The words are -3 and -1, the addresses, -2. */
	for (size_t at = 16; at + 16 <= words.length; at += 8) {
		uint64_t address;
		cleanup_free char *line = NULL;

		memcpy(&address, words.data + at, sizeof(address));
		text = line = xasprintf("%" PRIx64 "\n", address);
		mem_out_add(out, text, strlen(text));
	}
	return 0;
}

static int print_directory(struct mem_out *out, const char *path)
{
	struct tracedir_index index = { 0 };
	int error = tracedir_open(path, &index);

	for (size_t i = 0; i < index.captures.length && !error; i++) {
		cleanup_capture struct capture capture = { 0 };

		error = tracedir_read(&index, index.captures.items[i].id, &capture);
		if (!error)
			error = print_first(out, &capture, i);
	}
	tracedir_index_release(&index);
	return error;
}

static int print_file(struct mem_out *out, const char *path, bool accesses)
{
	cleanup_buf struct buf data = { 0 };
	int error = chopstix_load(path, &data);

	if (error)
		return error;
	if (accesses || strstr(path, "memory_trace"))
		return detrace_accesses(data.data, data.length, path, out);
	return detrace_pages(data.data, data.length, path, out);
}

/* A directory stands for the trace.bin in it when it is one of ChopStiX's. */
static int print(const char *path, const struct options *options)
{
	cleanup_free char *index = xasprintf("%s/trace.json", path);
	cleanup_free char *file =
		xasprintf("%s/%s", path, options->accesses ? "memory_trace.bin" : "trace.bin");
	bool foreign = access(index, F_OK) && chopstix_is(path);
	struct mem_out out = { 0 };
	int error = mem_out_open(&out, options->output), closed;

	if (!error && (foreign || !io_is_directory(path)))
		error = print_file(&out, foreign ? file : path, options->accesses);
	else if (!error)
		error = print_directory(&out, path);
	/* What stdout has got stays. */
	closed = mem_out_close(&out, !error || !options->output);
	return error ? error : closed;
}

int cmd_detrace(int argc, char **argv)
{
	struct options options = { 0 };
	struct strvec rest = { 0 };
	int status;

	if (!cmd_parse(&spec, argc, argv, &options, &rest, &status))
		return status;
	if (rest.length == 1)
		status = print(rest.items[0], &options);
	else
		status = cmd_usage("expected one trace.bin or trace directory");
	vec_release(&rest);
	return status;
}
