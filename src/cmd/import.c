// SPDX-License-Identifier: Apache-2.0
/* chop import: trace directories of ChopStiX become ours. */
#include "cmd/cmd.h"

#include <errno.h>
#include <inttypes.h>

#include "arch/arch.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/progress.h"
#include "store/chopstix.h"
#include "store/tracedir.h"

struct options {
	const char *output;
	bool gzip, zstd;
};

static const struct opt table[] = {
	OPT_TEXT('o', "output", struct options, output, "DIR",
		 "trace directory to write, must not exist (trace_data)"),
	OPT_FLAG(0, "gzip", struct options, gzip, "compress the captures"),
	OPT_FLAG(0, "zstd", struct options, zstd, "compress them with zstd, which is faster"),
	OPT_END
};

static const struct opt_spec spec = {
	.usage = "chop import CHOPSTIX_DIR [-o DIR]",
	.about = "Make a trace directory of one in ChopStiX's layout: regs.N, maps.N, info.N,\n"
		 "page.N.ADDRESS, trace.bin.",
	.options = table,
	.examples = "  chop import old_traces -o traces",
	.intermixed = true,
};

static int import_one(const struct chopstix *from, unsigned int id, struct tracedir *to)
{
	cleanup_capture struct capture capture;
	cleanup_buf struct buf registers = { 0 };
	int error;

	capture_init(&capture);
	error = chopstix_read(from, id, &capture, &registers);
	if (!error)
		error = chopstix_complete(from, &registers, &capture);
	if (error)
		return error;
	capture_leave_out(&capture, "its end, which ChopStiX does not record");
	return tracedir_add(to, &capture);
}

static int import_all(const struct chopstix *from, struct tracedir *to)
{
	int error = 0;

	for (size_t i = 0; i < from->ids.length && !error; i++) {
		progress_show("capture %zu of %zu", i + 1, from->ids.length);
		error = import_one(from, (unsigned int)from->ids.items[i], to);
	}
	progress_clear();
	return error;
}

static int import(const char *path, const struct options *options, const char *command_line)
{
	const struct tracedir_options how = { .command_line = command_line,
					      .form = options->gzip   ? MEMBER_GZIP
						      : options->zstd ? MEMBER_ZSTD
								      : MEMBER_PLAIN };
	cleanup_chopstix struct chopstix from = { 0 };
	cleanup_free char *why = NULL;
	struct tracedir *to;
	int error = chopstix_open(path, &from), finished;

	if (!error)
		error = tracedir_create(options->output, &how, &to);
	if (error)
		return error;
	error = import_all(&from, to);
	if (error)
		why = xstrdup(err_message());
	finished = tracedir_finish(to, true, why);
	if (error)
		return err_set(err_status(), -error, "%s", why);
	if (!finished)
		log_info("%zu capture%s in %s", from.ids.length, from.ids.length == 1 ? "" : "s",
			 options->output);
	return finished;
}

int cmd_import(int argc, char **argv)
{
	struct options options = { .output = "trace_data" };
	cleanup_free char *command_line = cmd_line(argc, argv);
	struct strvec rest = { 0 };
	int status;

	if (!cmd_parse(&spec, argc, argv, &options, &rest, &status))
		return status;
	if (options.gzip && options.zstd)
		status = cmd_usage("--gzip and --zstd are two ways to compress: use one");
	else if (rest.length == 1)
		status = import(rest.items[0], &options, command_line);
	else
		status = cmd_usage("expected one directory of ChopStiX");
	vec_release(&rest);
	return status;
}
