// SPDX-License-Identifier: Apache-2.0
/* chop snippet: a self-running ELF file from a capture. */
#include "cmd/cmd.h"

#include <errno.h>
#include <inttypes.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "cmd/pick.h"
#include "snippet/snippet.h"
#include "store/tracedir.h"

struct options {
	const char *output, *capture;
	uint64_t base;
	bool no_symbols;
};

static const struct opt table[] = {
	OPT_TEXT('o', "output", struct options, output, "FILE",
		 "write to FILE (default: FUNCTION.INVOCATION in DIR)"),
	OPT_TEXT('c', "capture", struct options, capture, "N",
		 "which capture, by its number in DIR; needed when there are several"),
	OPT_ADDRESS(0, "base", struct options, base, "ADDRESS",
		    "put the runtime there (default: 200000000, or the first gap\n"
		    "between the pages of the capture that is big enough)"),
	OPT_FLAG(0, "no-symbols", struct options, no_symbols,
		 "leave out the symbols of the captured code"),
	OPT_END,
};

static const struct opt_spec spec = {
	.usage = "chop snippet DIR [-o FILE] [--capture N]",
	.about = "Turn a capture (of chop trace) into a self-running ELF file: it maps the "
		 "captured\n"
		 "pages at their addresses, restores the registers, runs the region natively and\n"
		 "compares its end with the recorded one. FILE --help tells what it can do.",
	.options = table,
	.examples = "  chop snippet trace_data -o lzma_code.20 && ./lzma_code.20\n"
		    "  ./lzma_code.20 --iterations 1000",
	.intermixed = true,
};

/* Pieces of one invocation are told apart by their numbers. */
static char *default_path(const struct tracedir_index *index, const struct capture *capture)
{
	const char *function = capture->function ? capture->function : "region";
	size_t same = 0;

	for (size_t i = 0; i < index->captures.length; i++)
		same += index->captures.items[i].invocation == capture->invocation;
	return same > 1 ? xasprintf("%s/%s.%" PRIu64 ".%u", index->path, function,
				    capture->invocation, capture->id)
			: xasprintf("%s/%s.%" PRIu64, index->path, function, capture->invocation);
}

static int build(const struct tracedir_index *index, unsigned int id, const struct options *options)
{
	const struct snippet_options how = { .base = options->base,
					     .no_symbols = options->no_symbols };
	cleanup_capture struct capture capture;
	cleanup_free char *path = NULL;
	struct snippet_facts facts;
	int error;

	capture_init(&capture);
	error = tracedir_read(index, id, &capture);
	if (error)
		return error;
	path = options->output ? xstrdup(options->output) : default_path(index, &capture);
	error = snippet_create(&capture, &how, path, &facts);
	if (error)
		return error;
	log_info("%s: invocation %" PRIu64 " of %s, %" PRIu64 " pages (%" PRIu64
		 " changed), %" PRIu64 " KB",
		 path, capture.invocation, capture.function ? capture.function : "the region",
		 facts.pages, facts.changed, facts.size / 1024);
	return 0;
}

int cmd_snippet(int argc, char **argv)
{
	struct options options = { 0 };
	struct tracedir_index index = { 0 };
	struct strvec rest = { 0 };
	unsigned int id = 0;
	int status;

	if (!cmd_parse(&spec, argc, argv, &options, &rest, &status))
		return status;
	if (rest.length != 1)
		status = cmd_usage("expected one trace directory (of chop trace)");
	else
		status = tracedir_open(rest.items[0], &index);
	if (!status)
		status = pick_capture(&index, options.capture, &id);
	if (!status)
		status = build(&index, id, &options);
	tracedir_index_release(&index);
	vec_release(&rest);
	return status;
}
