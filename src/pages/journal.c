// SPDX-License-Identifier: Apache-2.0
#include "pages/journal.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/alloc.h"
#include "base/err.h"

#define PERIOD_NS 10000000 /* between two looks at the rings */
/*
 * Between the two clocks. A fault is told before the pager hears of it, and a page that was
 * closed since takes a whole window of faults, 100 us at least.
 */
#define SLACK_NS 40000

static uint64_t monotonic(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* -- time ----------------------------------------------------------------------------------- */

/* Both clocks at one moment: we may be put off the processor between two looks. */
static void look(uint64_t *clock, uint64_t *ns)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 5; i++) {
		uint64_t before = arch_clock(), now = monotonic(), took = arch_clock() - before;

		if (took >= best)
			continue;
		best = took;
		*clock = before + took / 2;
		*ns = now;
	}
}

/* Let the clock run for a moment to know its rate; each batch then corrects it. */
static void calibrate(struct journal *journal)
{
	struct timespec nap = { 0, 2000000 };
	uint64_t clock, ns, later, later_ns;

	look(&clock, &ns);
	nanosleep(&nap, NULL);
	look(&later, &later_ns);
	journal->rate = (double)(later_ns - ns) / (double)(later - clock);
	journal->clock = clock;
	journal->time = 0;
	journal->start_ns = ns;
}

static uint64_t to_time(const struct journal *journal, uint64_t clock)
{
	int64_t ticks = (int64_t)(clock - journal->clock);
	int64_t time = (int64_t)journal->time + (int64_t)((double)ticks * journal->rate);

	return time > 0 ? (uint64_t)time : 0;
}

/* After a batch: the next one counts from here, at the rate the last one had. */
static void advance(struct journal *journal, uint64_t clock, uint64_t time)
{
	if (clock - journal->clock > 1000000)
		journal->rate = (double)(time - journal->time) / (double)(clock - journal->clock);
	journal->clock = clock;
	journal->time = time;
}

/* -- reading rings -------------------------------------------------------------------------- */

static void add_entry(struct journal *journal, uint64_t clock,
		      const struct chop_page_record *record, struct chop_page_record *event)
{
	*vec_push(&journal->entries) =
		(struct journal_entry){ clock, journal->order++, *record, event };
}

static void add_mark(struct journal *journal, const struct pager_record *from)
{
	uint64_t value;
	struct chop_page_record *event;

	if (!map_get(&journal->events, from->address, &value))
		return;
	map_remove(&journal->events, from->address);
	event = (struct chop_page_record *)(uintptr_t)value;
	add_entry(journal, from->clock, event, event);
}

static bool is_fetch(const struct pager_record *from, uint64_t ip)
{
	/* An instruction may begin on the page before. */
	return from->flags & PAGER_EXECUTABLE && !(from->flags & PAGER_WRITE) &&
	       from->address - ip < 16;
}

/* The trace says at which limit the sample is from now on. */
static bool is_sampled(struct journal *journal, const struct feed *feed,
		       const struct pager_record *from)
{
	uint64_t before = journal->sampler.limit;
	bool taken =
		sampler_takes(&journal->sampler, feed->process, from->address / CHOP_PAGE_SIZE);
	const struct chop_page_record event = {
		.kind = CHOP_PAGE_SAMPLE,
		.thread = from->thread,
		.process = feed->process,
		.values = { journal->sampler.limit },
	};

	if (journal->sampler.limit != before)
		add_entry(journal, from->clock, &event, NULL);
	return taken;
}

/* *ip is the record's already when the pager knew it. */
static bool find_ip(struct journal *journal, const struct pager_record *from, uint64_t *ip)
{
	if (from->flags & PAGER_HAS_IP)
		return true;
	return ip_find(&journal->ips, from->thread, from->address,
		       journal->start_ns + to_time(journal, from->clock) + SLACK_NS, ip);
}

static void add_access(struct journal *journal, const struct feed *feed,
		       const struct pager_record *from)
{
	struct chop_page_record record = {
		.kind = from->flags & PAGER_WRITE ? CHOP_PAGE_WRITE : CHOP_PAGE_READ,
		.thread = from->thread,
		.process = feed->process,
		.address = from->address,
		.ip = from->ip,
		.call = from->call,
		.flags = (from->flags & PAGER_AGAIN ? CHOP_PAGE_AGAIN : 0u) |
			 (from->flags & PAGER_NEW ? CHOP_PAGE_NEW : 0u),
	};

	if (from->flags & PAGER_CALL) {
		record.flags |= CHOP_PAGE_HAS_CALL | CHOP_PAGE_HAS_IP;
	} else if (from->flags & PAGER_LATE) {
		record.kind = CHOP_PAGE_WRITTEN;
	} else if (find_ip(journal, from, &record.ip)) {
		record.flags |= CHOP_PAGE_HAS_IP;
		if (is_fetch(from, record.ip))
			record.kind = CHOP_PAGE_EXECUTE;
	} else if (from->flags & PAGER_NO_IP || (journal->ips.usable && !journal->ips.lost)) {
		/* No instruction of the program did it: a signal's frame, the rseq area. */
		record.flags |= CHOP_PAGE_HAS_CALL;
	} else {
		journal->unknown_ips++;
	}
	if (!is_sampled(journal, feed, from))
		return;
	add_entry(journal, from->clock, &record, NULL);
	journal->accesses++;
}

/* As we call it. */
static uint32_t thread_of(const struct journal *journal, const struct feed *feed, uint32_t inner)
{
	uint64_t tid;

	if (feed->inside && map_get(&journal->threads, (uint64_t)feed->inside << 32 | inner, &tid))
		return (uint32_t)tid;
	return inner;
}

static void read_ring(struct journal *journal, struct feed *feed, uint64_t head)
{
	struct pager_shared *shared = feed->shared;

	for (; feed->tail < head; feed->tail++) {
		struct pager_record *from = &shared->ring[feed->tail & (feed->ring - 1)];

		from->thread = thread_of(journal, feed, from->thread);
		if (from->flags & PAGER_IS_MARK)
			add_mark(journal, from);
		else
			add_access(journal, feed, from);
	}
	__atomic_store_n(&shared->tail, feed->tail, __ATOMIC_RELEASE);
	__atomic_add_fetch(&shared->wake, 1, __ATOMIC_RELEASE);
	if (shared->waits)
		syscall(SYS_futex, &shared->wake, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* Heads first, then the samples: every record's sample is there when it is looked for. */
static void collect(struct journal *journal)
{
	uint64_t *heads = xreallocarray(NULL, journal->feeds.length + 1, sizeof(*heads));

	for (size_t i = 0; i < journal->feeds.length; i++)
		heads[i] =
			__atomic_load_n(&journal->feeds.items[i]->shared->head, __ATOMIC_ACQUIRE);
	ip_collect(&journal->ips);
	for (size_t i = 0; i < journal->feeds.length; i++)
		read_ring(journal, journal->feeds.items[i], heads[i]);
	free(heads);
}

/* -- handing out ---------------------------------------------------------------------------- */

static int by_clock(const void *a, const void *b)
{
	const struct journal_entry *x = a, *y = b;

	if (x->clock != y->clock)
		return x->clock < y->clock ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static void hand_out(struct journal *journal, struct journal_entry *entry)
{
	entry->record.time = to_time(journal, entry->clock);
	if (!journal->failed) {
		journal->failed = journal->sink(journal->context, &entry->record);
		if (journal->failed)
			journal->message = xstrdup(err_message());
	}
	free(entry->event);
}

/* Records of different processes that are younger than the heads may still get company. */
static void hand_out_until(struct journal *journal, uint64_t clock)
{
	size_t done = 0, left;

	if (!journal->entries.length)
		return;
	vec_sort(&journal->entries, by_clock);
	while (done < journal->entries.length && journal->entries.items[done].clock <= clock)
		hand_out(journal, &journal->entries.items[done++]);
	left = journal->entries.length - done;
	memmove(journal->entries.items, journal->entries.items + done,
		left * sizeof(*journal->entries.items));
	journal->entries.length = left;
}

static void pass(struct journal *journal)
{
	uint64_t clock, ns;

	look(&clock, &ns);
	collect(journal);
	hand_out_until(journal, clock);
	advance(journal, clock, ns - journal->start_ns);
}

static void *run(void *context)
{
	struct journal *journal = context;
	struct timespec period = { 0, PERIOD_NS };

	for (;;) {
		bool stop;

		pthread_mutex_lock(&journal->lock);
		pass(journal);
		stop = journal->stop;
		/* Whoever traces may sleep in a wait: let go of it, again and again. */
		if (journal->failed && !stop)
			pthread_kill(journal->owner, SIGALRM);
		pthread_mutex_unlock(&journal->lock);
		if (stop)
			return NULL;
		nanosleep(&period, NULL);
	}
}

int journal_start(struct journal *journal, bool ips, journal_sink *sink, void *context)
{
	sigset_t all, old;
	int error;

	*journal = (struct journal){ .sink = sink, .context = context, .owner = pthread_self() };
	pthread_mutex_init(&journal->lock, NULL);
	journal->no_ips = !ips;
	if (ips)
		journal->table = fault_table_open();
	calibrate(journal);
	/* Signals are for the thread that traces. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&journal->thread, NULL, run, journal);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error)
		return err_sys(CHOP_MISSING, error, "cannot start a thread");
	journal->running = true;
	return 0;
}

static void free_events(struct journal *journal)
{
	for (size_t i = 0; i < journal->events.capacity; i++) {
		uint64_t key, value;

		if (map_slot(&journal->events, i, &key, &value))
			free((void *)(uintptr_t)value);
	}
	map_release(&journal->events);
}

int journal_stop(struct journal *journal)
{
	int failed;

	if (journal->running) {
		pthread_mutex_lock(&journal->lock);
		journal->stop = true;
		pthread_mutex_unlock(&journal->lock);
		pthread_join(journal->thread, NULL);
	}
	hand_out_until(journal, UINT64_MAX);
	failed = journal->failed;
	if (failed)
		err_set(CHOP_USAGE, -failed, "%s", journal->message);
	free(journal->message);
	free_events(journal);
	map_release(&journal->threads);
	ip_release(&journal->ips);
	fault_table_close(journal->table);
	sampler_release(&journal->sampler);
	vec_release(&journal->feeds);
	vec_release(&journal->entries);
	pthread_mutex_destroy(&journal->lock);
	return failed;
}

/* -- what the main loop calls --------------------------------------------------------------- */

struct feed *journal_add(struct journal *journal, struct pager_shared *shared, uint64_t ring,
			 pid_t process, uint32_t inside)
{
	struct feed *feed = xcalloc(1, sizeof(*feed));

	*feed = (struct feed){
		.shared = shared,
		.ring = ring,
		.process = (uint32_t)process,
		.inside = inside,
	};
	pthread_mutex_lock(&journal->lock);
	*vec_push(&journal->feeds) = feed;
	pthread_mutex_unlock(&journal->lock);
	return feed;
}

void journal_thread(struct journal *journal, uint32_t inside, pid_t inner, pid_t tid)
{
	if (!inside)
		return;
	pthread_mutex_lock(&journal->lock);
	map_put(&journal->threads, (uint64_t)inside << 32 | (uint32_t)inner, (uint64_t)tid);
	pthread_mutex_unlock(&journal->lock);
}

void journal_remove(struct journal *journal, struct feed *feed)
{
	pthread_mutex_lock(&journal->lock);
	collect(journal);
	for (size_t i = 0; i < journal->feeds.length; i++) {
		if (journal->feeds.items[i] == feed)
			vec_remove(&journal->feeds, i);
	}
	pthread_mutex_unlock(&journal->lock);
	free(feed);
}

/* The record and its text in one piece of memory. */
static struct chop_page_record *copy_event(const struct chop_page_record *record, const char *text)
{
	size_t size = text ? strlen(text) : 0;
	struct chop_page_record *event = xmalloc(sizeof(*event) + size + 1);

	*event = *record;
	event->text = (const char *)(event + 1);
	event->text_size = size;
	memcpy(event + 1, text ? text : "", size + 1);
	return event;
}

uint64_t journal_announce(struct journal *journal, const struct chop_page_record *record,
			  const char *text)
{
	struct chop_page_record *event = copy_event(record, text);
	uint64_t mark;

	pthread_mutex_lock(&journal->lock);
	mark = ++journal->marks;
	map_put(&journal->events, mark, (uint64_t)(uintptr_t)event);
	pthread_mutex_unlock(&journal->lock);
	return mark;
}

void journal_tell(struct journal *journal, const struct chop_page_record *record, const char *text)
{
	struct chop_page_record *event = copy_event(record, text);

	pthread_mutex_lock(&journal->lock);
	add_entry(journal, arch_clock(), event, event);
	pthread_mutex_unlock(&journal->lock);
}

void journal_follow_ips(struct journal *journal, pid_t tid)
{
	if (journal->no_ips || journal->table)
		return;
	pthread_mutex_lock(&journal->lock);
	ip_follow(&journal->ips, tid);
	pthread_mutex_unlock(&journal->lock);
}

void journal_forget_ips(struct journal *journal, pid_t tid)
{
	pthread_mutex_lock(&journal->lock);
	ip_forget(&journal->ips, (uint32_t)tid);
	pthread_mutex_unlock(&journal->lock);
}

int journal_failed(struct journal *journal)
{
	int failed;

	pthread_mutex_lock(&journal->lock);
	failed = journal->failed;
	pthread_mutex_unlock(&journal->lock);
	return failed;
}
