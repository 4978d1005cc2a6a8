/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Direct I/O: a device writes into pages whatever the page table says. UFFDIO_MOVE refuses such
 * pages; where the pager has to copy (Linux before 6.8) nobody can tell them, and what
 * arrives after the copy would be lost. So programs that begin with it are let go.
 */
#ifndef PAGES_DIRECT_H
#define PAGES_DIRECT_H

#include "pages/tracer.h"

/* Does the call the task has made give it a file for direct I/O, or a ring with pinned pages? */
bool direct_call(const struct task *task);
/* Has the process such a file open? */
bool direct_files(pid_t pid);

#endif
