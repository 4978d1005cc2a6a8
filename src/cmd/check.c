// SPDX-License-Identifier: Apache-2.0
#include "cmd/cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "tracee/probe.h"
#include "version.h"

struct options {
	bool json;
};

static const struct opt table[] = {
	OPT_FLAG(0, "json", struct options, json, "one JSON object, for scripts"), OPT_END
};

static const struct opt_spec spec = {
	.usage = "chop check [--json] [FACILITY...]",
	.about =
		"Tell what this machine allows, what is missing and how to get it. Each facility\n"
		"is tried, not looked up. With names, only these are tried.\n"
		"Exit status 0 when all that trace, snippet and verify need is there (with names:\n"
		"when all of these are), else 5.",
	.options = table,
	.examples = "  chop check\n"
		    "  chop check userfaultfd bpf && echo both\n"
		    "  chop check --json | jq '.facilities[] | select(.answer != \"yes\")'",
	.intermixed = true,
};

/* -- settings of the kernel and limits of this process -------------------------------------- */

static const struct setting {
	const char *name; /* as sysctl shows it */
	const char *matters;
} settings[] = {
	{ "kernel.yama.ptrace_scope", "0 or root: attach to any program of yours" },
	{ "vm.unprivileged_userfaultfd", "1 or root: capture without /dev/userfaultfd" },
	{ "vm.max_map_count", "trace may need twice the program's mappings" },
	{ "kernel.perf_event_paranoid", "at most 2 or root: counters of your own programs" },
	{ "kernel.unprivileged_bpf_disabled", "BPF is for root when not 0" },
};

static const struct limit {
	const char *name;
	int resource;
	bool bytes;
	const char *matters;
} limits[] = {
	{ "address space", RLIMIT_AS, true, "trace may need twice the program's" },
	{ "data", RLIMIT_DATA, true, "a snippet needs as much as its pages" },
	{ "open files", RLIMIT_NOFILE, false, "one for each thread and mapping traced" },
	{ "locked memory", RLIMIT_MEMLOCK, true, "buffers of events" },
};

/* false when this kernel does not have the setting (or hides it) */
static bool read_setting(const char *name, long long *value)
{
	cleanup_free char *path = xasprintf("/proc/sys/%s", name);
	cleanup_buf struct buf text = { 0 };

	for (char *dot = path; (dot = strchr(dot, '.'));)
		*dot = '/';
	if (io_read_file(path, &text)) {
		err_clear();
		return false;
	}
	return sscanf(text.data, "%lld", value) == 1;
}

/* -- for scripts ------------------------------------------------------------------------------ */

static const char *const answers[] = {
	[PROBE_NO] = "no", [PROBE_LIMITED] = "limited", [PROBE_YES] = "yes"
};

static json_t *text_or_null(const char *text)
{
	return text && *text ? json_string(text) : json_null();
}

static json_t *facility_json(enum probe_id id)
{
	const struct probe_info *info = probe_info(id);
	const struct probe_result *result = probe(id);

	return json_pack("{s:s, s:s, s:b, s:s, s:s, s:o, s:o}", "name", info->name, "title",
			 info->title, "needed", info->core, "answer", answers[result->answer],
			 "used_for", info->used_for, "detail", text_or_null(result->detail),
			 "remedy", text_or_null(probe_remedy(id)));
}

static json_t *settings_json(void)
{
	json_t *object = json_object();
	long long value;

	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		json_object_set_new(object, settings[i].name,
				    read_setting(settings[i].name, &value) ? json_integer(value)
									   : json_null());
	return object;
}

static json_t *limits_json(void)
{
	json_t *object = json_object();
	struct rlimit limit;

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		if (getrlimit(limits[i].resource, &limit))
			continue;
		json_object_set_new(object, limits[i].name,
				    limit.rlim_cur == RLIM_INFINITY
					    ? json_null()
					    : json_integer((json_int_t)limit.rlim_cur));
	}
	return object;
}

static void print_json(const enum probe_id *ids, size_t count, bool enough)
{
	json_t *facilities = json_array();
	json_t *all;

	for (size_t i = 0; i < count; i++)
		json_array_append_new(facilities, facility_json(ids[i]));
	all = json_pack("{s:s, s:b, s:o, s:o, s:o}", "version", CHOP_VERSION, "enough", enough,
			"facilities", facilities, "settings", settings_json(), "limits",
			limits_json());
	json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(all);
}

/* -- for people ------------------------------------------------------------------------------- */

static void print_facility(enum probe_id id)
{
	const struct probe_info *info = probe_info(id);
	const struct probe_result *result = probe(id);
	const char *remedy = probe_remedy(id);

	printf("  %-26s %-8s %s\n", info->name, answers[result->answer], info->used_for);
	if (result->answer == PROBE_YES)
		return;
	if (*result->detail || remedy)
		printf("      %s%s%s\n", result->detail, *result->detail && remedy ? ": " : "",
		       remedy ? remedy : "");
}

static void print_facilities(const enum probe_id *ids, size_t count, bool core, const char *heading)
{
	bool any = false;

	for (size_t i = 0; i < count; i++) {
		if (probe_info(ids[i])->core != core)
			continue;
		if (!any)
			printf("%s\n", heading);
		any = true;
		print_facility(ids[i]);
	}
	if (any)
		putchar('\n');
}

static void print_settings(void)
{
	struct rlimit limit;
	long long value;

	printf("Settings of the kernel\n");
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		if (read_setting(settings[i].name, &value))
			printf("  %-34s %-8lld %s\n", settings[i].name, value, settings[i].matters);
		else
			printf("  %-34s %-8s %s\n", settings[i].name, "-", settings[i].matters);
	}
	printf("\nLimits of this process (ulimit)\n");
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		if (getrlimit(limits[i].resource, &limit))
			continue;
		if (limit.rlim_cur == RLIM_INFINITY)
			printf("  %-34s %-8s %s\n", limits[i].name, "none", limits[i].matters);
		else if (limits[i].bytes)
			printf("  %-34s %5" PRIu64 " KB %s\n", limits[i].name,
			       (uint64_t)limit.rlim_cur / 1024, limits[i].matters);
		else
			printf("  %-34s %-8" PRIu64 " %s\n", limits[i].name,
			       (uint64_t)limit.rlim_cur, limits[i].matters);
	}
	putchar('\n');
}

static void print_machine(void)
{
	struct utsname name;

	if (!uname(&name))
		printf("chop %s on %s %s (%s), %ld processors, %s\n\n", CHOP_VERSION, name.sysname,
		       name.release, name.machine, sysconf(_SC_NPROCESSORS_ONLN),
		       geteuid() ? "not root" : "as root");
}

static void print_all(const enum probe_id *ids, size_t count, bool enough)
{
	print_machine();
	print_facilities(ids, count, true, "Needed by trace, snippet and verify");
	print_facilities(ids, count, false, "Used where it is there");
	print_settings();
	puts(enough ? "trace, snippet and verify have what they need."
		    : "trace, snippet or verify lack something, as told above.");
}

/* -- the command ------------------------------------------------------------------------------ */

static int find(const char *name, enum probe_id *id)
{
	const char *best = NULL;
	unsigned int distance = 4;

	for (int i = 0; i < PROBE_COUNT; i++) {
		const char *known = probe_info(i)->name;
		unsigned int d = opt_distance(known, name);

		if (!d) {
			*id = i;
			return 0;
		}
		if (d < distance) {
			distance = d;
			best = known;
		}
	}
	if (best)
		return cmd_usage("no facility '%s'; did you mean '%s'?", name, best);
	return cmd_usage("no facility '%s'; `chop check --json` names them", name);
}

/* Which facilities to try: those named, or all. Returns how many, or a negative errno. */
static int select_ids(const struct strvec *names, enum probe_id *ids)
{
	size_t count = 0;

	if (!names->length) {
		for (; count < PROBE_COUNT; count++)
			ids[count] = (enum probe_id)count;
		return PROBE_COUNT;
	}
	if (names->length > PROBE_COUNT)
		return cmd_usage("more names than there are facilities");
	for (; count < names->length; count++) {
		int error = find(names->items[count], &ids[count]);

		if (error)
			return error;
	}
	return (int)count;
}

static bool is_enough(const enum probe_id *ids, size_t count, bool named)
{
	for (size_t i = 0; i < count; i++) {
		if ((named || probe_info(ids[i])->core) && probe(ids[i])->answer == PROBE_NO)
			return false;
	}
	return true;
}

int cmd_check(int argc, char **argv)
{
	struct options options = { 0 };
	struct strvec names = { 0 };
	enum probe_id ids[PROBE_COUNT];
	int status, count;
	bool enough;

	if (!cmd_parse(&spec, argc, argv, &options, &names, &status))
		goto out;
	status = count = select_ids(&names, ids);
	if (count < 0)
		goto out;
	enough = is_enough(ids, (size_t)count, names.length > 0);
	if (options.json)
		print_json(ids, (size_t)count, enough);
	else if (names.length)
		for (int i = 0; i < count; i++)
			print_facility(ids[i]);
	else
		print_all(ids, (size_t)count, enough);
	status = enough ? CHOP_OK : CHOP_MISSING;
out:
	vec_release(&names);
	return status;
}
