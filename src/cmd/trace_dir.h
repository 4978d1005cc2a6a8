/* SPDX-License-Identifier: Apache-2.0 */
/* Names of trace directories that differ between the processes of a job. */
#ifndef CMD_TRACE_DIR_H
#define CMD_TRACE_DIR_H

#include <sys/types.h>

/*
 * The name with %p replaced by the process id, %h by the host's name, %r by the rank that
 * an MPI launcher or Slurm has put into the environment, and %% by %. The caller frees;
 * NULL with a message recorded.
 */
char *trace_dir_name(const char *pattern, pid_t pid);

#endif
