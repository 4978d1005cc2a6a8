/* SPDX-License-Identifier: Apache-2.0 */
/* The function a command spends most of its time in. */
#ifndef CMD_HOTTEST_H
#define CMD_HOTTEST_H

#include <stdint.h>

struct hottest {
	char *function, *module; /* symbol, and path of its program or library; owned */
	uint64_t address;	 /* in the file, when there is no symbol; else 0 */
};

/* Run a command to its end, without its standard output. 0, or -errno with a message. */
int hottest_find(char *const *argv, struct hottest *found);
void hottest_release(struct hottest *found);

#endif
