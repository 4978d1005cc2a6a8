// SPDX-License-Identifier: Apache-2.0
#include "tracee/helper.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/wait.h>

#include "base/vec.h"

struct helper {
	pid_t pid;
	bool ended;
	int status;
};

/* Of the process, as children are. */
static VEC(struct helper) helpers;

void helper_add(pid_t pid)
{
	*vec_push(&helpers) = (struct helper){ .pid = pid };
}

void helper_note(pid_t pid, int status)
{
	for (size_t i = 0; i < helpers.length; i++) {
		struct helper *helper = &helpers.items[i];

		if (helper->ended || helper->pid != pid ||
		    (!WIFEXITED(status) && !WIFSIGNALED(status)))
			continue;
		helper->ended = true;
		helper->status = status;
	}
}

int helper_wait(pid_t pid, int *status)
{
	struct helper found = { .pid = pid };

	for (size_t i = helpers.length; i-- > 0;) {
		if (helpers.items[i].pid != pid)
			continue;
		found = helpers.items[i];
		vec_remove(&helpers, i);
	}
	if (!helpers.length)
		vec_release(&helpers);
	*status = found.status;
	while (!found.ended && waitpid(pid, status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}
