// SPDX-License-Identifier: Apache-2.0
/* chop verify: replay captures and compare each end with the recorded one. */
#include "cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "base/progress.h"
#include "cmd/pick.h"
#include "snippet/snippet.h"
#include "store/tracedir.h"

struct options {
	const char *capture;
	uint64_t timeout;
	bool friendly;
};

static const struct opt table[] = {
	OPT_TEXT('c', "capture", struct options, capture, "N",
		 "only this capture of a trace directory"),
	OPT_TIME('t', "timeout", struct options, timeout, "TIME",
		 "give up on one that does not end in TIME (default: 10 s and\n"
		 "20 times what the capture took)"),
	OPT_FLAG(0, "friendly", struct options, friendly,
		 "run them with --friendly: where address spaces cannot be cleared"),
	OPT_END,
};

static const struct opt_spec spec = {
	.usage = "chop verify [--capture N] DIR|FILE...",
	.about = "Replay the captures of trace directories, or snippet files, and compare "
		 "registers\n"
		 "and every page with the recorded end. One: its own words. Several: a table.\n"
		 "Exit status 0 when all are equal, else the highest of theirs.",
	.options = table,
	.examples = "  chop verify trace_data\n"
		    "  chop verify lzma_code.*",
	.intermixed = true,
};

/* One line of the table. */
struct row {
	char *name, *function, *verdict; /* owned */
	uint64_t invocation, pages;
	struct buf output; /* all the snippet said; empty when it was not run */
	enum chop_status status;
};

struct verification {
	const struct options *options;
	VEC(struct row) rows;
};

/* What went wrong with one must not keep the others from being looked at. */
static void record_error(struct row *row, int error)
{
	row->status = err_status();
	row->verdict = xstrdup(*err_message() ? err_message() : strerror(-error));
	err_clear();
}

/* `name` is what the snippet calls itself in messages. */
static void run_one(const struct options *options, int fd, const char *name, struct row *row)
{
	char timeout[40];
	const char *arguments[3] = { NULL };
	size_t count = 0, length;
	struct snippet_result result = { 0 };
	const char *line;
	int error;

	snprintf(timeout, sizeof(timeout), "--timeout=%" PRIu64 "us", options->timeout / 1000);
	if (options->timeout)
		arguments[count++] = timeout;
	if (options->friendly)
		arguments[count++] = "--friendly";
	error = snippet_run(fd, name, arguments, &result);
	if (error) {
		record_error(row, error);
		snippet_result_release(&result);
		return;
	}
	line = snippet_verdict(&result, &length);
	row->verdict = xstrndup(line, length);
	row->status = result.status;
	row->output = result.output;
}

static void verify_capture(struct verification *v, const struct tracedir_index *index,
			   const struct tracedir_entry *entry)
{
	cleanup_capture struct capture capture;
	cleanup_free char *name = NULL;
	struct row *row = vec_push(&v->rows);
	int fd, error;

	*row = (struct row){
		.name = xasprintf("%s/%u", index->path, entry->id),
		.function = xstrdup(entry->function ? entry->function : "-"),
		.invocation = entry->invocation,
		.pages = entry->pages,
	};
	progress_show("verifying %s", row->name);
	capture_init(&capture);
	error = tracedir_read(index, entry->id, &capture);
	fd = error ? error : snippet_in_memory(&capture, NULL, NULL);
	if (fd < 0) {
		record_error(row, fd);
		return;
	}
	name = xasprintf("%s.%" PRIu64, capture.function ? capture.function : "region",
			 capture.invocation);
	run_one(v->options, fd, name, row);
	close(fd);
}

static void verify_directory(struct verification *v, const char *path)
{
	struct tracedir_index index = { 0 };
	unsigned int id = 0;
	int error = tracedir_open(path, &index);

	if (!error && v->options->capture)
		error = pick_capture(&index, v->options->capture, &id);
	if (!error && !index.captures.length)
		error = err_set(CHOP_DIFFERS, ENOENT, "%s holds no captures", path);
	for (size_t i = 0; i < index.captures.length && !error; i++) {
		if (!v->options->capture || index.captures.items[i].id == id)
			verify_capture(v, &index, &index.captures.items[i]);
	}
	if (error) {
		struct row *row = vec_push(&v->rows);

		*row = (struct row){ .name = xstrdup(path), .function = xstrdup("-") };
		record_error(row, error);
	}
	tracedir_index_release(&index);
}

static void verify_file(struct verification *v, const char *path)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	int open_error = fd < 0 ? errno : 0;
	struct row *row = vec_push(&v->rows);
	struct snippet_info info = { 0 };
	int error;

	*row = (struct row){ .name = xstrdup(path) };
	progress_show("verifying %s", path);
	error = fd < 0 ? err_sys(CHOP_USAGE, open_error, "cannot open %s", path)
		       : snippet_open(path, fd, &info);
	row->function = xstrdup(info.function ? info.function : "-");
	row->invocation = info.invocation;
	row->pages = info.pages;
	snippet_info_release(&info);
	if (error)
		record_error(row, error);
	else
		run_one(v->options, fd, path, row);
}

static void verify_path(struct verification *v, const char *path)
{
	struct stat status;

	if (!stat(path, &status) && S_ISDIR(status.st_mode))
		verify_directory(v, path);
	else
		verify_file(v, path);
}

/* With -q, silence says that all is well. */
static bool is_quiet(void)
{
	return log_level() < LOG_WARN;
}

/* One result speaks for itself; what could not be run is an error of ours. */
static int show_one(const struct row *row)
{
	if (!row->output.length)
		return err_set(row->status, EINVAL, "%s", row->verdict);
	if (!row->status && is_quiet())
		return 0;
	/* A verdict is the result; a refusal to start is an error. */
	fputs(buf_text(&row->output),
	      row->status == CHOP_USAGE || row->status == CHOP_MISSING ? stderr : stdout);
	return (int)row->status;
}

static void show_table(const struct verification *v)
{
	int name = 7, function = 8;

	for (size_t i = 0; i < v->rows.length; i++) {
		const struct row *row = &v->rows.items[i];

		if ((int)strlen(row->name) > name)
			name = (int)strlen(row->name);
		if ((int)strlen(row->function) > function)
			function = (int)strlen(row->function);
	}
	printf("%-*s  %-*s  %10s  %6s  %s\n", name, "capture", function, "function", "invocation",
	       "pages", "result");
	for (size_t i = 0; i < v->rows.length; i++) {
		const struct row *row = &v->rows.items[i];
		const char *end = row->status ? NULL : strchr(row->verdict, ':');

		printf("%-*s  %-*s  %10" PRIu64 "  %6" PRIu64 "  %.*s\n", name, row->name, function,
		       row->function, row->invocation, row->pages,
		       end ? (int)(end - row->verdict) : (int)strlen(row->verdict), row->verdict);
	}
}

static int show(const struct verification *v)
{
	enum chop_status worst = CHOP_OK;

	progress_clear();
	if (v->rows.length == 1)
		return show_one(&v->rows.items[0]);
	for (size_t i = 0; i < v->rows.length; i++) {
		if (v->rows.items[i].status > worst)
			worst = v->rows.items[i].status;
	}
	if (worst || !is_quiet())
		show_table(v);
	return (int)worst;
}

static void release(struct verification *v)
{
	for (size_t i = 0; i < v->rows.length; i++) {
		struct row *row = &v->rows.items[i];

		free(row->name);
		free(row->function);
		free(row->verdict);
		buf_release(&row->output);
	}
	vec_release(&v->rows);
}

int cmd_verify(int argc, char **argv)
{
	struct options options = { 0 };
	struct verification v = { .options = &options };
	struct strvec rest = { 0 };
	int status;

	if (!cmd_parse(&spec, argc, argv, &options, &rest, &status))
		return status;
	for (size_t i = 0; i < rest.length; i++)
		verify_path(&v, rest.items[i]);
	if (rest.length)
		status = show(&v);
	else
		status = cmd_usage("expected trace directories or snippets");
	release(&v);
	vec_release(&rest);
	return status;
}
