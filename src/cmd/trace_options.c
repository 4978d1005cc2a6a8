// SPDX-License-Identifier: Apache-2.0
/* Options of chop trace. */
#include "cmd/trace.h"

#include <errno.h>

#include "base/err.h"

static const struct opt table[] = {
	OPT_HEADING("Region"),
	OPT_TEXT('f', "function", struct trace_options, function, "NAME",
		 "the region is a call of this function, up to its return"),
	OPT_LIST(0, "begin", struct trace_options, begins, "ADDRESS",
		 "it begins here (hex; as objdump shows it, or a run-time\n"
		 "address); may be repeated"),
	OPT_LIST(0, "end", struct trace_options, ends, "ADDRESS",
		 "it ends before the instruction here; may be repeated"),
	OPT_TEXT('m', "module", struct trace_options, module, "NAME",
		 "program or library that the name or addresses belong to, also\n"
		 "one that is loaded later (default: the program; for -function\n"
		 "the first module that defines it)"),
	OPT_HEADING("What to capture"),
	OPT_TEXT(0, "indices", struct trace_options, indices, "LIST",
		 "invocations, from 0: 3,7-9 (default: all)"),
	OPT_NUMBER(0, "max-traces", struct trace_options, max_traces, "N", "stop after N captures"),
	OPT_HEADING("Result"),
	OPT_TEXT('d', "trace-dir", struct trace_options, trace_dir, "DIR",
		 "directory to write, must not exist (trace_data)"),
	OPT_FLAG(0, "gzip", struct trace_options, gzip, "compress the captures"),
	OPT_HEADING("How"),
	OPT_TEXT(0, "backend", struct trace_options, backend, "NAME",
		 "uffd (default: the best there is)"),
	OPT_FLAG(0, "interpose", struct trace_options, interpose,
		 "keep output until the region has ended, and answer for\n"
		 "allocations and the time without system calls"),
	OPT_FLAG(0, "lazy", struct trace_options, lazy, "do not set LD_BIND_NOW for the program"),
	OPT_END,
};

const struct opt_spec trace_spec = {
	.usage = "chop trace -function NAME [-module M] [options] -- COMMAND\n"
		 "chop trace -begin ADDRESS.. -end ADDRESS.. [-module M] [options] -- COMMAND",
	.about = "Run a program and capture invocations of a region of it: the registers and\n"
		 "exactly the pages the region touches, as they were when it began and as they\n"
		 "were when it ended. The program runs on to its end as if nobody had watched.",
	.options = table,
	.examples = "  chop trace -function lzma_code -indices 20 -- xz -c FILE >/dev/null\n"
		    "  chop trace -begin 1189 -end 11c3 -end 11e0 -max-traces 3 -- ./program",
};

static int parse_addresses(const struct strvec *words, const char *option, struct u64vec *out)
{
	for (size_t i = 0; i < words->length; i++) {
		uint64_t address;
		int error = opt_address(words->items[i], &address);

		if (error)
			return err_context(error, "option -%s", option);
		*vec_push(out) = address;
	}
	return 0;
}

static int check_options(const struct trace_options *options, const struct strvec *rest)
{
	if (!rest->length)
		return cmd_usage("no command to run; try: chop trace -function NAME -- COMMAND");
	if (options->function && (options->begins.length || options->ends.length))
		return cmd_usage(
			"-function and -begin/-end are two ways to name a region: use one");
	if (!options->function && !options->begins.length)
		return cmd_usage("which region? -function NAME, or -begin ADDRESS -end ADDRESS");
	if (options->begins.length && !options->ends.length)
		return cmd_usage("-begin needs an -end");
	return 0;
}

int trace_read_options(struct trace_options *options, const struct strvec *rest,
		       struct session_options *session)
{
	int error = check_options(options, rest);

	session->argv = (char *const *)rest->items;
	session->function = options->function;
	session->module = options->module;
	session->max_traces = options->max_traces;
	session->lazy = options->lazy;
	session->backend = options->backend;
	if (!error && options->interpose)
		error = cmd_library("libchop-interpose.so", &options->library);
	session->interpose = options->library;
	if (!error && options->indices)
		error = index_ranges_parse(options->indices, &session->indices);
	if (!error)
		error = parse_addresses(&options->begins, "begin", &session->begins);
	if (!error)
		error = parse_addresses(&options->ends, "end", &session->ends);
	return error;
}
