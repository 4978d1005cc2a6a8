// SPDX-License-Identifier: Apache-2.0
#include "cmd/cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/progress.h"
#include "fmt/mpt.h"
#include "store/chopstix.h"
#include "store/tracedir.h"

#define ALL_CAPTURES UINT64_MAX

struct options {
	const char *output, *trace_dir;
	uint64_t id, max_address;
	bool gzip;
};

static const struct opt option_table[] = {
	OPT_TEXT('o', "output", struct options, output, "OUT", "write OUT#ID.mpt and OUT#ID.mps"),
	OPT_NUMBER('i', "id", struct options, id, "ID", "only this capture; default: all",
		   .max = UINT32_MAX),
	OPT_TEXT(0, "trace-dir", struct options, trace_dir, "DIR", "trace directory (trace_data)"),
	OPT_ADDRESS(0, "max-address", struct options, max_address, "A",
		    "leave out pages at address A (hex) and above"),
	OPT_FLAG(0, "gzip", struct options, gzip, "write .mpt.gz and .mps.gz"),
	OPT_END
};

static const struct opt_spec spec = {
	.usage = "chop mpt -o OUT [--trace-dir DIR] [-i ID] [options]\nchop mpt DIR OUT",
	.about = "Write captures as Microprobe test files: code and structure in .mpt, registers\n"
		 "and data at the region's entry in .mps.",
	.options = option_table,
	.examples =
		"  chop mpt --trace-dir trace_data -o daxpy      # daxpy#0.mpt, daxpy#0.mps, ...",
	.intermixed = true,
};

/* The documented short form: DIR OUT. */
static int positional(struct options *options, const struct strvec *rest)
{
	if (rest->length == 2 && !options->trace_dir && !options->output) {
		options->trace_dir = rest->items[0];
		options->output = rest->items[1];
	} else if (rest->length) {
		return cmd_usage("unexpected '%s'; use `chop mpt -o OUT --trace-dir DIR` or "
				 "`chop mpt DIR OUT`",
				 rest->items[0]);
	}
	if (!options->output || !*options->output)
		return cmd_usage("no output name; use -o OUT");
	if (!options->trace_dir)
		options->trace_dir = "trace_data";
	return 0;
}

static int convert(const struct capture *capture, const struct mpt_options *options)
{
	struct mpt_result result = { 0 };
	int error = mpt_write(capture, options, &result);

	if (!error) {
		printf("mpt: %s\nmps: %s\n", result.mpt, result.mps);
		log_verbose("capture %u: %" PRIu64 " code pages, %" PRIu64 " data pages, %" PRIu64
			    " left out",
			    capture->id, result.code_pages, result.data_pages, result.left_out);
	}
	mpt_result_release(&result);
	return error;
}

static int convert_entry(const struct tracedir_index *index, unsigned int id,
			 const struct mpt_options *options)
{
	cleanup_capture struct capture capture = { 0 };
	int error = tracedir_read_begin(index, id, &capture);

	return error ? error : convert(&capture, options);
}

static int convert_all(const struct tracedir_index *index, const struct mpt_options *options)
{
	int error = 0;

	for (size_t i = 0; i < index->captures.length && !error; i++) {
		progress_show("capture %zu of %zu", i + 1, index->captures.length);
		error = convert_entry(index, index->captures.items[i].id, options);
	}
	progress_clear();
	return error;
}

static int convert_directory(const struct options *options, const struct mpt_options *mpt)
{
	struct tracedir_index index = { 0 };
	int error = tracedir_open(options->trace_dir, &index);

	if (error)
		return error;
	if (!index.captures.length)
		error = err_set(CHOP_DIFFERS, ENOENT, "%s holds no capture", options->trace_dir);
	else if (options->id == ALL_CAPTURES)
		error = convert_all(&index, mpt);
	else
		error = convert_entry(&index, (unsigned int)options->id, mpt);
	tracedir_index_release(&index);
	return error;
}

/* -- ChopStiX's directories: of any architecture ------------------------------------------------ */

static int convert_foreign(const struct chopstix *dir, unsigned int id,
			   const struct mpt_options *options)
{
	cleanup_capture struct capture capture;
	cleanup_buf struct buf registers = { 0 };
	struct mpt_options mpt = *options;
	int error;

	capture_init(&capture);
	error = chopstix_read(dir, id, &capture, &registers);
	mpt.registers = buf_text(&registers);
	return error ? error : convert(&capture, &mpt);
}

static int convert_chopstix(const struct options *options, const struct mpt_options *mpt)
{
	cleanup_chopstix struct chopstix dir = { 0 };
	int error = chopstix_open(options->trace_dir, &dir);
	size_t converted = 0;

	for (size_t i = 0; i < dir.ids.length && !error; i++) {
		if (options->id != ALL_CAPTURES && options->id != dir.ids.items[i])
			continue;
		error = convert_foreign(&dir, (unsigned int)dir.ids.items[i], mpt);
		converted++;
	}
	if (!error && !converted)
		error = err_set(CHOP_USAGE, ENOENT, "%s has no capture %" PRIu64,
				options->trace_dir, options->id);
	return error;
}

static int run(const struct options *options)
{
	struct mpt_options mpt = { .output = options->output,
				   .gzip = options->gzip,
				   .max_address = options->max_address };

	if (chopstix_is(options->trace_dir))
		return convert_chopstix(options, &mpt);
	return convert_directory(options, &mpt);
}

int cmd_mpt(int argc, char **argv)
{
	struct options options = { .id = ALL_CAPTURES };
	struct strvec rest = { 0 };
	int status;

	if (!cmd_parse(&spec, argc, argv, &options, &rest, &status))
		return status;
	status = positional(&options, &rest);
	if (!status)
		status = run(&options);
	vec_release(&rest);
	return status;
}
