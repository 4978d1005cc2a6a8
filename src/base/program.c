// SPDX-License-Identifier: Apache-2.0
#include "base/program.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"

static int runnable(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? EISDIR : EACCES;
	return access(path, X_OK) ? errno : 0;
}

static char *find(const char *name, int *error)
{
	const char *path = getenv("PATH");
	bool denied = false;

	if (strchr(name, '/')) {
		*error = runnable(name);
		return *error ? NULL : xstrdup(name);
	}
	if (!path)
		path = "/usr/local/bin:/usr/bin:/bin";
	while (*path && *name) {
		size_t length = strcspn(path, ":");
		/* An empty one is the current directory. */
		char *file = length ? xasprintf("%.*s/%s", (int)length, path, name)
				    : xasprintf("./%s", name);

		*error = runnable(file);
		if (!*error)
			return file;
		denied = denied || *error == EACCES;
		free(file);
		path += length + (path[length] == ':');
	}
	*error = denied ? EACCES : ENOENT;
	return NULL;
}

char *program_find(const char *name)
{
	int error;
	char *path = find(name, &error);

	if (!path)
		program_failed(name, error);
	return path;
}

static int not_found(const char *name)
{
	cleanup_free char *here = xasprintf("./%s", name);

	if (!*name)
		return err_set(CHOP_NOT_FOUND, ENOENT, "cannot run '': the name is empty");
	if (strchr(name, '/') && !access(name, F_OK))
		return err_set(CHOP_NOT_FOUND, ENOENT,
			       "cannot run %s: the interpreter it names does not exist", name);
	if (strchr(name, '/'))
		return err_sys(CHOP_NOT_FOUND, ENOENT, "cannot run %s", name);
	if (!runnable(here))
		return err_set(CHOP_NOT_FOUND, ENOENT,
			       "cannot run %s: no such command in PATH; the file here is %s", name,
			       here);
	return err_set(CHOP_NOT_FOUND, ENOENT, "cannot run %s: no such command in PATH", name);
}

int program_failed(const char *name, int error)
{
	if (error == ENOENT)
		return not_found(name);
	if (error == ENOEXEC)
		return err_set(CHOP_CANNOT_RUN, error,
			       "cannot run %s: it is no program for this machine", name);
	if (error == EACCES && io_is_directory(name))
		error = EISDIR;
	return err_sys(error == ENOTDIR ? CHOP_NOT_FOUND : CHOP_CANNOT_RUN, error, "cannot run %s",
		       name);
}
