/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pager: freestanding, position independent, no writable globals; all state hangs off
 * struct pager, which a forked child's pager inherits by copy-on-write.
 *
 * The rule that shapes it: the pager must never touch memory that may be missing. It is
 * the one who would have to serve the fault.
 */
#ifndef PAGES_TASK_H
#define PAGES_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <asm/unistd.h>
#include <chop/arch.h>
#include <chop/pager.h>
#include <chop/pager_fault.h>
#include <linux/errno.h>
#include <linux/mman.h>

#include "uffd.h"

#define PAGE	    ((uint64_t)CHOP_PAGE_SIZE)
#define NO_SLOT	    UINT32_MAX
#define DEFERRED    4096 /* faults that cannot be served yet: one a thread */
#define PAGER_SPARE 256	 /* slots for pinned and parked pages */
#define FUTEX_WAIT  0
#define FUTEX_WAKE  1

enum slot_list {
	LIST_FREE,
	LIST_OPEN,   /* the window: pages the program can touch, oldest first */
	LIST_SECOND, /* second segment: closed, but still in the window */
	LIST_PARKED, /* at home in a mapping that became inaccessible */
	LIST_KEPT,   /* at home, and cannot be moved for now (pinned for I/O) */
	LISTS,
};

struct slot {
	uint64_t page;
	uint32_t newer, older, chain; /* neighbours in the list, next in the hash bucket */
	uint32_t thread;	      /* it was opened for */
	uint8_t list;		      /* enum slot_list */
	uint8_t pinned;		      /* stays open: PAGER_PIN */
	uint8_t clean;		      /* write-protected when it was opened (slices) */
};

struct list {
	uint32_t newest, oldest, length;
};

enum range_flag {
	RANGE_SHADOW = 1 << 0, /* has shadow pages */
	RANGE_ORIGIN = 1 << 1, /* private mapping of a file: the file's mapping is at its origin */
	RANGE_GROWS = 1 << 2,
	RANGE_FROZEN = 1 << 3, /* inaccessible for now; everything is as `frozen` left it */
	RANGE_SHARED = 1 << 4, /* memory of a tmpfs: closed pages are in the page cache only */
};

/*
 * A run of pages the pager is in charge of. What it does with them depends on protection:
 * writable	pages move between home and shadow; the shadow is registered. One that is in
 *		neither comes from the origin, or is new.
 * readable	home gets a copy and is emptied again. Every page's content can be read in the
 *		shadow (not registered, complete) or else in the origin, or else is zero.
 * shared memory has no copies: closing a page takes it out of the page table.
 * none		nobody can touch it: what is at home stays there (LIST_PARKED), the rest is
 *		as the last other protection, `frozen`, wants it.
 */
struct range {
	uint64_t start, end;
	uint32_t protection, flags;
	uint32_t frozen, reserved;
};

/* The pages a thread asked for lately, as long as they are few. */
#define RUNS	  16
#define RUN_PAGES 32 /* no instruction needs more */
struct run {
	uint32_t thread, count, repeats;
	uint64_t used, pages[RUN_PAGES];
};

struct pager {
	struct pager_setup setup;
	struct pager_shared *shared;
	struct slot *slots;
	uint32_t *buckets;
	struct range *ranges;
	uint64_t range_count;
	uint8_t *zeros;	  /* a page of them */
	uint8_t *scratch; /* two pages, registered */
	uint8_t *bounce;  /* a page */
	uint32_t unused;  /* slots from here on were never used */
	uint32_t first_free;
	struct list lists[LISTS];
	uint32_t pinned;
	int pipe_in, pagemap;
	int memory;	      /* /proc/self/mem; only where pages are copied */
	bool restoring;	      /* everything goes home, perhaps while the program runs on */
	uint32_t signals;     /* how many came; the handler counts */
	bool leaving;	      /* chop is gone, or said so */
	uint32_t done;	      /* last batch of commands */
	uint64_t stack_floor; /* the main stack's shadow begins here */
	uint32_t rooms;	      /* how often room was made */
	uint64_t run_clock;
	struct run runs[RUNS];
	uint32_t deferred_count;
	uint32_t impatience;	     /* rounds the deferred ones have waited */
	struct pager_faults *faults; /* NULL: there is no such table */
	uint32_t space;		     /* our number in it */
	int socket;		     /* descriptors come through (parcel.c) */
	int device;		     /* /dev/userfaultfd while it starts, or -1 */
	uint64_t fault_noted;	     /* latest fault when the last one began to be served */
	struct uffd_message deferred[DEFERRED];
	struct uffd_message batch[16];
};

_Static_assert(sizeof(struct pager) <= PAGER_FIXED_SIZE, "chop maps that much");
_Static_assert(sizeof(struct slot) == PAGER_SLOT_SIZE, "chop maps that much");
_Static_assert(sizeof(struct range) == PAGER_RANGE_SIZE, "chop maps that much");

/* x86_64/entry.S; hidden, so that no global offset table is needed for their addresses */
#pragma GCC visibility push(hidden)
long pager_wait(int fd, void *buffer, size_t size, const uint32_t *signals, uint32_t seen);
extern const char pager_wait_end[], pager_wait_interrupted[];
void pager_restorer(void);
#pragma GCC visibility pop

/* system.c: thin wrappers; all return -errno on failure */
long sys(long number, uint64_t a, uint64_t b, uint64_t c);
long sys_map(uint64_t address, uint64_t size, uint32_t protection, uint32_t flags, int fd);
long sys_remap(uint64_t from, uint64_t size, uint32_t flags, uint64_t to);
/* Move pages that may be in several mappings, which the kernel moves one at a time. */
long sys_transfer(uint64_t from, uint64_t size, uint64_t to);
/* Take an address range that must be free, without pages. */
long sys_reserve(uint64_t address, uint64_t size);
long uffd_register(struct pager *pager, uint64_t start, uint64_t end);
/* Faults on pages of a tmpfs that are in the page cache are told, too. */
long uffd_register_shared(struct pager *pager, uint64_t start, uint64_t end);
/* As the range's kind of memory wants it. */
long uffd_register_kind(struct pager *pager, const struct range *range);
long uffd_unregister(struct pager *pager, uint64_t start, uint64_t end);
long uffd_move(struct pager *pager, uint64_t to, uint64_t from, uint64_t mode);
/* All pages there are, up to the first that fails; *moved receives the bytes done. */
long uffd_move_many(struct pager *pager, uint64_t to, uint64_t from, uint64_t size, int64_t *moved);
long uffd_copy(struct pager *pager, uint64_t to, uint64_t from, uint64_t mode);
long uffd_zero(struct pager *pager, uint64_t page, uint64_t mode);
long uffd_wake(struct pager *pager, uint64_t start, uint64_t end);
/* A page of shared memory that is in the page cache already; -EFAULT when it is not. */
long uffd_continue(struct pager *pager, uint64_t page, uint64_t mode);
long uffd_protect(struct pager *pager, uint64_t page);
/* ... and who waits to write it goes on. */
long uffd_unprotect(struct pager *pager, uint64_t page);
void copy_page(void *to, const void *from);

/* copy.c: uffd_move and uffd_move_many where the kernel cannot */
long copy_move(struct pager *pager, uint64_t to, uint64_t from, uint64_t mode);
long copy_move_many(struct pager *pager, uint64_t to, uint64_t from, uint64_t size, int64_t *moved);

/* window.c: the table of pages */
void window_init(struct pager *pager);
struct slot *window_find(struct pager *pager, uint64_t page);
/* A slot for a page that has none, in the list's newest place; NULL when all are taken. */
struct slot *window_add(struct pager *pager, uint64_t page, enum slot_list list);
void window_put(struct pager *pager, struct slot *slot, enum slot_list list);
void window_drop(struct pager *pager, struct slot *slot);
struct slot *window_oldest(struct pager *pager, enum slot_list list);
/* Call `visit` for every slot with a page in [start, end); it may drop or move its slot. */
void window_each(struct pager *pager, uint64_t start, uint64_t end,
		 void (*visit)(struct pager *, struct slot *));
void window_rename(struct pager *pager, struct slot *slot, uint64_t page);

/* progress.c: tell chop of a thread that may not get on with so small a window */
void progress_note(struct pager *pager, uint32_t thread, uint64_t page);

/* close.c: how pages leave the window */
/* Close pages until this one may be opened for this thread. */
void close_for_room(struct pager *pager, uint32_t thread, uint64_t page);
/* Close the oldest pages until the window is no larger than it should be. */
void close_surplus(struct pager *pager);
/* Close all that can be closed (a slice ends). */
void close_all(struct pager *pager);
/*
 * Until home_release no thread begins a call that takes memory away: what is at home can be
 * touched. False when one is in such a call already.
 */
bool home_hold(struct pager *pager);
void home_release(struct pager *pager);
/* False when the page must stay open for now; otherwise it is in no list or the second. */
bool close_slot(struct pager *pager, struct slot *slot, enum slot_list next);

/* fault.c */
void fault_serve(struct pager *pager, const struct uffd_message *message);
/* Try the deferred ones again; `last`: those that still fail get their page for good. */
void fault_retry_deferred(struct pager *pager, bool last);
long fault_pin(struct pager *pager, uint64_t page);

/* parcel.c: descriptors from chop */
bool parcel_open(struct pager *pager);
/* One that was sent, or -errno; never waits. */
long parcel_receive(struct pager *pager);
void parcel_close(struct pager *pager);
long parcel_ask_device(struct pager *pager);

/* faults.c: what the kernel tells of faults by itself */
void faults_open(struct pager *pager);
/* chop has sent the table; `space` is our number in it. */
long faults_receive(struct pager *pager, uint32_t space);
/*
 * The instruction a fault came from: PAGER_HAS_IP and *ip; PAGER_NO_IP: none of the program's;
 * 0: not known.
 */
uint32_t faults_origin(const struct pager *pager, const struct uffd_message *message, uint64_t *ip);
/* A fault is about to be served ... */
void faults_note(struct pager *pager);
/* ... and this one came meanwhile. */
bool faults_next(struct pager *pager, struct uffd_message *message);

/* record.c */
/* Where an access came from, to be asked before its thread goes on. */
struct origin {
	uint64_t ip;
	uint32_t flags; /* PAGER_CALL, PAGER_HAS_IP, PAGER_NO_IP */
	int32_t call;	/* -1: none */
};
struct origin record_origin(const struct pager *pager, const struct uffd_message *message);
void record_access(struct pager *pager, const struct uffd_message *message,
		   const struct origin *origin, uint64_t clock, uint32_t flags);
void record_late_write(struct pager *pager, const struct slot *slot);
void record_mark(struct pager *pager, uint64_t number);

/* ranges.c */
struct range *range_find(struct pager *pager, uint64_t page);
/* The stack's range after it grew down to this page; NULL when it is not that. */
struct range *range_grow(struct pager *pager, uint64_t page);
/* Index of the first range that ends after `address`. */
uint64_t range_index(const struct pager *pager, uint64_t address);
/* Make boundaries at both addresses; -ENOMEM when the table is full. */
long range_cut(struct pager *pager, uint64_t start, uint64_t end);
long range_insert(struct pager *pager, const struct range *range);
void range_delete(struct pager *pager, uint64_t index);
/* Let ranges of one kind in and around [start, end) become one. */
void range_join(struct pager *pager, uint64_t start, uint64_t end);

/* arm.c: taking mappings into care and giving them back */
long arm_vma(struct pager *pager, const struct pager_command *command);
long arm_gone(struct pager *pager, uint64_t start, uint64_t end);
long arm_moved(struct pager *pager, const struct pager_command *command);
long arm_advised(struct pager *pager, uint64_t start, uint64_t end, uint64_t advice);

/* protect.c: a mapping's protection changed */
long protect_range(struct pager *pager, struct range *range, uint32_t protection);
/* Give a writable range its shadow. */
long protect_make_shadow(struct pager *pager, struct range *range);

/* restore.c */
long restore_range(struct pager *pager, uint64_t start, uint64_t end);
/* One page that cannot be moved in any other way: it goes home for good. */
long restore_page(struct pager *pager, uint64_t page);
void restore_all(struct pager *pager);

/* command.c */
void command_run_all(struct pager *pager);

static inline uint64_t shadow_of(uint64_t address)
{
	return address ^ PAGER_SHADOW_BIT;
}

static inline uint64_t origin_of(uint64_t address)
{
	return address ^ PAGER_ORIGIN_BIT;
}

/* Nobody tells what the program does to its mappings any more. */
static inline bool abandoned(const struct pager *pager)
{
	return __atomic_load_n(&pager->shared->owner[0], __ATOMIC_ACQUIRE) &
	       0x40000000 /* FUTEX_OWNER_DIED */;
}

static inline bool writable(const struct range *range)
{
	return range->protection & PROT_WRITE;
}

/* Pages move between home and shadow. */
static inline bool moves(const struct range *range)
{
	return writable(range) && !(range->flags & RANGE_SHARED);
}

static inline bool accessible(const struct range *range)
{
	return range->protection & (PROT_READ | PROT_WRITE | PROT_EXEC);
}

#endif
