// SPDX-License-Identifier: Apache-2.0
#include "cmd/trace_dir.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"

/*
 * Where launchers tell a process its rank: Open MPI; MPICH, Intel MPI and other users of
 * Hydra; MVAPICH2; PMIx; Slurm's srun; a Slurm job array without srun. The first that is set.
 */
static const char *const rank_variables[] = {
	"OMPI_COMM_WORLD_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID",
	"SLURM_ARRAY_TASK_ID",
};

static const char *rank(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rank_variables); i++) {
		const char *value = getenv(rank_variables[i]);

		if (value && isdigit((unsigned char)*value) && !strchr(value, '/'))
			return value;
	}
	return NULL;
}

static int add_rank(struct buf *name)
{
	const char *value = rank();

	if (!value)
		return err_set(CHOP_USAGE, EINVAL,
			       "-trace-dir has %%r, but the environment tells no rank (Open MPI, "
			       "MPICH, MVAPICH, PMIx or Slurm would); %%p is the process id");
	buf_add_text(name, value);
	return 0;
}

static int add_host(struct buf *name)
{
	char host[256] = "";

	if (gethostname(host, sizeof(host) - 1))
		return err_sys(CHOP_MISSING, errno, "cannot tell this host's name");
	buf_add_text(name, host);
	return 0;
}

static int add_field(struct buf *name, char letter, pid_t pid)
{
	switch (letter) {
	case 'p':
		buf_printf(name, "%d", pid);
		return 0;
	case 'h':
		return add_host(name);
	case 'r':
		return add_rank(name);
	case '%':
		buf_add_char(name, '%');
		return 0;
	default:
		return err_set(CHOP_USAGE, EINVAL,
			       "-trace-dir: there is %%p (process id), %%h (host), %%r (rank) and "
			       "%%%% for a %%, nothing else");
	}
}

char *trace_dir_name(const char *pattern, pid_t pid)
{
	struct buf name = { 0 };

	for (const char *at = pattern; *at; at++) {
		if (*at != '%')
			buf_add_char(&name, *at);
		else if (add_field(&name, *++at, pid)) {
			buf_release(&name);
			return NULL;
		}
	}
	return buf_detach(&name);
}
