// SPDX-License-Identifier: Apache-2.0
/*
 * chop-trace-mem: the memory accesses of a snippet, or of a program between two symbols, as
 * the text that Microprobe reads, and a Microprobe test file that names it. The steps are
 * those of chop trace, chop mem and chop convert.
 */
#include "cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chop/snippet.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "capture/session.h"
#include "cmd/object.h"
#include "cmd/points.h"
#include "fmt/mem_join.h"
#include "fmt/mpt.h"
#include "store/tracedir.h"
#include "tracee/interrupt.h"

struct options {
	const char *output, *base, *patched, *begin, *end, *indices;
};

static const struct opt option_table[] = {
	OPT_TEXT('o', "output", struct options, output, "NAME", "write NAME.memtrace.gz (output)"),
	OPT_TEXT(0, "base-mpt", struct options, base, "FILE", "Microprobe test file to start from"),
	OPT_TEXT(0, "output-mpt", struct options, patched, "FILE",
		 "the same with the memory trace named in it"),
	OPT_TEXT(0, "begin", struct options, begin, "SYMBOL",
		 "of a program: where the region begins (START_TEST), or\nan address in hex"),
	OPT_TEXT(0, "end", struct options, end, "SYMBOL",
		 "where it ends: the returns of a function, or a label\n"
		 "(MPT2ELF_ENDLESS; with -begin: the returns of that function)"),
	OPT_TEXT(0, "indices", struct options, indices, "LIST",
		 "invocations, from 0: 3,7-9 (default: 0)"),
	OPT_END
};

static const struct opt_spec spec = {
	.usage = "chop memtrace [-output NAME] [-base-mpt FILE -output-mpt FILE] -- SNIPPET\n"
		 "chop memtrace [options] -begin SYMBOL [-end SYMBOL] -- COMMAND",
	.about =
		"Record every memory access of a snippet, or of a program between symbols, as the\n"
		"text Microprobe reads, and add it to a Microprobe test file.",
	.options = option_table,
	.examples = "  chop memtrace -output daxpy#0 -base-mpt daxpy#0.mpt \\\n"
		    "      -output-mpt daxpy#0#memory.mpt -- ./daxpy#0.elf\n"
		    "  chop memtrace -output daxpy -begin daxpy -indices 3 -- ./daxpy",
};

/* What is made on the way; all in a directory that is removed at the end. */
struct work {
	const struct options *options;
	const char *command_line;
	char *output;	 /* NAME.memtrace.gz; owned */
	char *directory; /* owned */
	struct tracedir *dir;
	struct traces VEC_BODY(char *) traces; /* memory traces, in order; owned */
	int status;			       /* the worst of the recordings */
};

static int refuse_existing(const char *path)
{
	if (!access(path, F_OK))
		return err_set(CHOP_USAGE, EEXIST, "%s exists; remove it or choose another name",
			       path);
	return 0;
}

/* Everything that can be refused before anything runs. */
static int check(const struct work *work)
{
	const struct options *options = work->options;
	int error = refuse_existing(work->output);

	if (!error && !options->base != !options->patched)
		error = cmd_usage("-base-mpt and -output-mpt go together");
	if (!error && options->base)
		error = mpt_check(options->base);
	if (!error && options->patched)
		error = refuse_existing(options->patched);
	if (!error)
		error = io_may_create(work->output);
	if (!error && options->patched)
		error = io_may_create(options->patched);
	return error;
}

static bool is_snippet(const char *path)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	char magic[sizeof(SNIPPET_MAGIC) - 1];

	return fd >= 0 && !io_pread(fd, magic, sizeof(magic), SNIPPET_HEADER_OFFSET) &&
	       !memcmp(magic, SNIPPET_MAGIC, sizeof(magic));
}

/* -- memory traces ------------------------------------------------------------------------------ */

static void run_mem(char *const *words, pid_t parent)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (null >= 0)
		dup2(null, STDOUT_FILENO);
	/* Nobody would read what it writes, and the directory is removed. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(CHOP_CANNOT_RUN);
	execv("/proc/self/exe", words);
	_exit(CHOP_CANNOT_RUN);
}

/* chop mem SOURCE, in a process of its own: it starts over when addresses collide. */
static int record(struct work *work, const char *source, const char *capture)
{
	char *output = xasprintf("%s/%zu.mem", work->directory, work->traces.length);
	char *words[] = { (char *)"chop", (char *)"mem",       (char *)source,	(char *)"-o",
			  output,	  (char *)"--capture", (char *)capture, NULL };
	pid_t pid, parent = getpid();
	int status = 0;

	*vec_push(&work->traces) = output;
	if (!capture)
		words[5] = NULL;
	fflush(NULL);
	pid = fork();
	if (!pid)
		run_mem(words, parent);
	if (pid < 0)
		return err_sys(CHOP_MISSING, errno, "cannot start a process");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	status = WIFEXITED(status) ? WEXITSTATUS(status) : CHOP_DIVERGED;
	if (status > work->status)
		work->status = status;
	if (status == CHOP_DIFFERS)
		log_warn("the traced run ended in another state than the recorded one");
	if (status == CHOP_OK || status == CHOP_DIFFERS)
		return 0;
	return err_set((enum chop_status)status, ECANCELED, "no memory trace of %s", source);
}

static int convert(struct work *work)
{
	uint64_t records;
	int error = mem_join(work->traces.items, work->traces.length, &mem_format_chopstix,
			     work->output, &records);

	if (!error)
		log_info("%" PRIu64 " accesses in %s", records, work->output);
	return error;
}

/* -- a program between symbols -------------------------------------------------------------------- */

static int store(void *context, struct capture *capture)
{
	struct work *work = context;

	for (size_t i = 0; i < capture->warnings.length; i++)
		log_warn("%s", capture->warnings.items[i]);
	return tracedir_add(work->dir, capture);
}

static int capture_region(struct work *work, const char *path, const struct strvec *words)
{
	const struct tracedir_options how = { .command_line = work->command_line,
					      .program = words->items[0] };
	cleanup_points struct points points = { 0 };
	struct session_options session = { .argv = (char *const *)words->items,
					   .captured = store,
					   .context = work };
	struct session_result result = { 0 };
	int error = points_find(words->items[0], work->options->begin, work->options->end, &points);

	if (!error)
		error = index_ranges_parse(work->options->indices, &session.indices);
	if (!error)
		error = tracedir_create(path, &how, &work->dir);
	if (!error) {
		session.module = points.module;
		session.begins = points.begins;
		session.ends = points.ends;
		error = session_run(&session, &result);
		interrupt_release();
		/* Also one that came while the program was waited for. */
		if (!error && (result.interrupted || interrupt_signal()))
			error = err_set(CHOP_DIFFERS, EINTR, "interrupted: nothing is written");
		if (tracedir_finish(work->dir, false, NULL) && !error)
			error = -EIO;
		session_result_release(&result);
	}
	vec_release(&session.indices);
	return error;
}

static int record_program(struct work *work, const struct strvec *words)
{
	cleanup_free char *path = xasprintf("%s/captures", work->directory);
	struct tracedir_index index = { 0 };
	int error = capture_region(work, path, words);

	if (!error)
		error = tracedir_open(path, &index);
	for (size_t i = 0; i < index.captures.length && !error; i++) {
		cleanup_free char *id = xasprintf("%u", index.captures.items[i].id);

		error = record(work, path, id);
	}
	tracedir_index_release(&index);
	return error;
}

/* -- the whole -------------------------------------------------------------------------------------- */

static int make_directory(struct work *work)
{
	const char *place = getenv("TMPDIR");

	work->directory = xasprintf("%s/chop-memtrace.XXXXXX", place && *place ? place : "/tmp");
	if (mkdtemp(work->directory))
		return 0;
	place = work->directory;
	return err_sys(CHOP_USAGE, errno, "cannot create a directory like %s", place);
}

/*
 * Captures are large, and signals end us in many places: a process that is nobody's child, so
 * that no wait meets it, removes them when we are gone. Owned: closing it is enough.
 */
static int guard_directory(const char *directory)
{
	int ends[2];
	pid_t pid;
	char byte;

	if (pipe2(ends, O_CLOEXEC))
		return -1;
	pid = fork();
	if (!pid) {
		if (fork())
			_exit(0);
		setsid();
		close_range(0, 2, 0); /* who reads our output does not wait for this */
		close(ends[1]);
		while (read(ends[0], &byte, 1) < 0 && errno == EINTR)
			continue;
		io_remove_tree(directory);
		_exit(0);
	}
	close(ends[0]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return ends[1];
}

static int record_command(struct work *work, const struct strvec *words)
{
	cleanup_free char *program = object_find(words->items[0]);

	if (!is_snippet(program))
		return record_program(work, words);
	if (work->options->begin || work->options->end)
		return cmd_usage("%s is a snippet, which begins and ends where it does: leave out "
				 "-begin and -end",
				 program);
	return record(work, program, NULL);
}

static int add_to_mpt(const struct work *work)
{
	cleanup_free char *written = NULL;
	int error = mpt_add_memory_trace(work->options->base, work->options->patched, work->output,
					 &written);

	if (!error)
		log_info("%s names it", written);
	return error;
}

static int run(struct work *work, const struct strvec *words)
{
	cleanup_close int guard = -1;
	int error = check(work);

	if (!error)
		error = make_directory(work);
	if (error)
		return error;
	guard = guard_directory(work->directory);
	error = record_command(work, words);
	if (!error)
		error = convert(work);
	if (!error && work->options->base)
		error = add_to_mpt(work);
	io_remove_tree(work->directory);
	return error ? error : work->status;
}

int cmd_memtrace(int argc, char **argv)
{
	struct options options = { .output = "output", .indices = "0" };
	cleanup_free char *command_line = cmd_line(argc, argv);
	struct work work = { .options = &options, .command_line = command_line };
	struct strvec words = { 0 };
	int status;

	if (!cmd_parse(&spec, argc, argv, &options, &words, &status))
		return status;
	work.output = xasprintf("%s.memtrace.gz", options.output);
	if (words.length)
		status = run(&work, &words);
	else
		status = cmd_usage(
			"no snippet or command; try: chop memtrace -output NAME -- ./snippet");
	for (size_t i = 0; i < work.traces.length; i++)
		free(work.traces.items[i]);
	vec_release(&work.traces);
	vec_release(&words);
	free(work.output);
	free(work.directory);
	return status;
}
