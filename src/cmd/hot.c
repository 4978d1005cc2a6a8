// SPDX-License-Identifier: Apache-2.0
/* chop hot: the functions a program spends its time in. */
#include "cmd/cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "profile/profile.h"

struct options {
	uint64_t pid, frequency, timeout, number;
	const char *output;
	bool json, user;
};

static const struct opt table[] = {
	OPT_NUMBER('p', "pid", struct options, pid, "PID",
		   "a running process, until it ends or Ctrl-C", .min = 1, .max = INT32_MAX),
	OPT_NUMBER('F', "freq", struct options, frequency, "N",
		   "samples a second of each processor's time (4000)", .min = 1, .max = 100000),
	OPT_TIME(0, "timeout", struct options, timeout, "TIME", "stop sampling after this time"),
	OPT_NUMBER('n', "number", struct options, number, "N", "functions to list (20)", .min = 1),
	OPT_FLAG('u', "user", struct options, user, "without the time in the kernel"),
	OPT_TEXT('o', "output", struct options, output, "FILE", "write to FILE instead of stderr"),
	OPT_FLAG('j', "json", struct options, json, "as JSON"),
	OPT_END,
};

static const struct opt_spec spec = {
	.usage = "chop hot [options] -- COMMAND\n"
		 "chop hot [options] -p PID",
	.about = "List the functions in which a program spends its time, its children included,\n"
		 "from samples the kernel takes while it runs: which region is worth cutting.\n"
		 "The program is not slowed down. Exit status is the command's.",
	.options = table,
	.examples = "  chop hot -- xz -c FILE >/dev/null\n"
		    "  chop hot -p 1234 -timeout 10s",
};

static double share(const struct profile *profile, uint64_t samples)
{
	return profile->samples ? 100.0 * (double)samples / (double)profile->samples : 0;
}

static const char *function_name(const struct profile_entry *entry)
{
	switch (entry->kind) {
	case PROFILE_FUNCTION:
		return entry->name;
	case PROFILE_MODULE:
		return "[no symbol]";
	case PROFILE_UNKNOWN:
		return "[generated code, in no file]";
	case PROFILE_KERNEL:
		return "[kernel]";
	}
	return "";
}

static void add_text(const struct profile *profile, uint64_t number, struct buf *out)
{
	buf_printf(out, "%" PRIu64 " samples of %s in %u process%s\n", profile->samples,
		   profile->event, profile->processes, profile->processes == 1 ? "" : "es");
	buf_printf(out, "%7s %9s  %s\n", "share", "samples", "function");
	for (size_t i = 0; i < profile->entries.length && i < number; i++) {
		const struct profile_entry *entry = &profile->entries.items[i];

		buf_printf(out, "%6.2f%% %9" PRIu64 "  %s", share(profile, entry->samples),
			   entry->samples, function_name(entry));
		if (entry->path)
			buf_printf(out, " (%s)", profile_module_name(entry->kind, entry->path));
		buf_add_char(out, '\n');
	}
	if (profile->entries.length > number)
		buf_printf(out, "and %zu more\n", (size_t)(profile->entries.length - number));
	buf_printf(out, "%7s %9s  %s\n", "share", "samples", "program or library");
	for (size_t i = 0; i < profile->modules.length; i++) {
		const struct profile_module *module = &profile->modules.items[i];

		buf_printf(out, "%6.2f%% %9" PRIu64 "  %s\n", share(profile, module->samples),
			   module->samples, profile_module_name(module->kind, module->path));
	}
}

static void add_json(const struct profile *profile, uint64_t number, struct buf *out)
{
	json_t *functions = json_array(), *modules = json_array(), *object;
	char *text;

	for (size_t i = 0; i < profile->entries.length && i < number; i++) {
		const struct profile_entry *entry = &profile->entries.items[i];
		json_t *one = json_pack("{s:s, s:s, s:I, s:f}", "function", function_name(entry),
					"module", profile_module_name(entry->kind, entry->path),
					"samples", (json_int_t)entry->samples, "share",
					share(profile, entry->samples) / 100);

		if (entry->symbol)
			json_object_set_new(one, "symbol", json_string(entry->symbol));
		if (entry->path)
			json_object_set_new(one, "path", json_string(entry->path));
		json_array_append_new(functions, one);
	}
	for (size_t i = 0; i < profile->modules.length; i++) {
		const struct profile_module *module = &profile->modules.items[i];

		json_array_append_new(modules,
				      json_pack("{s:s, s:I, s:f}", "module",
						profile_module_name(module->kind, module->path),
						"samples", (json_int_t)module->samples, "share",
						share(profile, module->samples) / 100));
	}
	object = json_pack("{s:s, s:I, s:I, s:i, s:o, s:o}", "event", profile->event, "samples",
			   (json_int_t)profile->samples, "lost", (json_int_t)profile->lost,
			   "processes", (int)profile->processes, "functions", functions, "modules",
			   modules);
	text = json_dumps(object, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
	buf_printf(out, "%s\n", text ? text : "");
	free(text);
	json_decref(object);
}

static int write_result(const struct options *options, const struct buf *text)
{
	if (options->output)
		return io_write_file(options->output, text);
	fputs(buf_text(text), stderr);
	return 0;
}

static int tell(const struct options *options, const struct profile *profile)
{
	cleanup_buf struct buf text = { 0 };

	if (profile->lost)
		log_warn("%" PRIu64 " samples were lost: use a lower --freq", profile->lost);
	if (profile->no_kernel && !options->user)
		log_info("the time in the kernel is not included: that takes root, or "
			 "kernel.perf_event_paranoid at 1");
	if (!profile->samples)
		return err_set(CHOP_DIFFERS, ENODATA,
			       "no sample: the program ran too shortly; try a higher --freq");
	if (options->json)
		add_json(profile, options->number, &text);
	else
		add_text(profile, options->number, &text);
	return write_result(options, &text);
}

static int run(const struct options *options, const struct strvec *rest)
{
	const struct profile_options wanted = {
		.argv = rest->length ? (char *const *)rest->items : NULL,
		.pid = (pid_t)options->pid,
		.frequency = options->frequency,
		.timeout = options->timeout,
		.user_only = options->user,
	};
	struct profile profile;
	int error = profile_run(&wanted, &profile);

	if (!error)
		error = tell(options, &profile);
	if (!error && profile.interrupted && wanted.argv) {
		signal(profile.interrupted, SIG_DFL);
		raise(profile.interrupted);
	}
	if (!error && profile.ended)
		error = WIFSIGNALED(profile.exit_status) ? 128 + WTERMSIG(profile.exit_status)
							 : WEXITSTATUS(profile.exit_status);
	profile_release(&profile);
	return error;
}

int cmd_hot(int argc, char **argv)
{
	struct options options = { .frequency = 4000, .number = 20 };
	struct strvec rest = { 0 };
	int status;

	if (!cmd_parse(&spec, argc, argv, &options, &rest, &status))
		return status;
	if (!rest.length == !options.pid)
		status = cmd_usage("give a command to run, or -p PID");
	else
		status = run(&options, &rest);
	vec_release(&rest);
	return status;
}
