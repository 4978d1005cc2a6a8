/* SPDX-License-Identifier: Apache-2.0 */
/* In a namespace of processes of its own (a container) a thread has other numbers than for us. */
#ifndef TRACEE_INNER_ID_H
#define TRACEE_INNER_ID_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What a thread and its process are called where they live; false when that cannot be told. */
bool inner_ids(pid_t tid, pid_t *inner_pid, pid_t *inner_tid);
/* Which namespace a process lives in, by its inode; 0: ours, or it cannot be told. */
uint32_t inner_namespace(pid_t pid);
/* Our number of the process that is called `inner` in a namespace; -1 when there is none. */
pid_t inner_find(uint32_t space, pid_t inner);

#endif
