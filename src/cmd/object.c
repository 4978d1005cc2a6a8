// SPDX-License-Identifier: Apache-2.0
#include "cmd/object.h"

#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/program.h"

char *object_find(const char *name)
{
	char *path = access(name, F_OK) ? program_find(name) : NULL;

	err_clear();
	return path ? path : xstrdup(name);
}
