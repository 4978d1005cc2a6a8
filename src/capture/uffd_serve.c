// SPDX-License-Identifier: Apache-2.0
/* The monitor threads: give the program the pages it misses. */
#include "capture/uffd.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "tracee/memory.h"

#define MESSAGES    16
#define STOP_SIGNAL SIGUSR2

static void wake(int fd, uint64_t page)
{
	struct uffdio_range range = { page, CHOP_PAGE_SIZE };

	ioctl(fd, UFFDIO_WAKE, &range);
}

/* Install the page, write-protected; true when it was not there. With `mode` DONTWAKE nobody runs. */
static bool install(struct uffd *uffd, uint64_t page, const uint8_t *content, uint64_t mode)
{
	struct uffdio_copy copy = {
		.dst = page,
		.src = (uint64_t)content,
		.len = CHOP_PAGE_SIZE,
		.mode = UFFDIO_COPY_MODE_WP | mode,
	};

	while (ioctl(uffd->fd, UFFDIO_COPY, &copy)) {
		if (errno == EAGAIN) {
			copy.copy = 0;
			sched_yield();
			continue;
		}
		/* What others have installed meanwhile is as good; what is home again needs nothing. */
		if (errno != EEXIST && errno != ENOENT && errno != ESRCH)
			atomic_store(&uffd->failed, true);
		wake(uffd->fd, page);
		return false;
	}
	return true;
}

static void record_grown(struct uffd *uffd, uint64_t page)
{
	uint8_t *content = pagelog_room(&uffd->log);

	if (!uffd->grown || page < uffd->grown)
		uffd->grown = page;
	if (!content)
		return; /* log.lost tells */
	memset(content, 0, CHOP_PAGE_SIZE);
	pagelog_add(&uffd->log, page, PAGE_READ | PAGE_WRITE, true);
}

/* Below all we know is a stack that grows, or what somebody else read before it went home. */
static void serve_unknown(struct uffd *uffd, uint64_t page)
{
	memset(uffd->served, 0, CHOP_PAGE_SIZE);
	if (!install(uffd, page, uffd->served, UFFDIO_COPY_MODE_DONTWAKE))
		return;
	if (!uffd->complete)
		record_grown(uffd, page);
	wake(uffd->fd, page);
}

/*
 * Memory stays in the shadow as it was at entry: it need not be kept now, while the program waits,
 * but at the end (uffd_batch.c). So it passes through one page of ours, which the processor's
 * caches hold. What is not in the shadow yet, or no more, because somebody else asks while it is on
 * its way, was never there: zeros, which nobody gets to see where the page is by then.
 */
static void serve_moved(struct uffd *uffd, const struct uffd_range *range, uint64_t page)
{
	bool settled = range->settled || uffd->complete;

	/* Somebody asked before it went home the last time. */
	if (!range->registered) {
		wake(uffd->fd, page);
		return;
	}
	if (memory_read(uffd->base.tracee, range->shadow + (page - range->start), uffd->served,
			CHOP_PAGE_SIZE)) {
		memset(uffd->served, 0, CHOP_PAGE_SIZE);
		if (range->away && !settled)
			atomic_store(&uffd->failed, true);
	}
	/* The record comes before the wake-up: this may be the region's last page. */
	if (!settled)
		pagelog_note(&uffd->log, page, range->flags, true);
	install(uffd, page, uffd->served, 0);
}

void uffd_serve(struct uffd *uffd, uint64_t page)
{
	const struct uffd_range *range;

	pthread_mutex_lock(&uffd->lock);
	range = uffd_find(uffd, page);
	if (range && range->kind == RANGE_MOVED)
		serve_moved(uffd, range, page);
	else
		serve_unknown(uffd, page);
	pthread_mutex_unlock(&uffd->lock);
}

void uffd_serve_write(struct uffd *uffd, uint64_t page)
{
	struct uffdio_writeprotect allow = { .range = { page, CHOP_PAGE_SIZE } };
	const struct uffd_range *range;
	uint8_t content[CHOP_PAGE_SIZE];

	pthread_mutex_lock(&uffd->lock);
	range = uffd_find(uffd, page);
	if (range && !uffd->complete && !uffd_shared_get(uffd, range, page)) {
		if (memory_read(uffd->base.tracee, page, content, sizeof(content)))
			atomic_store(&uffd->failed, true);
		else
			uffd_shared_put(uffd, range, page, content);
	}
	while (ioctl(uffd->sync_fd, UFFDIO_WRITEPROTECT, &allow)) {
		if (errno == EAGAIN)
			continue;
		wake(uffd->sync_fd, page);
		break;
	}
	pthread_mutex_unlock(&uffd->lock);
}

static void monitor(struct uffd *uffd, int fd)
{
	struct uffd_msg messages[MESSAGES];

	while (!atomic_load(&uffd->stop)) {
		ssize_t got = read(fd, messages, sizeof(messages));

		if (got < 0 && errno != EINTR && errno != EAGAIN)
			return;
		for (ssize_t i = 0; i < got / (ssize_t)sizeof(*messages); i++) {
			uint64_t page =
				messages[i].arg.pagefault.address & -(uint64_t)CHOP_PAGE_SIZE;

			if (messages[i].event != UFFD_EVENT_PAGEFAULT)
				continue;
			if (fd == uffd->fd)
				uffd_serve(uffd, page);
			else
				uffd_serve_write(uffd, page);
		}
	}
}

static void *monitor_missing(void *uffd)
{
	monitor(uffd, ((struct uffd *)uffd)->fd);
	return NULL;
}

static void *monitor_writes(void *uffd)
{
	monitor(uffd, ((struct uffd *)uffd)->sync_fd);
	return NULL;
}

static void nothing(int signal)
{
	(void)signal;
}

int uffd_start_monitors(struct uffd *uffd)
{
	static void *(*const functions[])(void *) = { monitor_missing, monitor_writes };
	struct sigaction action = { .sa_handler = nothing };
	sigset_t all, old;
	int error = 0;

	/* Signals for us are the main thread's; one only interrupts the read at the end. */
	sigaction(STOP_SIGNAL, &action, NULL);
	sigfillset(&all);
	sigdelset(&all, STOP_SIGNAL);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (!error && uffd->running < 2) {
		error = pthread_create(&uffd->monitors[uffd->running], NULL,
				       functions[uffd->running], uffd);
		uffd->running += !error;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return error ? err_sys(CHOP_MISSING, error, "cannot start a thread") : 0;
}

void uffd_stop_monitors(struct uffd *uffd)
{
	atomic_store(&uffd->stop, true);
	while (uffd->running) {
		struct timespec soon;

		/* Again and again: one may miss the read it was to interrupt. */
		pthread_kill(uffd->monitors[uffd->running - 1], STOP_SIGNAL);
		clock_gettime(CLOCK_REALTIME, &soon);
		soon.tv_nsec += 2000000;
		if (soon.tv_nsec >= 1000000000) {
			soon.tv_nsec -= 1000000000;
			soon.tv_sec++;
		}
		if (!pthread_timedjoin_np(uffd->monitors[uffd->running - 1], NULL, &soon))
			uffd->running--;
	}
}
