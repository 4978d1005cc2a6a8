/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for stubs in a traced program (used inside src/tracee): where jumps from a text
 * can reach it and the bytes inside the jumps are traps (relocate_constrain). It is never
 * unmapped while the program lives, nor is a stub's place used again: a thread, a signal
 * frame or a return address may always lead there.
 */
#ifndef TRACEE_TRAMPOLINE_WINDOW_H
#define TRACEE_TRAMPOLINE_WINDOW_H

#include "arch/relocate.h"
#include "tracee/tracee.h"

/* At the start of a window: code and tables that are not stubs. */
#define WINDOW_RESERVED 4096
/* After its end: a page for words that stubs write, of the memory we share. */
#define WINDOW_WORDS (4096 / sizeof(uint64_t))

struct trampoline_window {
	uint64_t start, end; /* of the stubs; then come the words */
	uint64_t from, to;   /* places in [from, to) can jump to it */
	uint64_t size;	     /* of all that is mapped, from start */
	uint8_t trap;	     /* last byte of jumps that lead here */
	uint64_t cursor;     /* where to look for room next */
	uint8_t *used;	     /* a bit for each 16 bytes */
	unsigned int words;  /* given out */
	uint64_t words_at;   /* offset of the words in the shared memory */
};

struct trampoline_windows VEC_BODY(struct trampoline_window *);

/*
 * The window that places in [from, to) can jump to, made when there is none, with `extra`
 * bytes of address space (whole pages, without access) after the words. NULL with a message when
 * the program has no room for it. The thread can make calls, others stand still.
 */
struct trampoline_window *window_for(struct tracee *tracee, struct thread *thread, uint64_t from,
				     uint64_t to, uint64_t extra);
void window_free(struct trampoline_window *window);
static inline uint64_t window_words(const struct trampoline_window *window)
{
	return window->end;
}
static inline uint64_t window_extra(const struct trampoline_window *window)
{
	return window->end + 4096;
}

/*
 * Room for a stub of `size` bytes the plan's place can jump to, apart from it in the bits
 * that processors predict branches by; 0 when there is none. window_take makes it its own.
 */
uint64_t window_find(struct trampoline_window *window, const struct relocate_plan *plan,
		     size_t size);
void window_take(struct trampoline_window *window, uint64_t at, size_t size);

#endif
