// SPDX-License-Identifier: Apache-2.0
#include "capture/uffd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "tracee/give.h"
#include "tracee/inject.h"
#include "tracee/memory.h"
#include "tracee/threads.h"

#define FEATURES_COMMON                                                 \
	(UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_WP_UNPOPULATED | \
	 UFFD_FEATURE_WP_HUGETLBFS_SHMEM)
#define DEVICE "/dev/userfaultfd"
/* Descriptors a program needs room for meanwhile; a limit of many is not looked at. */
#define DESCRIPTORS_SPARE 8
#define DESCRIPTORS_MANY  4096

#define HOW_TO_ALLOW                                                           \
	"run as root, or set vm.unprivileged_userfaultfd=1, or give yourself " \
	"access to " DEVICE

static struct uffd *uffd_of(struct backend *backend)
{
	return (struct uffd *)backend;
}

/* -- opening: descriptors made by the program, taken over by us -------------------------- */

static int no_permission(int error)
{
	if (error == ENOSYS)
		return err_set(CHOP_MISSING, ENOSYS, "this kernel has no userfaultfd");
	if (error == EMFILE)
		return err_set(CHOP_MISSING, EMFILE,
			       "the program's limit on open files (ulimit -n) leaves no room for "
			       "two more: raise it");
	return err_sys(CHOP_MISSING, error, "userfaultfd is not allowed (%s)", HOW_TO_ALLOW);
}

/* The program opens the device file, or gets our descriptor of it: *fd in the program. */
static int device_of(struct tracee *tracee, struct thread *thread, int *fd)
{
	struct arch_entry open_call = {
		.number = SYS_openat,
		.args = { (uint64_t)AT_FDCWD, inject_buffer(tracee), O_RDWR | O_CLOEXEC },
	};
	int error = memory_write(tracee, inject_buffer(tracee), DEVICE, sizeof(DEVICE));
	cleanup_close int ours = -1;

	if (!error)
		error = inject_run(tracee, thread, &open_call, 1);
	if (error)
		return error;
	*fd = (int)open_call.result;
	if (*fd >= 0)
		return 0;
	/* It is another user than we are, or sees other files. */
	ours = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (ours < 0)
		return no_permission(errno);
	error = give_descriptor(tracee, thread, ours, fd);
	return error ? no_permission(-error) : 0;
}

/* Two by the device file; results like those of the system call. */
static int open_device(struct tracee *tracee, struct thread *thread, struct arch_entry *made)
{
	struct arch_entry calls[3];
	int fd = -1, error = device_of(tracee, thread, &fd);

	if (error)
		return error;
	for (size_t i = 0; i < 2; i++)
		calls[i] = (struct arch_entry){
			.number = SYS_ioctl,
			.args = { (uint64_t)fd, USERFAULTFD_IOC_NEW, O_CLOEXEC },
		};
	calls[2] = (struct arch_entry){ .number = SYS_close, .args = { (uint64_t)fd } };
	error = inject_run(tracee, thread, calls, 3);
	memcpy(made, calls, 2 * sizeof(*made));
	return error;
}

/* Have the program make two descriptors, and close them there once we have them. */
static int make_descriptors(struct uffd *uffd, struct thread *thread)
{
	struct tracee *tracee = uffd->base.tracee;
	struct arch_entry made[2] = {
		{ .number = SYS_userfaultfd, .args = { O_CLOEXEC } },
		{ .number = SYS_userfaultfd, .args = { O_CLOEXEC } },
	};
	struct arch_entry closing[2];
	cleanup_close int process = (int)syscall(SYS_pidfd_open, tracee->pid, 0);
	int error = inject_run(tracee, thread, made, 2);

	if (!error && made[0].result < 0)
		error = made[0].result == -EPERM ? open_device(tracee, thread, made)
						 : no_permission((int)-made[0].result);
	if (error)
		return error;
	for (size_t i = 0; i < 2; i++) {
		int *fd = i ? &uffd->sync_fd : &uffd->fd;

		if (made[i].result >= 0)
			*fd = (int)syscall(SYS_pidfd_getfd, process, made[i].result, 0);
		closing[i] = (struct arch_entry){
			.number = SYS_close,
			.args = { (uint64_t)made[i].result },
		};
	}
	if (made[0].result < 0 || made[1].result < 0)
		error = no_permission((int)-(made[0].result < 0 ? made[0] : made[1]).result);
	else if (uffd->fd < 0 || uffd->sync_fd < 0)
		error = err_sys(CHOP_MISSING, errno, "cannot take over a userfaultfd");
	inject_run(tracee, thread, closing, 2);
	return error;
}

/* Room for the descriptors, where the program's limit leaves it none: *before is to be restored. */
static bool make_room(pid_t pid, struct rlimit *before)
{
	struct rlimit more;

	if (prlimit(pid, RLIMIT_NOFILE, NULL, before) || before->rlim_cur >= DESCRIPTORS_MANY)
		return false;
	more.rlim_cur = more.rlim_max = before->rlim_cur + DESCRIPTORS_SPARE;
	if (more.rlim_max < before->rlim_max)
		more.rlim_max = before->rlim_max;
	if (!prlimit(pid, RLIMIT_NOFILE, &more, NULL))
		return true;
	/* Without CAP_SYS_RESOURCE no further than this. */
	more.rlim_cur = more.rlim_max = before->rlim_max;
	return !prlimit(pid, RLIMIT_NOFILE, &more, NULL);
}

static int make_descriptors_in_room(struct uffd *uffd, struct thread *thread)
{
	pid_t pid = uffd->base.tracee->pid;
	struct rlimit before;
	bool raised = make_room(pid, &before);
	int error = make_descriptors(uffd, thread);

	if (raised)
		prlimit(pid, RLIMIT_NOFILE, &before, NULL);
	return error;
}

static int set_features(const struct uffd *uffd)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = FEATURES_COMMON | UFFD_FEATURE_WP_ASYNC,
	};
	struct uffdio_api sync_api = { .api = UFFD_API, .features = FEATURES_COMMON };

	if (!ioctl(uffd->fd, UFFDIO_API, &api) && !ioctl(uffd->sync_fd, UFFDIO_API, &sync_api))
		return 0;
	return err_sys(CHOP_MISSING, errno,
		       "userfaultfd cannot note writes asynchronously (Linux 6.7 can)");
}

static void uffd_close(struct backend *backend)
{
	struct uffd *uffd = uffd_of(backend);

	uffd_stop_monitors(uffd);
	if (uffd->fd >= 0)
		close(uffd->fd);
	if (uffd->sync_fd >= 0)
		close(uffd->sync_fd);
	vec_release(&uffd->ranges);
	vec_release(&uffd->calls);
	pagelog_release(&uffd->log);
	page_free(uffd->served, CHOP_PAGE_SIZE);
	shared_pages_release(&uffd->shared);
	pthread_mutex_destroy(&uffd->lock);
	free(uffd);
}

static int uffd_open(struct tracee *tracee, struct thread *thread, struct backend **backend)
{
	struct uffd *uffd = xcalloc(1, sizeof(*uffd));
	int error;

	uffd->base = (struct backend){ .ops = &uffd_backend, .tracee = tracee };
	uffd->fd = uffd->sync_fd = -1;
	pthread_mutex_init(&uffd->lock, NULL);
	uffd->served = page_alloc(CHOP_PAGE_SIZE);
	error = uffd->served ? make_descriptors_in_room(uffd, thread)
			     : err_set(CHOP_MISSING, ENOMEM, "out of memory");
	if (!error)
		error = set_features(uffd);
	if (!error)
		error = uffd_start_monitors(uffd);
	uffd->base.held[0] = uffd->fd;
	uffd->base.held[1] = uffd->sync_fd;
	uffd->base.held_count = 2;
	if (error)
		uffd_close(&uffd->base);
	else
		*backend = &uffd->base;
	return error;
}

/* -- the region ------------------------------------------------------------------------ */

static int uffd_begin(struct backend *backend, struct thread *owner, struct capture *capture)
{
	struct uffd *uffd = uffd_of(backend);
	int error;

	pthread_mutex_lock(&uffd->lock);
	uffd->capture = capture;
	uffd->grown = 0;
	uffd->planned = uffd->armed = uffd->complete = false;
	atomic_store(&uffd->failed, false);
	pagelog_begin(&uffd->log, capture);
	pthread_mutex_unlock(&uffd->lock);
	error = uffd_arm(uffd, owner);
	if (error && uffd->planned) {
		uffd_collect(uffd, false);
		uffd_home(uffd, owner);
	} else if (error) {
		uffd_forget(uffd);
	}
	return error;
}

/*
 * A page that is on its way: moved and not registered yet, or no more. Only a program that
 * is killed in the middle of that comes here; the kernel wants the page where it was.
 */
static int bring(struct uffd *uffd, const struct uffd_range *range, uint64_t page)
{
	const struct tracee *tracee = uffd->base.tracee;
	uint8_t content[CHOP_PAGE_SIZE];

	if (memory_read(tracee, range->shadow + (page - range->start), content, sizeof(content)))
		return 0; /* not moved: it was never there */
	return memory_write(tracee, page, content, sizeof(content));
}

static int uffd_make_present(struct backend *backend, uint64_t address)
{
	struct uffd *uffd = uffd_of(backend);
	uint64_t page = address & -(uint64_t)CHOP_PAGE_SIZE, entry;
	struct uffd_range *range = uffd_find(uffd, page);

	if (!range || (range->kind != RANGE_MOVED && range->kind != RANGE_SHARED))
		return 0;
	if (range->kind == RANGE_SHARED) {
		uffd_serve_write(uffd, page);
		return 0;
	}
	if (memory_pagemap(backend->tracee, page, &entry, 1))
		return -EIO;
	if (entry & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED))
		return 0;
	if (!range->registered)
		return bring(uffd, range, page);
	uffd_serve(uffd, page);
	return 0;
}

static int uffd_end(struct backend *backend, struct thread *owner, bool keep)
{
	struct uffd *uffd = uffd_of(backend);
	int error = uffd_collect(uffd, keep);
	int home_error = uffd_home(uffd, owner);

	if (!error && keep && (atomic_load(&uffd->failed) || uffd->log.lost))
		error = err_set(CHOP_MISSING, ENOMEM,
				"the capture is not complete: out of memory, or a page could not "
				"be read");
	return home_error ? home_error : error;
}

static void uffd_drop(struct backend *backend)
{
	uffd_forget(uffd_of(backend));
}

static void uffd_pin(struct backend *backend, int cpu)
{
	const struct uffd *uffd = uffd_of(backend);
	cpu_set_t set;

	CPU_ZERO(&set);
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (cpu < 0 || i == cpu)
			CPU_SET(i, &set);
	}
	for (int i = 0; i < uffd->running; i++)
		pthread_setaffinity_np(uffd->monitors[i], sizeof(set), &set);
}

const struct backend_ops uffd_backend = {
	.name = "uffd",
	.open = uffd_open,
	.close = uffd_close,
	.begin = uffd_begin,
	.make_present = uffd_make_present,
	.snapshot = uffd_snapshot,
	.changes = uffd_changes,
	.present = uffd_present,
	.release = uffd_release,
	.settle = uffd_settle,
	.end = uffd_end,
	.drop = uffd_drop,
	.owns = uffd_owns,
	.pin = uffd_pin,
};
