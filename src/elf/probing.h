/* SPDX-License-Identifier: Apache-2.0 */
/* What matters about a file when the kernel puts breakpoints into its code. */
#ifndef ELF_PROBING_H
#define ELF_PROBING_H

#include "elf/image.h"

/* Where a byte of a mapped segment is in the file; false when it is in none. */
bool probing_offset(const struct image *image, uint64_t address, uint64_t *offset);
/*
 * Does an instruction begin at `address`, in code that begins at `start`? A breakpoint within
 * one would change what the program does.
 */
bool probing_is_instruction(const struct image *image, uint64_t start, uint64_t address);
/*
 * Can the kernel put a breakpoint at this instruction? Uprobes look at the opcode alone: of
 * instructions with a VEX or EVEX prefix they refuse some and take others for what they are not
 * (vpbroadcastb, opcode 7a, for a conditional jump), after which the program goes wrong. Those
 * with a lock prefix they refuse.
 */
bool probing_is_safe(const struct image *image, uint64_t address);
/*
 * Written in Go: its stacks move, which a return that goes to the kernel first does not
 * survive.
 */
bool probing_is_go(const struct image *image);
/* Uses C++ exceptions: they cannot pass a function whose return goes to the kernel first. */
bool probing_throws(const struct image *image);

#endif
