/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clone back end (docs/design/capture.md), shared by its files. The program is
 * duplicated at entry and the duplicate, its twin, never runs: what it holds is the content
 * at entry. Which pages were touched the hardware notes in the page tables, cleared at
 * entry and read at the end. The region runs at nearly native speed; entry costs as much as
 * a fork.
 */
#ifndef CAPTURE_CLONE_H
#define CAPTURE_CLONE_H

#include "base/map.h"
#include "capture/backend.h"
#include "capture/changes.h"
#include "tracee/page_table.h"
#include "capture/pagelog.h"

enum clone_kind {
	CLONE_PRIVATE, /* content at entry: the twin's */
	CLONE_SHARED,  /* writable by others as well: copied at entry */
	CLONE_FILE,    /* shared, read-only: what it holds at the end */
	CLONE_WHOLE,   /* the twin does not have it: copied at entry, all of it included */
};

struct clone_range {
	uint64_t start, end;
	enum clone_kind kind;
	uint32_t flags;		 /* enum page_flag of its pages */
	bool shared_with_others; /* its pages are a file's: other programs access them as well */
};

struct clone {
	struct backend base;
	struct page_table *table;
	struct clone_range_vec VEC_BODY(struct clone_range) ranges; /* sorted */
	struct pagelog log;
	struct capture *capture; /* while armed */
	pid_t twin;		 /* 0: none */
	int twin_memory, twin_pagemap;
	bool kept;	      /* ended: what the twin holds is still to be read */
	struct map shared;    /* address -> content at entry, of CLONE_SHARED */
	struct map populated; /* start of a file mapping -> its end, when its pages were mapped */
	bool aged;	      /* something else clears accessed bits on this machine */
	struct page_copies copies;
};

/* -- clone_plan.c -- */
int clone_plan(struct clone *clone);
struct clone_range *clone_find(struct clone *clone, uint64_t address);
/* Map the pages of files, so that the kernel does not map neighbours of what is touched. */
int clone_populate(struct clone *clone, struct thread *owner);
/* Have large pages mapped as small ones: one accessed bit for 2 MB says nothing. */
int clone_split_huge(struct clone *clone, struct thread *owner);
/* After accessed bits were cleared: unmap those pages of zeros whose bits are still set. */
int clone_unmap_zeros(struct clone *clone, struct thread *owner);
/* Copy what the twin will not hold. */
int clone_copy(struct clone *clone);
/* Copy what the twin has turned out not to hold: children do not inherit all memory. */
int clone_copy_uninherited(struct clone *clone);

/* -- clone_pages.c -- */
/* Record a page; what the twin holds of it is read later (clone_fill). */
void clone_record(struct clone *clone, const struct clone_range *range, uint64_t page,
		  uint32_t flags);
/* Record the pages of a range touched so far, with what they hold now. 0 or -errno. */
int clone_collect(struct clone *clone, const struct clone_range *range);
/* The contents at entry that the twin holds; pages that did not change lose their `after`. */
int clone_fill(struct clone *clone, struct capture *capture);
/* Call for each page of [start, end) that is there now; ends at anything but 0, and returns it. */
typedef int clone_page_fn(void *context, uint64_t page);
int clone_each_present(struct clone *clone, uint64_t start, uint64_t end, clone_page_fn *function,
		       void *context);
/* Record all pages of the range that were there at entry. */
int clone_record_all(struct clone *clone, const struct clone_range *range);
/* What a page held at entry; false when it held nothing: zeros then. */
bool clone_content(struct clone *clone, const struct clone_range *range, uint64_t page,
		   uint8_t *content);

/* -- clone_snapshot.c -- */
int clone_snapshot(struct backend *backend);
int clone_changes(struct backend *backend, backend_change_fn *change, void *context);
int clone_present(struct backend *backend, uint64_t start, uint64_t end, backend_change_fn *page,
		  void *context);

#endif
