// SPDX-License-Identifier: Apache-2.0
#include "cmd/object.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

char *object_find(const char *name)
{
	const char *path = getenv("PATH");

	if (strchr(name, '/') || !access(name, F_OK))
		return xstrdup(name);
	while (path && *path) {
		size_t length = strcspn(path, ":");
		char *file = xasprintf("%.*s/%s", (int)length, path, name);

		if (!access(file, X_OK))
			return file;
		free(file);
		path += length + (path[length] != '\0');
	}
	return xstrdup(name);
}
