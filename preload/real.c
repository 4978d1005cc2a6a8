// SPDX-License-Identifier: Apache-2.0
#include "interpose.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

void *real_function(const char *name)
{
	static const char text[] = "libchop-interpose.so: the C library lacks a function\n";
	void *found = dlsym(RTLD_NEXT, name);

	if (!found) {
		if (syscall(1 /* write */, 2, text, sizeof(text) - 1) < 0)
			abort();
		abort();
	}
	return found;
}
