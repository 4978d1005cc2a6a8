/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Call-frame information of an image (.eh_frame and its search table .eh_frame_hdr): where
 * functions without a symbol begin and end, and where the stack is as it was at entry.
 * Formats: Linux Standard Base Core 5.0, 10.6 "Exception Frames"; libdw for the rows.
 */
#ifndef ELF_CFI_H
#define ELF_CFI_H

#include "elf/image_file.h"

/*
 * The frame information of an image, read when first asked for and released with it. Never
 * NULL; an image without any answers "not known".
 */
const struct cfi *cfi_of(const struct image *image);
void cfi_close(struct cfi *cfi);

/* The range of code, in one piece, that an entry describes around an address. */
bool cfi_range(const struct cfi *cfi, uint64_t address, struct image_range *range);

enum cfi_stack {
	CFI_UNKNOWN,
	CFI_AT_ENTRY, /* the stack pointer is where it was at the function's entry */
	CFI_IN_FRAME, /* it is not, or another register is used to find the frame */
};
/* The state of the stack before the instruction at an address. */
enum cfi_stack cfi_stack_at(const struct cfi *cfi, uint64_t address);

#endif
