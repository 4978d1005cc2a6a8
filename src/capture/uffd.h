/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The uffd back end (docs/design/capture.md), shared by its files. In short: private
 * anonymous memory moves to a shadow address and its old place is left empty and
 * registered with a userfaultfd, so that the first touch of each page asks our monitor
 * thread for it; files' pages are dropped from the page tables and what is present at the
 * end was touched. At the end written pages are copied into the shadow and the shadow
 * moves home, so that the address space is what it was.
 */
#ifndef CAPTURE_UFFD_H
#define CAPTURE_UFFD_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/uapi.h"
#include "capture/backend.h"
#include "capture/changes.h"
#include "capture/pagelog.h"
#include "capture/shared_pages.h"
#include "tracee/inject.h"

enum range_kind {
	RANGE_LEFT,   /* not ours to touch; in the list only what is closed and may be opened */
	RANGE_MOVED,  /* private memory at the shadow address, anonymous over it */
	RANGE_ZAPPED, /* file pages out of the page tables: present at the end is touched */
	RANGE_SHARED, /* as ZAPPED, and writes reported before they happen (shmem) */
	RANGE_COPIED, /* cannot be moved: contents copied at entry, all of it included */
};

struct uffd_range {
	uint64_t start, end;
	uint64_t shadow; /* RANGE_MOVED */
	enum range_kind kind;
	uint32_t flags;	 /* enum page_flag of its pages */
	bool file_over;	 /* RANGE_MOVED from a file: anonymous memory was mapped over it */
	bool registered; /* with the userfaultfd, by us */
	bool locked;	 /* by mlock: unlocked while it is away */
	bool away;	 /* RANGE_MOVED: its memory is at `shadow` now */
	bool copied;	 /* contents at entry are recorded */
	bool settled;	 /* its records are complete: who asks for a page now is not the region */
	size_t mapping;	 /* index in capture->maps */
	size_t move;	 /* index of its mremap in the entry table */
};

struct uffd {
	struct backend base;
	int fd;	     /* missing pages, and writes noted by the kernel */
	int sync_fd; /* writes to shared memory, reported to us */
	pthread_t monitors[2];
	int running; /* monitors that run */
	atomic_bool stop, failed;
	pthread_mutex_t lock; /* ranges, log, shared: monitors against the main thread */
	struct uffd_range_vec VEC_BODY(struct uffd_range) ranges; /* sorted */
	struct entry_vec calls;					  /* the table being built */
	struct pagelog log;
	struct shared_pages shared; /* contents at entry */
	struct page_copies copies;
	bool any_locked;	 /* the program has locked memory */
	bool planned;		 /* ranges are those of this region */
	bool armed;		 /* pages present where memory left are the region's */
	bool complete;		 /* all records are */
	uint64_t grown;		 /* lowest page of a stack that grew; 0 for none */
	struct capture *capture; /* while armed */
	struct batch *batch;	 /* while pages are collected */
	uint8_t *served;	 /* a page's content on its way to the program */
};

/* -- uffd_ranges.c: what to do with each mapping -- */
/* Fill ranges from capture->maps; 0, or -errno with the reason why it cannot be done. */
int uffd_plan(struct uffd *uffd);
/* What kind of memory a mapping is, apart from what uffd_plan finds out about its pages. */
enum range_kind uffd_kind(const struct tracee *tracee, const struct capture_mapping *mapping);
/* No access to it now; but should the region open it, what is there belongs to the capture. */
bool uffd_is_closed(const struct tracee *tracee, const struct capture_mapping *mapping);
/* -- uffd_special.c: locked, watched and pinned memory -- */
void uffd_plan_special(struct uffd *uffd);
struct uffd_range *uffd_find(struct uffd *uffd, uint64_t address);

/* -- uffd_arm.c: the begin -- */
/* Plan, have memory leave, register. Where that fails with `planned` set, all must go home. */
int uffd_arm(struct uffd *uffd, struct thread *owner);

/* -- uffd_serve.c: the monitor -- */
int uffd_start_monitors(struct uffd *uffd);
void uffd_stop_monitors(struct uffd *uffd);
/* Give the program a missing page and record it. */
void uffd_serve(struct uffd *uffd, uint64_t page);
/* Record the content at entry of a shared page that is about to be written, let it. */
void uffd_serve_write(struct uffd *uffd, uint64_t page);

/* -- uffd_strays.c -- */
/* All that moved is registered: queue calls that drop what others had put in its place before. */
int uffd_find_strays(struct uffd *uffd);

/* -- uffd_pages.c: contents -- */
typedef int uffd_page_fn(struct uffd *uffd, struct uffd_range *range, uint64_t page,
			 uint64_t categories);
/* Call for each page of a range that is present or swapped out. */
int uffd_each_page(struct uffd *uffd, struct uffd_range *range, uffd_page_fn *function);
/* No page of the range is a private copy. */
bool uffd_is_clean(struct uffd *uffd, const struct uffd_range *range);
/* Content of the mapped file's page; false when the file cannot be read. */
bool uffd_file_page(struct uffd *uffd, const struct uffd_range *range, uint64_t page,
		    uint8_t *content);
/* Copy at entry what cannot be caught later: RANGE_COPIED, and shared files. */
int uffd_copy_range(struct uffd *uffd, struct uffd_range *range);
/* The same for what has no record yet. */
int uffd_copy_rest(struct uffd *uffd, struct uffd_range *range);
int uffd_copy_shared(struct uffd *uffd, struct uffd_range *range);
/* Remember a shared page's content; find it again (NULL: it has not been written). */
void uffd_shared_put(struct uffd *uffd, const struct uffd_range *range, uint64_t page,
		     const uint8_t *content);
const uint8_t *uffd_shared_get(struct uffd *uffd, const struct uffd_range *range, uint64_t page);

/* -- uffd_snapshot.c: what changed since a moment of the region -- */
bool uffd_owns(struct backend *backend, uint64_t address);
int uffd_snapshot(struct backend *backend);
int uffd_changes(struct backend *backend, backend_change_fn *change, void *context);
int uffd_present(struct backend *backend, uint64_t start, uint64_t end, backend_change_fn *page,
		 void *context);

/* -- uffd_release.c: the region changes its address space -- */
int uffd_release(struct backend *backend, struct thread *owner, uint64_t start, uint64_t end,
		 bool moves);
int uffd_settle(struct backend *backend, uint64_t start, uint64_t end, bool gone);

/* -- uffd_batch.c -- */
/*
 * Complete the records of a moved range (with `keep`), and put written pages where the memory
 * will come home from. Until then records of touched pages have no content, the shadow has it.
 */
int uffd_collect_moved(struct uffd *uffd, struct uffd_range *range, bool keep);
/* Give what has no content yet between two addresses its content; the shadow must be there. */
void uffd_fill_rest(struct uffd *uffd, uint64_t start, uint64_t end);

/* -- uffd_home.c: the end -- */
/* Complete the records of one range that is moved, zapped or shared. */
int uffd_collect_range(struct uffd *uffd, struct uffd_range *range);
/* Complete the records of all ranges, and put written pages where they belong. */
int uffd_collect(struct uffd *uffd, bool keep);
/* Move everything home. */
int uffd_home(struct uffd *uffd, struct thread *owner);
/* There is no region any more. */
void uffd_forget(struct uffd *uffd);

#endif
