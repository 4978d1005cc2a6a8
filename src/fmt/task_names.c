// SPDX-License-Identifier: Apache-2.0
#include "fmt/task_names.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

static void set(struct task_names *names, pid_t pid, char *name)
{
	*vec_push(&names->names) = name;
	map_put(&names->by_pid, (uint64_t)pid, names->names.length - 1);
}

static char *ask(pid_t pid)
{
	cleanup_free char *path = xasprintf("/proc/%d/comm", pid);
	FILE *file = fopen(path, "re");
	char name[64] = "";

	if (file && !fgets(name, sizeof(name), file))
		name[0] = '\0';
	if (file)
		fclose(file);
	name[strcspn(name, "\n")] = '\0';
	return xstrdup(name[0] ? name : "?");
}

const char *task_name(struct task_names *names, pid_t pid)
{
	uint64_t at;

	if (!map_get(&names->by_pid, (uint64_t)pid, &at)) {
		set(names, pid, ask(pid));
		at = names->names.length - 1;
	}
	return names->names.items[at];
}

/* The last part of the path execve was given, which has quotes around it. */
static char *program_of(const struct decode_call *call)
{
	for (unsigned int i = 0; i < call->arg_count; i++) {
		const char *start = buf_text(&call->text) + call->args[i].start, *slash;
		size_t length = call->args[i].end - call->args[i].start;

		if (strcmp(call->args[i].name, "path") || length < 3 || start[0] != '"')
			continue;
		start++;
		length -= 2;
		while ((slash = memchr(start, '/', length)) && slash + 1 < start + length) {
			length -= (size_t)(slash + 1 - start);
			start = slash + 1;
		}
		return xstrndup(start, length);
	}
	return NULL;
}

void task_names_step(struct task_names *names, const struct track_step *step)
{
	const struct decode_call *call = &step->thread->call;
	char *name;
	uint64_t at;

	switch (step->kind) {
	case TRACK_FORK:
		if (step->other_pid != step->thread->pid)
			set(names, step->other_pid, xstrdup(task_name(names, step->thread->pid)));
		break;
	case TRACK_EXEC:
		if (map_get(&names->by_pid, (uint64_t)step->thread->pid, &at))
			map_remove(&names->by_pid, (uint64_t)step->thread->pid);
		break;
	case TRACK_LEAVE:
		if (step->value || !call->entry || strncmp(call->entry->name, "execve", 6))
			break;
		name = program_of(call);
		if (name)
			set(names, step->thread->pid, name);
		break;
	default:
		break;
	}
}

void task_names_release(struct task_names *names)
{
	for (size_t i = 0; i < names->names.length; i++)
		free(names->names.items[i]);
	vec_release(&names->names);
	map_release(&names->by_pid);
}
