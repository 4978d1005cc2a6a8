/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that the kernel tells of a process, line by line. */
#ifndef PROC_NUMBER_H
#define PROC_NUMBER_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number behind `key` in the last line that begins with it; 0: there is none. */
static inline uint64_t proc_number(const char *file, const char *key)
{
	FILE *in = fopen(file, "r");
	uint64_t value = 0;
	char line[256];

	while (fgets(line, sizeof(line), in))
		if (!strncmp(line, key, strlen(key)))
			value = strtoull(line + strlen(key), NULL, 10);
	fclose(in);
	return value;
}

#endif
