/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Other people's uprobes. The kernel puts their breakpoints into the pages of a file's private
 * mappings and knows them by those mappings; in the pager's copies of the pages they would
 * only kill the program.
 */
#ifndef PAGES_UPROBE_H
#define PAGES_UPROBE_H

#include "pages/space.h"

/*
 * A task is about to get SIGTRAP. If what it ran into is a breakpoint that the file does not
 * have, take it out of all copies, set the task back, and return true: no signal then.
 */
bool uprobe_heal(struct space *space, const struct task *task);

#endif
