/* SPDX-License-Identifier: Apache-2.0 */
/* Which capture of a trace directory a command means. */
#ifndef CMD_PICK_H
#define CMD_PICK_H

#include "store/tracedir.h"

/*
 * The capture that `text` (of --capture) names, or the only one there is when text is
 * NULL. 0, or -errno with a message that lists what there is.
 */
int pick_capture(const struct tracedir_index *index, const char *text, unsigned int *id);

#endif
