/* SPDX-License-Identifier: Apache-2.0 */
/* A descriptor of ours for the traced program, which could not open the file itself. */
#ifndef TRACEE_GIVE_H
#define TRACEE_GIVE_H

#include "tracee/tracee.h"

/* Send a descriptor through a socket (AF_UNIX). 0 or -errno without a message. */
int give_send(int socket, int fd);
/*
 * `thread` is at a stop where it can make calls. *theirs is the descriptor in the program, close
 * on exec; close it there by an injected call. 0 or -errno.
 */
int give_descriptor(struct tracee *tracee, struct thread *thread, int fd, int *theirs);

#endif
