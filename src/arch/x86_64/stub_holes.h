/* SPDX-License-Identifier: Apache-2.0 */
/* What goes into the holes of stub_code.S; also the events it writes (enum stub_event). */
#ifndef ARCH_X86_64_STUB_HOLES_H
#define ARCH_X86_64_STUB_HOLES_H

#define HOLE_END	  0
#define HOLE_LOCK	  1  /* 1 byte: lock prefix, or one that means nothing */
#define HOLE_COUNTER	  2  /* 4 bytes: distance to the counter */
#define HOLE_TRAP	  3  /* nothing: the breakpoint instruction is here */
#define HOLE_THREAD	  4  /* 9 bytes: load the thread pointer into rcx */
#define HOLE_TABLE	  5  /* 4 bytes: distance to the table of lanes */
#define HOLE_MASK	  6  /* 4 bytes: size of a ring, less 1 */
#define HOLE_COMMON	  7  /* 4 bytes: distance to the common code */
#define HOLE_ID		  8  /* 8 bytes: id << 48 */
#define HOLE_ID_EVENT	  9  /* 8 bytes: id << 48 | event */
#define HOLE_SHADOW_SHIFT 10 /* 1 byte: 64 - bits of a slot's address that are used */
#define HOLE_SHADOW	  11 /* 8 bytes: address of the shadow */
#define HOLE_BACK	  12 /* nothing: the called function returns to here */

#define EVENT_ENTRY 0
#define EVENT_EXIT  1
#define EVENT_TAIL  2

#endif
