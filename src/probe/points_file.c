// SPDX-License-Identifier: Apache-2.0
/* Which file is meant. */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <chop/arch.h>

#include "arch/arch.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/program.h"
#include "elf/needed.h"
#include "probe/points.h"

const char *point_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* "libc" and "libc.so.6" are the same library; so is "libc.so". */
static bool is_library(const char *file, const char *name)
{
	size_t length = strlen(name);

	if (strncmp(file, name, length))
		return false;
	return !file[length] || !strncmp(file + length, ".so", 3) ||
	       (file[length] == '.' && strstr(name, ".so")) ||
	       (file[length] == '-' && strstr(file, ".so"));
}

static char *among_needed(const char *program, const char *name)
{
	cleanup_needed struct needed needed = { 0 };
	cleanup_image struct image image = { 0 };

	if (image_open(program, &image)) {
		err_clear();
		return NULL;
	}
	needed_find(&image, arch_library_levels(), &needed);
	for (size_t i = 0; i < needed.modules.length; i++) {
		const struct needed_module *module = &needed.modules.items[i];

		if (module->path &&
		    (is_library(module->name, name) || is_library(point_base(module->path), name)))
			return xstrdup(module->path);
	}
	return NULL;
}

static char *among_mappings(pid_t pid, const char *name)
{
	cleanup_free char *maps = xasprintf("/proc/%d/maps", pid);
	cleanup_free char *line = NULL;
	FILE *file = fopen(maps, "re");
	char *found = NULL;
	size_t room = 0;

	while (file && !found && getline(&line, &room, file) > 0) {
		char *path = strchr(line, '/');

		if (!path)
			continue;
		path[strcspn(path, "\n")] = '\0';
		if (is_library(point_base(path), name) || !strcmp(point_base(path), name))
			found = xstrdup(path);
	}
	if (file)
		fclose(file);
	return found;
}

static char *in_directories(const char *name)
{
	static const char *const directories[] = { CHOP_LD_DIRECTORIES };
	char *found = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(directories) && !found; i++) {
		cleanup_free char *exact = xasprintf("%s/%s", directories[i], name);
		cleanup_free char *pattern = xasprintf("%s/%s.so*", directories[i], name);
		glob_t list;

		if (!access(exact, R_OK))
			return xstrdup(exact);
		/* Without a dot a name would also be that of a linker script, like libc.so. */
		if (glob(pattern, 0, NULL, &list))
			continue;
		for (size_t k = list.gl_pathc; k-- > 0 && !found;) {
			struct image image;

			if (!image_open(list.gl_pathv[k], &image)) {
				found = xstrdup(list.gl_pathv[k]);
				image_close(&image);
			}
			err_clear();
		}
		globfree(&list);
	}
	return found;
}

static char *own_file(const struct points_options *options)
{
	if (options->command)
		return xstrdup(options->command);
	if (options->pid)
		return xasprintf("/proc/%d/exe", options->pid);
	err_set(CHOP_USAGE, EINVAL,
		"a probe point without FILE is one of the command, but there is none");
	return NULL;
}

char *point_file(const char *name, const struct points_options *options)
{
	char *found = NULL;

	if (!*name)
		return own_file(options);
	if (strchr(name, '/')) {
		if (!access(name, F_OK))
			return xstrdup(name);
		err_sys(CHOP_USAGE, errno, "cannot read %s", name);
		return NULL;
	}
	if (options->command && !strcmp(name, point_base(options->command)))
		return xstrdup(options->command);
	if (options->pid)
		found = among_mappings(options->pid, name);
	if (!found && options->command)
		found = among_needed(options->command, name);
	if (!found)
		found = in_directories(name);
	if (!found && strncmp(name, "lib", 3))
		found = program_find(name);
	if (found)
		return found;
	err_clear();
	err_set(CHOP_USAGE, ENOENT,
		"no program or library '%s'; give its path, or the name of a library (libc)", name);
	return NULL;
}
