/* SPDX-License-Identifier: Apache-2.0 */
/* What a user means by the name of a program or library. */
#ifndef CMD_OBJECT_H
#define CMD_OBJECT_H

/* A path, or what the shell would find in PATH under that name. Caller frees. */
char *object_find(const char *name);

#endif
