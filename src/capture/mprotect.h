/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mprotect back end (docs/design/capture.md), shared by its files. All memory is made
 * inaccessible at entry; the first access to a page stops the owner with a SIGSEGV that the
 * program never sees, the page's content is recorded and its own protection given back. The
 * kernel is not stopped like that: what it will access for the owner must be opened before.
 */
#ifndef CAPTURE_MPROTECT_H
#define CAPTURE_MPROTECT_H

#include "base/buf.h"
#include "base/map.h"
#include "capture/backend.h"
#include "capture/changes.h"
#include "capture/pagelog.h"
#include "capture/shared_pages.h"
#include "capture/spans.h"
#include "tracee/inject.h"

enum protect_kind {
	PROTECT_WATCHED, /* no access, but for what is open */
	PROTECT_DORMANT, /* the program itself has no access; it may allow some */
	PROTECT_WHOLE,	 /* its protection cannot be changed: copied at entry, all of it included */
};

struct protect_range {
	uint64_t start, end;
	enum protect_kind kind;
	uint32_t flags; /* enum page_flag: the protection the program wants now */
};

/* A page opened for the kernel, which may not need it. */
struct protect_guess {
	uint64_t page;
	bool empty; /* zeros at that time */
	size_t at;  /* of its content in guess_bytes */
};

struct protect {
	struct backend base;
	struct protect_range_vec VEC_BODY(struct protect_range) ranges; /* sorted */
	struct spans open;     /* pages that have the program's own protection */
	struct spans loose;    /* open, and their pages were not there: those that come are new */
	struct spans expected; /* by the kernel, not open yet */
	struct spans wanted;   /* recorded, and to be opened at the next chance */
	struct protect_guess_vec VEC_BODY(struct protect_guess) guesses;
	struct map guess_index; /* page -> index + 1 */
	struct buf guess_bytes;
	struct entry_vec calls; /* the table being built */
	struct pagelog log;
	struct shared_pages shared; /* contents at entry */
	struct page_copies copies;
	struct protect_blocks VEC_BODY(uint8_t *) blocks; /* what is in them; owned */
	size_t block_left;				  /* pages unused in the last one */
	struct capture *capture;			  /* while armed */
	struct thread *owner;
	size_t mappings_left; /* how many more the program may have; 0: as many as it likes */
	bool lift, lifted;    /* all is to be open, is open: others run, or unknown happens */
	bool grown;	      /* a stack did, in front of our eyes */
	bool merged;	      /* pages were opened for want of mappings */
	bool ignored; /* the program ignores SIGSEGV, which a fault makes the kernel forget */
	bool failed;  /* the capture is not complete */
};

/* -- mprotect_plan.c: what to do with each mapping ---------------------------------------- */

/* Fill ranges from capture->maps. 0, or -errno with the reason why it cannot be done. */
int protect_plan(struct protect *protect);
struct protect_range *protect_find(struct protect *protect, uint64_t address);
/* Index of the first range that ends beyond an address. */
size_t protect_from(const struct protect *protect, uint64_t address);
/* Make `address` the boundary of two ranges, where one covers it. */
void protect_split(struct protect *protect, uint64_t address);
/* The range for a mapping: false when it is not for us. */
bool protect_range_of(struct protect *protect, const struct capture_mapping *mapping,
		      struct protect_range *range);

/* -- mprotect_page.c: contents ------------------------------------------------------------ */

/* Record a page as it is: PAGE_ALWAYS in `flags` when nobody knows whether it was touched. */
void protect_record(struct protect *protect, uint64_t page, uint32_t flags, bool ordered);
/* Call for each page of [start, end) that is there now; ends at anything but 0, and returns it. */
typedef int protect_page_fn(struct protect *protect, uint64_t page);
int protect_each_present(struct protect *protect, uint64_t start, uint64_t end,
			 protect_page_fn *function);
/* Record pages of [start, end): those that are there; the others are loose if they are zeros. */
int protect_record_all(struct protect *protect, uint64_t start, uint64_t end);
/* The page is one of anonymous private memory that is not there: it reads as zeros. */
bool protect_is_empty(struct protect *protect, uint64_t page);
/* Complete the records at the end. */
int protect_collect(struct protect *protect);
void protect_forget_guesses(struct protect *protect);

/* -- mprotect_open.c: protections --------------------------------------------------------- */

/* Take all access to what is not open in [start, end). 0 or -errno with a message. */
int protect_arm(struct protect *protect, struct thread *thread, uint64_t start, uint64_t end);
/* Give it back. */
int protect_disarm(struct protect *protect, struct thread *thread, uint64_t start, uint64_t end);
/* A thread got a SIGSEGV: true when it was for us, and the thread is to go on. */
bool protect_fault(void *protect, struct thread *thread);
void protect_expect(struct backend *backend, uint64_t start, uint64_t end);
bool protect_pending(struct backend *backend);
int protect_ready(struct backend *backend, struct thread *thread);

/* -- mprotect_release.c: the region changes its own address space -------------------------- */

int protect_release(struct backend *backend, struct thread *owner, uint64_t start, uint64_t end,
		    bool moves);
int protect_settle(struct backend *backend, uint64_t start, uint64_t end, bool gone);

/* -- mprotect_snapshot.c ------------------------------------------------------------------ */

int protect_snapshot(struct backend *backend);
void protect_forget_copies(struct protect *protect);
int protect_changes(struct backend *backend, backend_change_fn *change, void *context);
int protect_present(struct backend *backend, uint64_t start, uint64_t end, backend_change_fn *page,
		    void *context);

#endif
