/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of chop mrc. */
#ifndef CMD_MRC_H
#define CMD_MRC_H

#include "base/buf.h"
#include "store/references.h"

/* "64 MB"; text has room for 32 bytes and is returned. */
const char *mrc_size(uint64_t bytes, char *text);
/* What the trace is, and from where on its curves are right. */
void mrc_show_summary(const struct references *references, const char *path);
void mrc_show_slices(const struct references *references);
/* The same as comma-separated values. */
void mrc_csv_slices(const struct references *references, struct buf *out);
void mrc_show_working_set(const struct references *references);
/* Write a reduced trace ("sad" or "olr"). 0 or -errno with a message. */
int mrc_reduce(const struct references *references, const char *how, uint64_t keep,
	       const char *output);
/* A file that appears when complete, or "-" for stdout. 0 or -errno with a message. */
int mrc_write_file(const char *path, const struct buf *text);

#endif
