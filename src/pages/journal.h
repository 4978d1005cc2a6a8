/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the pagers' rings to records in order. A thread of its own empties the rings, puts
 * what the main loop has to tell (events) at the place the pager marked, finds the
 * instruction pointers, and hands records out sorted by time.
 */
#ifndef PAGES_JOURNAL_H
#define PAGES_JOURNAL_H

#include <pthread.h>

#include <chop/page_trace.h>
#include <chop/pager.h>

#include "pages/fault_table.h"
#include "pages/ip.h"
#include "pages/sampler.h"

/* One pager's ring. */
struct feed {
	struct pager_shared *shared;
	uint64_t ring, tail; /* entries; next to read */
	uint32_t process;
	uint32_t inside; /* the process' pid namespace (tracee/inner_id.h); 0: ours */
};

/*
 * Called in the journal's thread. 0, or -errno with a message recorded in that thread: the
 * journal then stops handing out records and keeps the message.
 */
typedef int journal_sink(void *context, const struct chop_page_record *record);

struct journal_entry {
	uint64_t clock, order;
	struct chop_page_record record;
	struct chop_page_record *event; /* owned; NULL for an access */
};
struct journal_entry_vec VEC_BODY(struct journal_entry);

struct journal {
	pthread_t thread;
	pthread_mutex_t lock; /* of all below */
	bool running, stop;
	journal_sink *sink;
	void *context;
	struct feed_vec VEC_BODY(struct feed *) feeds;
	struct map threads; /* in pid namespaces of their own: namespace << 32 | number -> ours */
	struct map events;  /* mark -> struct chop_page_record *, its text behind it */
	uint64_t marks;
	bool no_ips;		   /* not wanted */
	struct fault_table *table; /* whose pagers say the instructions; NULL: `ips` does */
	struct ip_source ips;
	struct journal_entry_vec entries; /* read but not handed out yet */
	uint64_t order;
	uint64_t clock, time; /* where the last batch ended: ticks and ns */
	double rate;	      /* ns a tick */
	uint64_t start_ns;    /* CLOCK_MONOTONIC at time 0 */
	int failed;	      /* -errno of the sink */
	char *message;	      /* what it said; owned */
	pthread_t owner;      /* gets SIGALRM then */
	uint64_t accesses, unknown_ips;
	struct sampler sampler; /* set up before the first record */
};

/* Start the thread; time 0 is now. `ips`: instruction pointers are wanted. */
int journal_start(struct journal *journal, bool ips, journal_sink *sink, void *context);
/* Hand out everything that is left and end the thread. Returns the sink's error. */
int journal_stop(struct journal *journal);

/* Begin to read a ring; `inside`: the process' pid namespace (tracee/inner_id.h). */
struct feed *journal_add(struct journal *journal, struct pager_shared *shared, uint64_t ring,
			 pid_t process, uint32_t inside);
/* A thread that is called `inner` in its own pid namespace: its pager knows it by that. */
void journal_thread(struct journal *journal, uint32_t inside, pid_t inner, pid_t tid);
/* The pager writes no more: read its ring to the end and forget it. */
void journal_remove(struct journal *journal, struct feed *feed);

/*
 * Announce an event, whose place in the order is where the pager puts the mark that is
 * returned. The text is copied.
 */
uint64_t journal_announce(struct journal *journal, const struct chop_page_record *record,
			  const char *text);
/* An event of now, without a pager. */
void journal_tell(struct journal *journal, const struct chop_page_record *record, const char *text);
/* Learn the instruction pointers of a thread and of those it creates, if `table` does not. */
void journal_follow_ips(struct journal *journal, pid_t tid);
void journal_forget_ips(struct journal *journal, pid_t tid);
/* The sink's error so far; then the program should be let go. */
int journal_failed(struct journal *journal);

#endif
