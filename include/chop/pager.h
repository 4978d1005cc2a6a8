/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between chop (src/pages) and the pager (runtime/pages): a task in the traced program's
 * own address space that serves its page faults from userfaultfd. It keeps a bounded set
 * of pages open, and the rest in a shadow at a fixed distance, where nobody looks.
 *
 * The pager is a process of its own that shares nothing with the program but the memory:
 * no signals, no descriptors, no parent's notice of its end. Its private pages are at
 * PAGER_ADDRESS; one shared page file (memfd) holds struct pager_shared, which chop maps
 * too. chop gives commands there, writes a byte into the pager's pipe, and waits for
 * `replied`. When the pipe's other end closes, chop is gone: the pager puts the memory
 * back as it was and ends, and the program goes on.
 */
#ifndef CHOP_PAGER_H
#define CHOP_PAGER_H

#include <stddef.h>
#include <stdint.h>

#include <chop/assert.h>
#include <chop/arch.h>

/* Where the pager's own pages are in the program; far from what kernels hand out. */
#define PAGER_ADDRESS	 0x1e0000000000ULL
#define PAGER_CODE_SIZE	 (64u << 10)
#define PAGER_STACK_SIZE (128u << 10)
#define PAGER_SHARED	 (PAGER_ADDRESS + (1ULL << 36))
#define PAGER_FAULTS	 (PAGER_SHARED + (1ULL << 35)) /* chop/pager_fault.h */

/*
 * The shadow of a page, and the origin of one from a file: the mapping it had before
 * anonymous memory was put in its place.
 */
#define PAGER_SHADOW_BIT (1ULL << 46)
#define PAGER_ORIGIN_BIT (1ULL << 45)

enum pager_op {
	PAGER_VMA = 1,	   /* start, end, protection, flags: this mapping exists */
	PAGER_GONE,	   /* start, end: nothing of the old contents is there any more */
	PAGER_MOVED,	   /* start, end, other = new start, extra = new end: mremap was done */
	PAGER_ADVISED,	   /* start, end, extra = advice: madvise was done */
	PAGER_RELEASE,	   /* start, end: give the range back to the program as it was */
	PAGER_PIN,	   /* start: open the page and keep it open; result 1 when it was closed */
	PAGER_UNPIN,	   /* all of them */
	PAGER_WINDOW,	   /* start = pages open, end = pages of the second segment */
	PAGER_SLICE,	   /* close every page */
	PAGER_SAMPLE,	   /* start = limit of hash >> 11 below which pages are watched */
	PAGER_MARK,	   /* start: put a mark with this number into the ring */
	PAGER_RESTORE,	   /* everything back as it was */
	PAGER_EXIT,	   /* end; with or without PAGER_RESTORE before */
	PAGER_NOTHING,	   /* only to know that all before is done */
	PAGER_FAULT_TABLE, /* start = space: the table of faults was sent (chop/pager_fault.h) */
	PAGER_HELLO,	   /* chop has fetched the descriptors: only it shall hold the pipe's end */
};

enum pager_flag {
	PAGER_CONTENT = 1 << 0,	      /* has contents: they go into the shadow (else it is new) */
	PAGER_FILE = 1 << 1,	      /* private mapping of a file */
	PAGER_KNOWN = 1 << 3,	      /* only what is in care already, the rest is left alone */
	PAGER_GROWS = 1 << 2,	      /* the main stack: grows down by itself */
	PAGER_SHARED_MEMORY = 1 << 4, /* of a tmpfs: its pages live in the page cache */
};

struct pager_command {
	uint32_t op, protection; /* PROT_ bits */
	uint32_t flags;
	int32_t result; /* 0, or -errno; PAGER_VMA: the range is left alone then */
	uint64_t start, end, other, extra;
};

enum pager_record_flag {
	PAGER_WRITE = 1 << 0,
	PAGER_AGAIN = 1 << 1,	   /* was in the second segment */
	PAGER_NEW = 1 << 2,	   /* had no contents */
	PAGER_CALL = 1 << 3,	   /* the thread is in a system call: `call` */
	PAGER_EXECUTABLE = 1 << 4, /* of an executable mapping */
	PAGER_LATE = 1 << 5,	   /* written after it was opened by a read (slices) */
	PAGER_IS_MARK = 1 << 6,	   /* PAGER_MARK: address is its number */
	PAGER_HAS_IP = 1 << 7,	   /* `ip` is the instruction */
	PAGER_NO_IP = 1 << 8,	   /* no instruction of the program did it */
};

/* One entry of the ring. */
struct pager_record {
	uint64_t clock;	  /* the CPU's time stamp counter */
	uint64_t address; /* exact byte address of the access */
	uint64_t ip;	  /* with PAGER_CALL: where the call was made; with PAGER_HAS_IP */
	uint32_t thread;
	uint16_t flags;
	int16_t call;
};
CHOP_STATIC_ASSERT(sizeof(struct pager_record) == 32, "ring format");

/* What a thread is doing, for attributing the kernel's accesses; written by chop. */
struct pager_call {
	uint32_t thread; /* 0: free */
	int32_t number;	 /* -1: in the program's own code */
	uint64_t ip;
};
#define PAGER_CALLS 8192 /* slots, hashed by thread id, linear probing */

enum pager_state {
	PAGER_STARTING,
	PAGER_SERVING,
	PAGER_RESTORED, /* the program's memory is as if we had never been there */
	PAGER_FAILED,	/* could not start: error, where */
	PAGER_ASKING,	/* it waits for /dev/userfaultfd to be sent to `socket` */
};

#define PAGER_COMMANDS 256

struct pager_shared {
	/* commands */
	uint32_t sequence; /* of the last batch given */
	uint32_t replied;  /* of the last batch done; a futex */
	uint32_t count;
	uint32_t state;
	struct pager_command commands[PAGER_COMMANDS];
	/*
	 * While chop lets threads run calls that take memory away (unstable > 0), the pager
	 * must not touch pages of the program: they could vanish under its hands, and nobody
	 * would serve its own fault. The lock is held for the few instructions of a touch.
	 */
	uint32_t lock, unstable;
	/*
	 * A robust pthread_mutex_t that chop's tracing thread holds. When that dies the kernel
	 * sets FUTEX_OWNER_DIED in the first word, and only then lets go of the threads it had
	 * stopped: from then on calls are made that nobody tells of.
	 */
	uint32_t owner[16];
	/* ring: head is the pager's, tail is chop's; both only grow */
	uint64_t head __attribute__((aligned(64)));
	uint64_t waits; /* times the ring was full */
	uint32_t wake;	/* futex: changed by chop after it took records out */
	uint64_t tail __attribute__((aligned(64)));
	uint32_t data; /* futex: changed by the pager when the ring is half full */
	/* statistics */
	uint64_t faults __attribute__((aligned(64)));
	uint64_t cpu_ns;       /* CPU time the pager took; known when it ends */
	uint64_t open, closed; /* pages now open; pages ever closed */
	uint64_t kept;	       /* pages that could not be closed and stay open */
	uint64_t strange;      /* faults outside of all known ranges */
	int32_t last_error;    /* why a page could not be closed, last */
	uint32_t stuck;	       /* a thread that asks for the same few pages for ever, or 0 */
	/* a process kept on one processor, and where it may run: undone when chop dies */
	uint32_t pinned;
	uint64_t cpus[16];
	struct pager_call calls[PAGER_CALLS];
	struct pager_record ring[];
};

/* The pager's private state begins with this; chop fills it in before the start. */
struct pager_setup {
	uint32_t state;		       /* enum pager_state: read by chop while it starts */
	int32_t error;		       /* -errno of what failed */
	uint32_t where;		       /* which call of its start failed */
	int32_t uffd, memfd, pipe_out; /* the pager's descriptors, for chop to fetch */
	int32_t pid;		       /* the pager's */
	uint32_t inherit;	       /* 1: a fork's child goes on with its parent's tables */
	uint32_t slices;	       /* 1: watch late writes */
	uint32_t copies; /* 1: pages are copied; set by the pager on kernels that cannot move */
	uint32_t wants_faults; /* 1: chop has a table of faults to give */
	int32_t socket; /* of the pager: where it receives that, for chop to fetch; -1 none */
	uint32_t minor; /* of the pager: it can watch shared memory (Linux 5.14) */
	uint64_t ring;	/* entries, a power of two */
	uint64_t shared_size;
	uint64_t slots, buckets; /* capacity of the table of open pages; buckets 2^n */
	uint64_t ranges;	 /* capacity of the table of ranges */
	uint64_t window, second; /* pages open, pages of the second segment */
	uint64_t sample_limit;	 /* of 2^53 */
	uint64_t stack_reserve;	 /* bytes below the main stack that get a shadow */
	uint64_t size;		 /* of all private pages from PAGER_ADDRESS on */
};

/*
 * `catcher` (VMTRACE): what the library it preloads says by a system call that does not
 * exist. First argument; then pointer and size.
 */
#define CATCHER_CALL 0x63686f70
enum catcher_call {
	CATCHER_BEGIN = 1,
	CATCHER_MALLOC,
	CATCHER_END,
	CATCHER_ALLOC, /* of `chop pages --sites`: then pointer, size, where the call returns to */
};

/*
 * In a pager's private pages, from PAGER_ADDRESS: code, stack, state, tables. The sizes of
 * the pager's structures (runtime/pages/task.h), so that chop can map enough.
 */
#define PAGER_STATE	 (PAGER_ADDRESS + PAGER_CODE_SIZE + PAGER_STACK_SIZE)
#define PAGER_FIXED_SIZE (256u << 10)
#define PAGER_SLOT_SIZE	 32u
#define PAGER_RANGE_SIZE 32u
#define PAGER_TABLES_SIZE(setup)                                                      \
	(PAGER_FIXED_SIZE + (setup)->slots * PAGER_SLOT_SIZE + (setup)->buckets * 4 + \
	 (setup)->ranges * PAGER_RANGE_SIZE + 8 * CHOP_PAGE_SIZE)

#endif
