/* SPDX-License-Identifier: Apache-2.0 */
/* An address space under the care of a pager, shared by the processes that share it. */
#ifndef PAGES_SPACE_H
#define PAGES_SPACE_H

#include <chop/pager.h>
#include <chop/pager_fault.h>

#include "pages/journal.h"
#include "pages/task.h"
#include "pages/vma.h"

/* How pagers are to be set up. */
struct space_setup {
	uint64_t window;       /* pages, at the start */
	uint64_t window_least; /* it is never made smaller than this */
	bool fifo;	       /* no second segment */
	uint64_t slots;	       /* most pages the window may ever have */
	uint64_t sample_limit; /* of 2^53 */
	bool slices;
	bool copies;	  /* never UFFDIO_MOVE */
	bool heap_only;	  /* only the heap and anonymous memory */
	bool sites;	  /* who asked for blocks of the heap is recorded */
	bool malloc_only; /* only what the catcher's library tells of */
};

struct space {
	pid_t pid; /* the process it was made for: names it in records */
	unsigned int processes;
	pid_t pager;	   /* process id */
	uint32_t inside;   /* its pid namespace (inner_id.h); 0: ours */
	pid_t pager_inner; /* what the pager is called there */
	bool serving;	   /* commands can be given */
	bool unwatched;	   /* it runs without us */
	int memory;	   /* /proc/PID/mem */
	int uffd, pipe;	   /* the pager's, fetched */
	int pager_fd;	   /* pidfd */
	struct vma_source vmas;
	struct pager_setup setup;
	struct pager_shared *shared; /* mapped */
	pthread_mutex_t lock;	     /* of the commands */
	struct feed *feed;
	uint32_t fault_space; /* its number in the table of faults; 0: none */
	uint64_t call_pc;     /* a system-call instruction of the program's own */
	uint64_t break_end;   /* of the heap; 0 not known */
	/* one call at a time that takes memory away: */
	struct task *changing;
	/* of the steward: */
	uint64_t window_now, last_cpu, last_pager, last_faults, sample_limit;
	bool watching;		/* malloc_only: main is running */
	unsigned int pins;	/* tasks on their way out, with pages pinned for them */
	struct u64vec excluded; /* start, end: locked by the program; not to be moved */
	bool locked;		/* the program locks all its memory: nothing more is watched */
};

/* How many pages of a window are open, and how many are in the second segment. */
void space_split_window(const struct space_setup *setup, uint64_t window, uint64_t *open,
			uint64_t *second);

struct space *space_new(pid_t pid);
void space_free(struct space *space);

/*
 * A chop that was killed may have left a pager that is still putting the memory back: wait
 * for it. Returns its process id when it has ended but nobody has waited for it.
 */
pid_t space_await_other(const struct space *space);
/*
 * Start a pager. The task must be able to make calls (task_inject). 0 or -errno with a
 * message: the program is as it was.
 */
int space_start(struct space *space, struct tasks *tasks, struct task *task,
		struct journal *journal, const struct space_setup *setup);
/*
 * For a forked child: its pager goes on from a copy of the parent's state. The task is at
 * its first stop.
 */
int space_start_child(struct space *space, const struct space *parent, struct tasks *tasks,
		      struct task *task, struct journal *journal);
/* Tell the pager to end, wait for it, and take the last records. The space is then empty. */
void space_stop(struct space *space, struct journal *journal);
/* After space_stop with the program living on: unmap the pager's pages and reap it. */
void space_clean(struct space *space, struct tasks *tasks, struct task *task);

/* Its process is gone. */
bool space_pager_died(const struct space *space);
/* Wait, as the task, for a pager that has ended: it is the program's child. */
void space_reap(struct space *space, struct tasks *tasks, struct task *task, pid_t pid);

/* Give a batch of commands and wait until they are done; results are in them. */
int space_command(struct space *space, struct pager_command *commands, unsigned int count);
/* One command; its result or -errno. */
int space_do(struct space *space, uint32_t op, uint64_t start, uint64_t end);

/* Read memory of the program wherever its pages are. */
int space_read(const struct space *space, uint64_t address, void *data, size_t size);

/* Whether the program locked some of a range; what it unmaps is no longer. */
bool space_is_excluded(const struct space *space, uint64_t start, uint64_t end);
void space_exclude(struct space *space, uint64_t start, uint64_t end);
void space_readmit(struct space *space, uint64_t start, uint64_t end);

/* Say what a task is doing, for the records of the kernel's accesses; number -1: nothing. */
void space_note_call(struct space *space, pid_t tid, int number, uint64_t ip);
void space_forget_call(struct space *space, pid_t tid);
/*
 * Around calls that take memory away: between them the pager touches nothing by itself.
 */
void space_unsettle(struct space *space);
void space_settle(struct space *space);

#endif
