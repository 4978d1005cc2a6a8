/* SPDX-License-Identifier: Apache-2.0 */
/* Text traces of other programs (used by references.c; tested alone). */
#ifndef STORE_REFERENCES_TEXT_H
#define STORE_REFERENCES_TEXT_H

#include "store/references.h"

/* One line's reference. */
struct references_line {
	uint64_t address; /* byte, or page number for REFERENCES_NUMBERS */
	uint64_t size;	  /* bytes */
	bool fetch;
};

/* What the first line with a reference is like; REFERENCES_FORMATS when it is like none. */
enum references_format references_guess(const char *line);
/* Parse a line: 1, 0 when it holds no reference (a comment, "one", "End"), -1 when bad. */
int references_parse(enum references_format format, const char *line, struct references_line *out);

/* Read a file or, for "-", standard input. 0 or -errno with a message. */
int references_read_text(struct references *references, const char *path,
			 const struct references_options *options);

#endif
