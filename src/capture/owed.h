/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel writes on behalf of a thread that ends: robust mutexes it held, the
 * word a joiner waits on. At that time the kernel does not wait for missing pages, it
 * gives up the write; so these pages must be there.
 */
#ifndef CAPTURE_OWED_H
#define CAPTURE_OWED_H

#include "capture/backend.h"

/* Pages owed by all threads that hold robust mutexes, as seen before arming. */
void owed_find(const struct tracee *tracee, struct u64vec *addresses);
/* Those of one thread that ends now, while armed. */
void owed_by(const struct tracee *tracee, struct backend *backend, const struct thread *thread);

#endif
