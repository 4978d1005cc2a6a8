// SPDX-License-Identifier: Apache-2.0
#include "probe/kernel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arch/calls.h"
#include "arch/probe_regs.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/opt.h"

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_code(char kind)
{
	return strchr("tTwW", kind) != NULL;
}

static void sort(struct kernel_names *names)
{
	size_t kept = 0;

	vec_sort(&names->names, compare);
	for (size_t i = 0; i < names->names.length; i++) {
		if (kept && !strcmp(names->names.items[kept - 1], names->names.items[i]))
			free(names->names.items[i]);
		else
			names->names.items[kept++] = names->names.items[i];
	}
	names->names.length = kept;
}

int kernel_names_read(struct kernel_names *names)
{
	FILE *file = fopen("/proc/kallsyms", "re");
	cleanup_free char *line = NULL;
	size_t room = 0;

	if (!file)
		return err_sys(CHOP_MISSING, errno,
			       "cannot read the kernel's functions in /proc/kallsyms");
	/* ADDRESS KIND NAME [MODULE]; addresses may be hidden from us, names are not. */
	while (getline(&line, &room, file) > 0) {
		char *kind = strchr(line, ' '), *name = kind ? strchr(kind + 1, ' ') : NULL;

		if (!name || !is_code(kind[1]))
			continue;
		name++;
		*vec_push(&names->names) = xstrndup(name, strcspn(name, " \t\n"));
	}
	fclose(file);
	sort(names);
	if (names->names.length)
		return 0;
	return err_set(CHOP_MISSING, ENOENT,
		       "this kernel does not tell its functions; it needs CONFIG_KALLSYMS");
}

void kernel_names_release(struct kernel_names *names)
{
	for (size_t i = 0; i < names->names.length; i++)
		free(names->names.items[i]);
	vec_release(&names->names);
}

static const char *find(const struct kernel_names *names, const char *name)
{
	char *const *found = names->names.length
				     ? bsearch(&name, names->names.items, names->names.length,
					       sizeof(char *), compare)
				     : NULL;

	return found ? *found : NULL;
}

bool kernel_names_has(const struct kernel_names *names, const char *name)
{
	return find(names, name) != NULL;
}

const char *kernel_call_symbol(const struct kernel_names *names, const char *call)
{
	/* An older call may go by the name people use: sys_fstat is not what fstat does today. */
	const char *const forms[] = { call_kernel_name(call), call };

	for (size_t form = 0; form < ARRAY_SIZE(forms); form++) {
		for (size_t i = 0; i < arch_probe_call_symbol_count; i++) {
			const char *pattern = arch_probe_call_symbols[i];
			const char *hole = strstr(pattern, "%s");
			cleanup_free char *symbol = xasprintf("%.*s%s%s", (int)(hole - pattern),
							      pattern, forms[form], hole + 2);
			const char *found = find(names, symbol);

			if (found)
				return found;
		}
	}
	return NULL;
}

size_t kernel_names_suggest(const struct kernel_names *names, const char *wrong, const char **found,
			    size_t max)
{
	size_t length = strlen(wrong), count = 0;
	unsigned int limit = length <= 4 ? 1 : length <= 8 ? 2 : 3;
	const char *call = kernel_call_symbol(names, wrong);

	if (call && count < max)
		found[count++] = call;
	for (unsigned int distance = 1; distance <= limit; distance++) {
		for (size_t i = 0; i < names->names.length && count < max; i++) {
			const char *name = names->names.items[i];
			size_t other = strlen(name);

			if (other <= length + limit && length <= other + limit &&
			    opt_distance(wrong, name) == distance)
				found[count++] = name;
		}
	}
	return count;
}

int kernel_probes_require(void)
{
	if (!access("/sys/bus/event_source/devices/kprobe", F_OK) ||
	    !access("/sys/kernel/tracing/kprobe_events", F_OK))
		return 0;
	return err_set(CHOP_MISSING, ENOSYS,
		       "this kernel has no kprobes: it was built without CONFIG_KPROBES and "
		       "CONFIG_KPROBE_EVENTS; boot one that has them, or use tracepoints (chop "
		       "probe -l t:)");
}
