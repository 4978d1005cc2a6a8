/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What the BPF programs of `chop syscalls` and `chop probe` and the tool say to each other.
 * Records go through a ring buffer; each starts with struct chop_live_head and is followed by
 * pieces of memory. All numbers are in the machine's byte order: both sides run on it.
 */
#ifndef CHOP_EVENT_H
#define CHOP_EVENT_H

#ifdef __bpf__
typedef __u8 chop_u8;
typedef __u16 chop_u16;
typedef __u32 chop_u32;
typedef __u64 chop_u64;
#else
#include <stdint.h>
typedef uint8_t chop_u8;
typedef uint16_t chop_u16;
typedef uint32_t chop_u32;
typedef uint64_t chop_u64;
#endif

enum chop_live_kind {
	CHOP_LIVE_ENTER = 1, /* arguments, pieces */
	CHOP_LIVE_EXIT,	     /* result, pieces */
	CHOP_LIVE_CALL,	     /* a call whose entry was not seen: arguments, result, pieces */
	CHOP_LIVE_SUMMARY,   /* one whole call in brief: times only */
	CHOP_LIVE_SIGNAL,    /* delivered to this thread */
	CHOP_LIVE_IGNORED,   /* a signal sent to this thread, which ignores it */
	CHOP_LIVE_FORK,	     /* this thread made another */
	CHOP_LIVE_EXEC,	     /* this process runs another program now */
	CHOP_LIVE_TASK_EXIT, /* this thread ended */
	CHOP_LIVE_STOPPED,   /* by a signal */
	CHOP_LIVE_PROBE,     /* a probe point was hit */
};

struct chop_live_head {
	chop_u64 time; /* CLOCK_MONOTONIC, ns */
	chop_u32 tid, pid;
	chop_u16 kind;	 /* enum chop_live_kind */
	chop_u16 flags;	 /* CHOP_EVENT_ flags */
	chop_u32 number; /* system call, signal, probe */
};
#define CHOP_LIVE_CUT	1 /* pieces are missing: there was no room */
#define CHOP_LIVE_AGAIN 2 /* pieces could not be read; tried again at the exit */
#define CHOP_EVENT_32	4 /* a 32-bit call: its number means another one */

/*
 * An exit without memory to tell of ends after `result`, or after the first of `args`: in an exit
 * that is the time on the processor, if it was asked for.
 */
struct chop_live_call {
	struct chop_live_head head;
	chop_u64 result;
	chop_u64 args[6];
};

struct chop_live_summary {
	struct chop_live_head head;
	chop_u64 wall, cpu; /* ns */
	chop_u64 result;
};

#define CHOP_SIGINFO_SIZE 48 /* all of siginfo_t that is ever filled in */
struct chop_live_signal {
	struct chop_live_head head;
	chop_u64 handler; /* 0 default, 1 ignore */
	chop_u8 info[CHOP_SIGINFO_SIZE];
};

struct chop_live_task {
	struct chop_live_head head;
	chop_u32 other, other_pid; /* fork: the new thread; exec: the thread id it had before */
	chop_u32 status;	   /* exit: as wait gives it */
	chop_u32 group_dead;	   /* exit: the last thread of its process */
				   /*
	 * exec: at the place of a struct chop_live_call's end pieces follow: the path, at the
	 * address execve was given; then the new program's arguments and environment, each text with its NUL.
	 */
};
/* Which piece of an execve's is which: chop_piece.fetch. */
enum chop_exec_piece { CHOP_EXEC_PATH, CHOP_EXEC_ARGUMENTS, CHOP_EXEC_ENVIRONMENT };

/* -- a thread that is watched; the map of them is filled by both sides ---------------------- */

struct chop_task {
	chop_u32 flags, number;
	chop_u32 again, pad;	/* fetches of the entry that failed, a bit each */
	chop_u64 entered;	/* when the call was entered */
	chop_u64 off_cpu, left; /* in the call: time not running; when it left the processor */
	chop_u64 path;		/* execve: where its path was */
	chop_u32 fatal, pad2;	/* the signal that kills it, and what is known of it: */
	chop_u8 fatal_info[CHOP_SIGINFO_SIZE];
};
#define CHOP_TASK_WAIT_EXEC 1 /* ours until it runs the command: nothing to tell yet */
#define CHOP_TASK_IN_CALL   2 /* between entry and exit of a call that was told */
#define CHOP_TASK_NEW	    4 /* has not come back from the call that made it */

/* A piece of memory as it was at the event; `size` bytes follow, padded to 8. */
enum chop_piece_kind {
	CHOP_PIECE_MEMORY,
	CHOP_PIECE_PATH,
	CHOP_PIECE_STACK,     /* memory from the stack pointer on */
	CHOP_PIECE_REGISTERS, /* CHOP_REGISTERS_SIZE bytes: struct pt_regs */
};
struct chop_piece {
	chop_u64 address; /* or the descriptor */
	chop_u32 size;
	chop_u8 kind;
	chop_u8 fetch; /* index of the fetch that made it */
	chop_u16 pad;
};

/* What CHOP_PIECE_PATH holds. The path is not NUL-terminated. */
struct chop_piece_path {
	chop_u64 inode;
	chop_u32 magic; /* of the file system */
	chop_u32 flags;
	char path[];
};
#define CHOP_PATH_UNLINKED 1
#define CHOP_PATH_CUT	   2 /* more components than could be followed */

/* -- what to fetch ------------------------------------------------------------------------ */

enum chop_fetch_what {
	CHOP_FETCH_TEXT = 1, /* bytes up to a NUL, at most `max` */
	CHOP_FETCH_BYTES,    /* count * element bytes, at most `max` */
	CHOP_FETCH_STRINGS,  /* a vector of pointers to text: the pointers, and the first texts */
	CHOP_FETCH_POINTED,  /* what a pointer in each element of an earlier fetch points to */
	CHOP_FETCH_FD,	     /* the path of a descriptor */
	CHOP_FETCH_FDS,	     /* the paths of descriptors that are elements of an earlier fetch */
	CHOP_FETCH_BITS,     /* the same, of those whose bit is set in an earlier fetch */
};
enum chop_fetch_count {
	CHOP_COUNT_ONE,	    /* element bytes */
	CHOP_COUNT_ARG,	    /* argument `count` times element */
	CHOP_COUNT_RESULT,  /* result times element */
	CHOP_COUNT_POINTED, /* the 32-bit number argument `count` points to, times element */
	CHOP_COUNT_BITS,    /* argument `count` bits, in 64-bit words */
	CHOP_COUNT_PAGES,   /* one byte for each page of argument `count` bytes */
};
#define CHOP_FETCH_RESULT 6 /* as `arg`: the result instead of an argument */

struct chop_fetch {
	chop_u8 what, arg, count_from, count;
	chop_u8 parent;	     /* POINTED, FDS: index of the earlier fetch */
	chop_u8 length_size; /* POINTED: bytes of the field that holds the length; 0: `element` */
	chop_u16 stride;     /* POINTED, FDS: bytes of a parent's element */
	chop_u16
		pointer_at; /* offset of the pointer (descriptor) in it; else added to the argument */
	chop_u16 length_at;
	chop_u32 element; /* bytes */
	chop_u32 max;	  /* bytes */
};

#define CHOP_FETCHES 10
struct chop_plan {
	chop_u8 enter_count, exit_count;
	chop_u8 pad[6];
	struct chop_fetch enter[CHOP_FETCHES], exit[CHOP_FETCHES];
};

#define CHOP_REGISTERS_SIZE 168
#define CHOP_STACK_PAGES    8 /* of 4096 bytes: at most so much of a stack */

#define CHOP_CALLS	 512	    /* system call numbers below this; */
#define CHOP_OTHER_CALLS 511	    /* stands for all above, where a call is looked up */
#define CHOP_PIECES_SIZE (64 << 10) /* most bytes of pieces in a record */
#define CHOP_READ_MAX	 (32 << 10) /* most bytes of one piece */

#endif
