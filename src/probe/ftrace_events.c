// SPDX-License-Identifier: Apache-2.0
/* An instance of our own, and the events that are made for sites. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arch/probe_regs.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"
#include "base/progress.h"
#include "probe/ftrace.h"

int ftrace_write(const struct ftrace_events *events, const char *file, const char *text)
{
	cleanup_free char *path = xasprintf("%s/%s", events->instance, file);

	return tracefs_write(path, text, false);
}

static bool is_user(const struct point_site *site)
{
	return site->kind == POINT_USER || site->kind == POINT_USDT;
}

static int define(const struct ftrace_events *events, bool user, const char *line)
{
	cleanup_free char *path =
		xasprintf("%s/%s", events->root, user ? "uprobe_events" : "kprobe_events");

	return tracefs_write(path, line, true);
}

/* -- arguments -------------------------------------------------------------------------------------- */

const char *ftrace_cannot(const struct point_site *site, const struct chop_probe_fetch *fetch)
{
	if (site->kind == POINT_TRACEPOINT) {
		if (fetch->from == CHOP_FROM_FIELD &&
		    (fetch->loads || fetch->kind == CHOP_KIND_TEXT))
			return "ftrace does not follow pointers of tracepoints";
		return NULL;
	}
	if (fetch->has_index)
		return "ftrace does not know addresses with an index";
	if (fetch->after && fetch->kind == CHOP_KIND_NUMBER)
		return "ftrace does not add to registers";
	if (fetch->from == CHOP_FROM_REGISTER && !arch_probe_kernel_name(fetch->base))
		return "ftrace does not know this part of a register";
	return NULL;
}

static void add_base(struct buf *line, const struct point_site *site,
		     const struct chop_probe_fetch *fetch)
{
	struct arch_probe_reg result;

	arch_probe_result(&result);
	if (fetch->from == CHOP_FROM_CONSTANT)
		buf_printf(line, "\\%lld", (long long)fetch->constant);
	else if (site->at_return && fetch->base == result.offset)
		buf_add_text(line, "$retval");
	else
		buf_printf(line, "%%%s", arch_probe_kernel_name(fetch->base));
}

static void add_argument(struct buf *line, const struct point_site *site, size_t n,
			 const struct chop_probe_fetch *fetch)
{
	bool text = fetch->kind == CHOP_KIND_TEXT;
	size_t depth = (size_t)fetch->loads + text;

	buf_printf(line, " a%zu=", n);
	if (text)
		buf_printf(line, "%+d(", fetch->after);
	for (size_t i = fetch->loads; i-- > 0;)
		buf_printf(line, "%+d(", fetch->offset[i]);
	add_base(line, site, fetch);
	for (size_t i = 0; i < depth; i++)
		buf_add_char(line, ')');
	if (text)
		buf_printf(line, ":%s", is_user(site) || fetch->kernel ? "string" : "ustring");
	else
		buf_printf(line, ":%c%u", fetch->is_signed ? 's' : 'u', fetch->size * 8u);
}

/* "p:GROUP/NAME PATH:0xOFFSET(0xSEMAPHORE) ARGUMENTS" */
static void describe(struct buf *line, const struct ftrace_events *events,
		     const struct point_site *site, const struct point_plan *plan, size_t index,
		     bool is_return, bool latency)
{
	bool ret = is_return || site->at_return;

	buf_printf(line, "%c:%s/%c%zu ", ret ? 'r' : 'p', events->group, is_return ? 'r' : 'e',
		   index);
	if (is_user(site))
		buf_printf(line, "%s:0x%llx", site->path, (long long)site->offset);
	else
		buf_printf(line, "%s+%llu", site->symbol, (long long)site->symbol_offset);
	if (site->semaphore)
		buf_printf(line, "(0x%llx)", (long long)site->semaphore);
	for (size_t i = 0; i < plan->args.length && !is_return; i++)
		add_argument(line, site, i, &plan->args.items[i].fetch);
	if (latency && is_user(site))
		buf_add_text(line, " sp=%sp:u64");
}

/* -- ids --------------------------------------------------------------------------------------------- */

static void remember(struct ftrace_events *events, uint32_t id, const struct ftrace_event *event)
{
	uint64_t before = 0;

	map_get(&events->by_id, id, &before);
	*vec_push(&events->events) = *event;
	*vec_push(&events->next) = before;
	map_put(&events->by_id, id, events->events.length);
}

static int note_format(struct ftrace_events *events, const char *category, const char *name,
		       struct ftrace_event *event)
{
	struct trace_format format;
	int error = trace_format_read(events->instance, category, name, &format);

	if (error)
		return error;
	for (size_t i = 0; i < CHOP_PROBE_ARGS && event->is_dynamic; i++) {
		char argument[3] = { 'a', (char)('0' + i), '\0' };
		const struct trace_field *field = trace_format_find(&format, argument);

		event->field[i] = field ? field->offset : 0;
	}
	if (event->is_dynamic && trace_format_find(&format, "sp"))
		event->sp = trace_format_find(&format, "sp")->offset;
	remember(events, format.id, event);
	trace_format_release(&format);
	return 0;
}

static int make_one(struct ftrace_events *events, const struct point_request *request, size_t i,
		    bool is_return)
{
	const struct point_site *site = &request->points->sites.items[i];
	const struct point_plan *plan = &request->points->plans.items[site->plan];
	struct ftrace_event event = { .site = (uint32_t)i, .is_return = is_return };
	cleanup_buf struct buf line = { 0 };
	char name[24];
	int error;

	for (size_t k = 0; k < plan->args.length; k++) {
		const char *why = ftrace_cannot(site, &plan->args.items[k].fetch);

		if (why)
			return err_set(CHOP_MISSING, EOPNOTSUPP, "%s: %s", plan->args.items[k].name,
				       why);
	}
	if (site->kind == POINT_TRACEPOINT)
		return note_format(events, site->category, site->symbol, &event);
	event.is_dynamic = true;
	describe(&line, events, site, plan, i, is_return, request->latency);
	error = define(events, is_user(site), line.data);
	if (error)
		return error;
	events->made_user |= is_user(site);
	events->made_kernel |= !is_user(site);
	snprintf(name, sizeof(name), "%c%zu", is_return ? 'r' : 'e', i);
	return note_format(events, events->group, name, &event);
}

/* -- instance ----------------------------------------------------------------------------------------- */

static int make_instance(struct ftrace_events *events, const struct point_request *request)
{
	uint64_t kilobytes = (request->buffer ? request->buffer : 64 << 20) >> 10;
	cleanup_free char *size = NULL;

	events->root = tracefs_path();
	if (!events->root)
		return -ENOENT;
	ftrace_sweep(events->root);
	snprintf(events->group, sizeof(events->group), "chop_%d", getpid());
	events->instance = xasprintf("%s/instances/chop.%d", events->root, getpid());
	if (mkdir(events->instance, 0700)) {
		int error = errno;

		free(events->instance);
		events->instance = NULL;
		return err_set(CHOP_MISSING, error,
			       "cannot make a tracing instance in %s: %s; run as root",
			       events->root, strerror(error));
	}
	kilobytes /= (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
	size = xasprintf("%llu", (unsigned long long)(kilobytes ? kilobytes : 4));
	if (ftrace_write(events, "buffer_size_kb", size))
		return err_set(CHOP_MISSING, ENOMEM, "no room for a buffer of %s kB", size);
	/* When it is full what comes is lost, not what there is. */
	ftrace_write(events, "options/overwrite", "0");
	if (ftrace_write(events, "trace_clock", "mono"))
		return err_set(CHOP_MISSING, EINVAL, "this kernel's tracing has no clock 'mono'");
	return 0;
}

int ftrace_events_make(struct ftrace_events *events, const struct point_request *request)
{
	struct points *points = request->points;
	int error = make_instance(events, request);
	size_t failed = 0;

	for (size_t i = 0; i < points->sites.length && !error; i++) {
		struct point_site *site = &points->sites.items[i];
		int one = make_one(events, request, i, false);

		progress_show("attached %zu of %zu", i, points->sites.length);
		if (!one && request->latency)
			one = make_one(events, request, i, true);
		site->error = -one;
		failed += one != 0;
	}
	progress_clear();
	if (error || failed < points->sites.length)
		return error;
	if (*err_message())
		return -points->sites.items[0].error;
	return err_sys(CHOP_MISSING, points->sites.items[0].error, "cannot attach to %s",
		       points->rows.items[0].name);
}

static int enable(struct ftrace_events *events, const char *category, const char *name)
{
	cleanup_free char *file =
		xasprintf("events/%s%s%s/enable", category, *name ? "/" : "", name);

	return ftrace_write(events, file, "1");
}

/* One by one, where all at once does not work. */
static int enable_site(struct ftrace_events *events, const struct point_request *request, size_t i)
{
	const struct point_site *site = &request->points->sites.items[i];
	char name[24];
	int error;

	if (site->kind == POINT_TRACEPOINT)
		return enable(events, site->category, site->symbol);
	if (request->latency) {
		snprintf(name, sizeof(name), "r%zu", i);
		error = enable(events, events->group, name);
		if (error)
			return error;
	}
	snprintf(name, sizeof(name), "e%zu", i);
	return enable(events, events->group, name);
}

int ftrace_events_enable(struct ftrace_events *events, const struct point_request *request)
{
	struct points *points = request->points;
	bool all = (events->made_user || events->made_kernel) && !enable(events, events->group, "");
	size_t failed = 0, first = 0;

	for (size_t i = 0; i < points->sites.length; i++) {
		struct point_site *site = &points->sites.items[i];

		if (!site->error && !(all && site->kind != POINT_TRACEPOINT))
			site->error = -enable_site(events, request, i);
		failed += site->error != 0;
		first = site->error ? i : first;
	}
	if (failed < points->sites.length)
		return 0;
	return err_sys(CHOP_MISSING, points->sites.items[first].error, "cannot attach to %s",
		       points->rows.items[points->sites.items[first].row].name);
}

/* -- removal ------------------------------------------------------------------------------------------ */

static void remove_instance(const char *instance)
{
	cleanup_free char *enable = xasprintf("%s/events/enable", instance);
	cleanup_free char *on = xasprintf("%s/tracing_on", instance);

	tracefs_write(on, "0", false);
	tracefs_write(enable, "0", false);
	rmdir(instance);
}

/* Whole groups can be removed since Linux 5.13; before that each event. */
static void remove_group(const char *root, const char *file, const char *group)
{
	cleanup_free char *path = xasprintf("%s/%s", root, file);
	cleanup_free char *all = xasprintf("-:%s/", group);
	cleanup_buf struct buf text = { 0 };
	char name[32];

	tracefs_write(path, all, true);
	if (io_read_file(path, &text)) {
		err_clear();
		return;
	}
	for (const char *at = buf_text(&text); *at;
	     at += strcspn(at, "\n") + !!at[strcspn(at, "\n")]) {
		size_t length = strlen(group);
		cleanup_free char *one = NULL;

		if (strlen(at) < length + 3 || strncmp(at + 2, group, length) ||
		    at[length + 2] != '/' || sscanf(at + length + 3, "%31s", name) != 1)
			continue;
		one = xasprintf("-:%s/%s", group, name);
		tracefs_write(path, one, true);
	}
}

void ftrace_events_remove(struct ftrace_events *events)
{
	if (events->instance)
		remove_instance(events->instance);
	if (events->made_user)
		remove_group(events->root, "uprobe_events", events->group);
	if (events->made_kernel)
		remove_group(events->root, "kprobe_events", events->group);
	free(events->instance);
	vec_release(&events->events);
	vec_release(&events->next);
	map_release(&events->by_id);
	*events = (struct ftrace_events){ 0 };
}

static bool is_dead(const char *number)
{
	pid_t pid = atoi(number);

	return pid > 0 && kill(pid, 0) && errno == ESRCH;
}

void ftrace_sweep(const char *root)
{
	cleanup_free char *instances = xasprintf("%s/instances", root);
	DIR *directory = opendir(instances);
	struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		cleanup_free char *path = NULL, *group = NULL;

		if (strncmp(entry->d_name, "chop.", 5) || !is_dead(entry->d_name + 5))
			continue;
		path = xasprintf("%s/%s", instances, entry->d_name);
		group = xasprintf("chop_%s", entry->d_name + 5);
		remove_instance(path);
		remove_group(root, "uprobe_events", group);
		remove_group(root, "kprobe_events", group);
	}
	if (directory)
		closedir(directory);
}
