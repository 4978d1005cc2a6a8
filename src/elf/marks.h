/* SPDX-License-Identifier: Apache-2.0 */
/* Begin and end addresses of a function: its entry and where control leaves it. */
#ifndef ELF_MARKS_H
#define ELF_MARKS_H

#include "elf/image.h"

struct marks_part {
	uint64_t start, end;
};

struct marks {
	uint64_t begin;
	struct u64vec ends; /* addresses of return instructions, ascending */
	/*
	 * Jumps that leave the function, and the start of the next function where the code runs
	 * into it; ascending.
	 */
	struct u64vec tail_calls;
	/*
	 * Conditional jumps to another function, ascending. They cannot serve as ends: the
	 * region would also end where they are not taken.
	 */
	struct u64vec conditional_tail_calls;
	struct u64vec table_jumps; /* jumps through tables that stay in the function, ascending */
	/* The function's code: the range of its symbol first, then cold parts. */
	struct marks_part_vec VEC_BODY(struct marks_part) parts;
};

/*
 * Decode the function (Zydis). 0, or -errno with a message recorded. A function that never
 * returns gives no ends and no tail calls.
 *
 * Jumps through a register or memory count as tail calls unless they look like a jump
 * table: the stack is not as at entry, or the target is computed from a table.
 */
int marks_find(const struct image *image, const struct symbol *function, struct marks *marks);
/* The same for a range of code that has no symbol; `name` is for messages. */
int marks_find_range(const struct image *image, uint64_t start, uint64_t end, const char *name,
		     struct marks *marks);
void marks_release(struct marks *marks);
#define cleanup_marks __attribute__((cleanup(marks_release)))

#endif
