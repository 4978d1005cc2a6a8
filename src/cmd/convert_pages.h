/* SPDX-License-Identifier: Apache-2.0 */
/* chop convert for page traces. */
#ifndef CMD_CONVERT_PAGES_H
#define CMD_CONVERT_PAGES_H

#include <stdbool.h>

/* Whether the file is a page trace; false when it cannot be read. */
bool convert_is_pages(const char *path);
/* Write it in another format ("" or "-": stdout). 0 or -errno with a message. */
int convert_pages(const char *path, const char *format, const char *output);
void convert_list_pages(void);

#endif
