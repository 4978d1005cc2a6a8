/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a patched place jumps to: code that counts or takes the time and goes on with the
 * copy of the displaced instructions. It changes no register, no flag and nothing on the
 * stack that the program may look at. Implemented in src/arch/ARCH/stub.c and stub_code.S.
 *
 * Functions write code for an address; none returns an error but 0 for "out of reach".
 */
#ifndef ARCH_STUB_H
#define ARCH_STUB_H

#include "arch/relocate.h"

/* Most bytes of a stub, the copy included. */
#define STUB_MAX 640

/* Where things are in a stub that was written. */
struct stub {
	uint64_t at, size;
	uint64_t copy;			/* of the displaced instructions */
	uint64_t places[RELOCATE_JUMP]; /* copy of each of them */
	uint64_t trap;			/* counting: the breakpoint instruction */
	uint64_t lock;			/* counting: the byte that stub_lock is for */
	uint64_t back;			/* stub_function: where the function returns to */
};

/* -- counting ---------------------------------------------------------------------------- */

/*
 * Subtract 1 from the 64-bit word at `counter`; when that makes it 0, run into a breakpoint
 * with every register as at the place. `entry`: the place is a function's first instruction,
 * so nothing lies below the stack pointer; elsewhere the red zone is left alone.
 *
 * The subtraction is not atomic at first (0.5 ns instead of 5, exact for one thread and its
 * signal handlers); before a second thread runs, write stub_lock to the byte at `lock`.
 */
size_t stub_count(const struct relocate_plan *plan, uint64_t at, uint64_t counter, bool entry,
		  uint8_t out[STUB_MAX], struct stub *stub);
extern const uint8_t stub_lock[1], stub_no_lock[1];

/* -- taking the time ---------------------------------------------------------------------- */

/*
 * Events go to lanes, one for each thread: a ring of 16-byte units in memory that the
 * tracer reads while the program runs. A thread finds its lane by its thread pointer in a
 * hash table. Where there is no lane, or no room in it, the thread runs into the breakpoint
 * of the common code (stub_common) and tries again when it goes on.
 */
struct stub_lane {
	uint64_t head; /* bytes claimed since the beginning; written by the thread only */
	uint64_t unused[7];
	uint64_t limit; /* head must be below this to claim; written by the tracer */
};
#define STUB_LANE_HEADER 4096 /* from struct stub_lane to the ring */
#define STUB_LANE_SLACK	 4096 /* room past the ring's end, and below the limit for handlers */

/* A place in the table is hashed from bits 12 to 23 of the key; then the following ones. */
struct stub_slot {
	uint64_t key; /* thread pointer; 0 ends a search, STUB_SLOT_GONE does not */
	uint64_t lane;
};
#define STUB_SLOTS     4096
#define STUB_SLOTS_END 64 /* more of them after the last, so that searches need not wrap */
#define STUB_SLOT_GONE 1
static inline unsigned int stub_hash(uint64_t key)
{
	return key >> 12 & (STUB_SLOTS - 1);
}

/*
 * The units of an event. A time of 0 means not written yet: the reader puts it back to 0.
 * An entry and a pause are two units long: the second has an address or a time, and 0.
 * An event's units are one after the other even where the first is the ring's last.
 */
struct stub_unit {
	uint64_t time; /* time stamp counter */
	uint64_t what; /* of the first unit: id << 48 | stack pointer | enum stub_event */
};
enum stub_event {
	STUB_ENTRY, /* of a function; the stack pointer is where the return address is */
	STUB_EXIT,  /* the stack pointer as at its entry */
	STUB_TAIL,  /* entry by a jump from a function that is timed: both have the next exit */
	STUB_POINT, /* a place was reached */
	STUB_PAUSE, /* the tracer held the thread until `time`; from when is in the next unit */
	/* By the tracer: what follows is a vfork child's, until STUB_BACK. */
	STUB_LENT,
	STUB_BACK,
};
#define STUB_EVENT(what) ((enum stub_event)((what)&7))
#define STUB_STACK(what) ((what)&0xfffffffffff8ULL)
#define STUB_ID(what)	 ((unsigned int)((what) >> 48))
#define STUB_ID_MAX	 65535

struct stub_clock {
	uint64_t table;	 /* struct stub_slot [STUB_SLOTS + STUB_SLOTS_END] */
	uint64_t common; /* stub_common's address */
	uint64_t shadow; /* where return addresses are kept: see stub_shadow */
	uint32_t ring;	 /* bytes of a ring, a power of two */
	unsigned int shadow_bits;
	bool thread_pointer_in_memory; /* it can be read where it points: glibc, musl */
};

/*
 * The code stubs have in common; trap: its breakpoint. There the register stub_set_unit
 * sets tells where the thread is to store the time it goes on, stub_paused when it came.
 */
#define STUB_COMMON_MAX 64
size_t stub_common(uint8_t out[STUB_COMMON_MAX], uint64_t *trap_offset);
struct chop_regs;
uint64_t stub_paused(const struct chop_regs *regs);
void stub_set_unit(struct chop_regs *regs, uint64_t unit);
/* The thread pointer of a thread, by which it finds its lane. */
uint64_t stub_key(const struct chop_regs *regs);

/* An event when the place is reached. */
size_t stub_point(const struct relocate_plan *plan, uint64_t at, const struct stub_clock *clock,
		  unsigned int id, enum stub_event event, bool entry, uint8_t out[STUB_MAX],
		  struct stub *stub);
/*
 * A function's entry, with its return address, and its exit, however it leaves by returning.
 * The stub calls the function, so the return address on the stack is one of the stub, the
 * real one is kept at stub_shadow. Whatever unwinds stacks needs stub_unwind.
 */
size_t stub_function(const struct relocate_plan *plan, uint64_t at, const struct stub_clock *clock,
		     unsigned int id, uint8_t out[STUB_MAX], struct stub *stub);

/* Where the return address that belongs into a stack slot is kept. */
uint64_t stub_shadow(const struct stub_clock *clock, uint64_t slot);
/*
 * Frame information (.eh_frame: a CIE, an FDE and the end) for all stubs in [start, end).
 */
#define STUB_UNWIND_MAX 128
size_t stub_unwind(const struct stub_clock *clock, uint64_t start, uint64_t end,
		   uint8_t out[STUB_UNWIND_MAX]);

/*
 * What the stub of stub_function adds, in ticks of the time stamp counter, measured in
 * this process: `inside` to the time between its two events, `pair` to the time of
 * whatever calls the function. Both 0 where memory cannot be made executable.
 */
struct stub_cost {
	double inside, pair;
};
void stub_measure(struct stub_cost *cost);

/* -- clock -------------------------------------------------------------------------------- */

/* The time stamp counter now. */
uint64_t stub_time(void);
/* It runs at the same speed always and on all processors: NULL, or why it cannot be used. */
const char *stub_clock_unusable(void);

#endif
