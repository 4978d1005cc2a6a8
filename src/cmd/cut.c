// SPDX-License-Identifier: Apache-2.0
/* chop cut: the whole way, from a function's name to a snippet that is proven right. */
#include "cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/progress.h"
#include "capture/session.h"
#include "cmd/hottest.h"
#include "snippet/snippet.h"
#include "store/tracedir.h"

struct options {
	const char *output, *module, *backend;
	uint64_t invocation;
	uint64_t address; /* of a function without a name, or 0 */
	bool hottest, lazy, record_tsc, record_cpuid, hide;
};

static const struct opt table[] = {
	OPT_TEXT('o', "output", struct options, output, "DIR",
		 "trace directory to write, must not exist (FUNCTION.chop)"),
	OPT_NUMBER('n', "invocation", struct options, invocation, "N",
		   "which call of the function, from 0 (0)"),
	OPT_FLAG(0, "hottest", struct options, hottest,
		 "the function the program spends most of its time in: COMMAND\n"
		 "is run once before to find it, without its output"),
	OPT_TEXT('m', "module", struct options, module, "NAME",
		 "program or library that defines the function, also one that is\n"
		 "loaded later (default: the first that does)"),
	OPT_TEXT(0, "backend", struct options, backend, "NAME",
		 "how to catch pages: uffd, clone or mprotect (default: the\n"
		 "first that works)"),
	OPT_FLAG(0, "record-tsc", struct options, record_tsc,
		 "record what rdtsc and rdtscp give, for replays"),
	OPT_FLAG(0, "record-cpuid", struct options, record_cpuid,
		 "record what cpuid gives, for replays elsewhere"),
	OPT_FLAG(0, "hide-unrepeatable", struct options, hide,
		 "tell the program, when it asks (cpuid), that the processor has\n"
		 "no rdrand, rdseed, rdpid, transactions: no replay repeats them"),
	OPT_FLAG(0, "lazy", struct options, lazy, "do not set LD_BIND_NOW for the program"),
	OPT_END,
};

static const struct opt_spec spec = {
	.usage = "chop cut FUNCTION [-o DIR] [--invocation N] [-module NAME] -- COMMAND\n"
		 "chop cut --hottest [-o DIR] [--invocation N] -- COMMAND",
	.about =
		"Cut one call of a function out of a program: capture it, build a snippet of it -\n"
		"an ELF file that runs just that call - run the snippet, and compare its end with\n"
		"the original's. The same as trace, snippet and verify, one after the other.\n"
		"What the command writes stays its own; the snippet's path is told on stderr.\n"
		"Exit status 0 when the snippet is there and was proven equal.",
	.options = table,
	.examples = "  chop cut lzma_code --invocation 20 -o lzma -- xz -c -T1 FILE >/dev/null\n"
		    "  ./lzma/lzma_code.20",
	.intermixed = true,
};

struct cut {
	const char *function, *path;
	struct tracedir *dir; /* NULL once it is finished */
	char *snippet;	      /* its path, once there is one; owned */
	int error;	      /* of ours; the message is kept beside it */
	char *message;	      /* owned */
	enum chop_status status;
};

/* Keep the first thing that went wrong: what follows is only its consequence. */
static void failed(struct cut *cut, int error)
{
	if (cut->error)
		return;
	cut->error = error;
	cut->status = err_status();
	cut->message = xstrdup(*err_message() ? err_message() : strerror(-error));
}

static int store(void *context, struct capture *capture)
{
	struct cut *cut = context;
	size_t written = 0;
	int error = tracedir_add(cut->dir, capture);

	if (error) {
		failed(cut, error);
		return error;
	}
	for (size_t i = 0; i < capture->pages.length; i++)
		written += capture->pages.items[i].after != NULL;
	log_info("captured invocation %" PRIu64 " of %s: %zu pages, %zu of them written, in "
		 "%.3f ms",
		 capture->invocation, cut->function, capture_touched(capture), written,
		 (double)capture->duration_ns / 1e6);
	for (size_t i = 0; i < capture->warnings.length; i++)
		log_warn("%s", capture->warnings.items[i]);
	return 0;
}

/* DIR/FUNCTION.N; a symbol may hold any character but a file name may not. */
static char *snippet_path(const struct cut *cut, uint64_t invocation)
{
	char *path = xasprintf("%s/%s.%" PRIu64, cut->path, cut->function, invocation);

	for (char *c = path + strlen(cut->path) + 1; *c; c++) {
		if (*c == '/')
			*c = '_';
	}
	return path;
}

static int build(struct cut *cut)
{
	struct tracedir_index index = { 0 };
	cleanup_capture struct capture capture;
	struct snippet_facts facts;
	int error = tracedir_open(cut->path, &index);

	capture_init(&capture);
	/* From the files, not from memory: so they are proven too. */
	if (!error)
		error = tracedir_read(&index, index.captures.items[0].id, &capture);
	if (!error) {
		char *path = snippet_path(cut, capture.invocation);

		error = snippet_create(&capture, NULL, path, &facts);
		if (error)
			free(path);
		else
			cut->snippet = path;
	}
	tracedir_index_release(&index);
	if (!error)
		log_verbose("%s: %" PRIu64 " pages, %" PRIu64 " changed, %" PRIu64 " KB",
			    cut->snippet, facts.pages, facts.changed, facts.size / 1024);
	return error;
}

static int prove(struct cut *cut)
{
	cleanup_close int fd = open(cut->snippet, O_RDONLY | O_CLOEXEC);
	struct snippet_result result = { 0 };
	const char *verdict;
	size_t length;
	int error;

	if (fd < 0)
		return err_sys(CHOP_USAGE, errno, "cannot open %s", cut->snippet);
	error = snippet_run(fd, cut->snippet, NULL, &result);
	if (!error) {
		verdict = snippet_verdict(&result, &length);
		cut->status = result.status;
		if (result.status)
			log_error("%s: %.*s", cut->snippet, (int)length, verdict);
		else
			log_info("%s: %.*s", cut->snippet, (int)length, verdict);
	}
	snippet_result_release(&result);
	return error;
}

/*
 * The program has been let go and runs on: finish the directory and make the snippet now,
 * because the program may have hours to go.
 */
static void released(void *context, const struct session_result *result)
{
	struct cut *cut = context;
	cleanup_free char *why = NULL;
	int error;

	if (result->interrupted)
		why = xasprintf("interrupted by SIG%s", sigabbrev_np(result->interrupted));
	error = tracedir_finish(cut->dir, true, cut->error ? cut->message : why);
	cut->dir = NULL;
	if (!error && !cut->error && result->captured)
		error = build(cut);
	if (!error && cut->snippet)
		error = prove(cut);
	if (error)
		failed(cut, error);
}

/* What the program itself came to is worth a word when it was not well. */
static void tell_exit(const struct cut *cut, const struct session_result *result)
{
	if (!result->ended || cut->status == CHOP_CANNOT_RUN || cut->status == CHOP_NOT_FOUND)
		return;
	if (WIFSIGNALED(result->exit_status))
		log_warn("the program was ended by SIG%s",
			 sigabbrev_np(WTERMSIG(result->exit_status)));
	else if (WEXITSTATUS(result->exit_status))
		log_warn("the program exited with status %d", WEXITSTATUS(result->exit_status));
}

static int run(struct options *options, const struct strvec *words, const char *command_line)
{
	cleanup_free char *path =
		options->output ? xstrdup(options->output) : xasprintf("%s.chop", words->items[0]);
	struct cut cut = { .function = words->items[0], .path = path };
	struct index_range range = { options->invocation, options->invocation };
	struct session_options session = {
		.argv = (char *const *)words->items + 1,
		.function = options->address ? NULL : words->items[0],
		.module = options->module,
		.begins = { &options->address, options->address ? 1 : 0, 1 },
		.indices = { .items = &range, .length = 1, .capacity = 1 },
		.max_traces = 1,
		.lazy = options->lazy,
		.record_tsc = options->record_tsc,
		.record_cpuid = options->record_cpuid,
		.hide = options->hide,
		.backend = options->backend,
		.captured = store,
		.released = released,
		.context = &cut,
	};
	const struct tracedir_options dir = { .command_line = command_line,
					      .program = words->items[1] };
	struct session_result result = { 0 };
	int error = tracedir_create(path, &dir, &cut.dir);

	if (error)
		return error;
	error = session_run(&session, &result);
	if (error)
		failed(&cut, error);
	if (cut.dir)
		released(&cut, &result);
	tell_exit(&cut, &result);
	if (result.interrupted && !cut.error) {
		/* For the shell: as if the signal had ended us. */
		signal(result.interrupted, SIG_DFL);
		raise(result.interrupted);
	}
	if (cut.error)
		error = err_set(cut.status, -cut.error, "%s", cut.message);
	else
		error = (int)cut.status;
	session_result_release(&result);
	free(cut.message);
	free(cut.snippet);
	return error;
}

/* Find the function first; then as if it had been named. */
static int run_hottest(struct options *options, struct strvec *words, const char *command_line)
{
	struct strvec all = { 0 };
	struct hottest found;
	int error = hottest_find((char *const *)words->items, &found);

	if (error)
		return error;
	options->module = found.module;
	options->address = found.address;
	*vec_push(&all) = found.function;
	for (size_t i = 0; i <= words->length; i++) /* with the NULL at the end */
		*vec_push(&all) = words->items[i];
	all.length--;
	error = run(options, &all, command_line);
	vec_release(&all);
	hottest_release(&found);
	return error;
}

int cmd_cut(int argc, char **argv)
{
	struct options options = { 0 };
	cleanup_free char *command_line = cmd_line(argc, argv);
	struct strvec words = { 0 };
	int status;

	if (!cmd_parse(&spec, argc, argv, &options, &words, &status))
		return status;
	if (options.hottest && !words.length)
		status = cmd_usage("no command to run; try: chop cut --hottest -- COMMAND");
	else if (options.hottest && options.module)
		status = cmd_usage("--hottest finds the module itself: leave -module out");
	else if (options.hottest)
		status = run_hottest(&options, &words, command_line);
	else if (!words.length)
		status = cmd_usage("which function? chop cut FUNCTION -- COMMAND");
	else if (words.length < 2)
		status =
			cmd_usage("no command to run; try: chop cut %s -- COMMAND", words.items[0]);
	else
		status = run(&options, &words, command_line);
	vec_release(&words);
	return status;
}
