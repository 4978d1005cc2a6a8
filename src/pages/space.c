// SPDX-License-Identifier: Apache-2.0
#include "pages/space.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "tracee/inner_id.h"

/* VMS' proportions: a small second segment is enough to come close to LRU. */
void space_split_window(const struct space_setup *setup, uint64_t window, uint64_t *open,
			uint64_t *second)
{
	*second = setup->fifo || setup->slices ? 0 : window / 4;
	*open = window - *second;
}

struct space *space_new(pid_t pid)
{
	cleanup_free char *path = xasprintf("/proc/%d/mem", pid);
	struct space *space = xcalloc(1, sizeof(*space));

	space->pid = pid;
	space->inside = inner_namespace(pid);
	space->processes = 1;
	space->uffd = space->pipe = space->pager_fd = -1;
	space->memory = open(path, O_RDWR | O_CLOEXEC);
	vma_open(&space->vmas, pid);
	pthread_mutex_init(&space->lock, NULL);
	return space;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void space_free(struct space *space)
{
	close_fd(&space->memory);
	close_fd(&space->uffd);
	close_fd(&space->pipe);
	close_fd(&space->pager_fd);
	vma_close(&space->vmas);
	if (space->shared) {
		pthread_mutex_unlock((pthread_mutex_t *)(void *)space->shared->owner);
		munmap(space->shared, space->setup.shared_size);
	}
	pthread_mutex_destroy(&space->lock);
	vec_release(&space->excluded);
	free(space);
}

/* -- commands ------------------------------------------------------------------------------- */

bool space_pager_died(const struct space *space)
{
	struct pollfd fd = { space->pager_fd, POLLIN, 0 };

	return poll(&fd, 1, 0) > 0;
}

/* The reply's futex is in the shared pages; a pager that died never answers. */
static int await_reply(struct space *space, uint32_t sequence)
{
	struct pager_shared *shared = space->shared;
	struct timespec wait = { 0, 100000000 };

	for (;;) {
		uint32_t replied = __atomic_load_n(&shared->replied, __ATOMIC_ACQUIRE);

		if (replied == sequence)
			return 0;
		if (space_pager_died(space) &&
		    __atomic_load_n(&shared->replied, __ATOMIC_ACQUIRE) != sequence)
			return -ESRCH;
		syscall(SYS_futex, &shared->replied, FUTEX_WAIT, replied, &wait, NULL, 0);
	}
}

static int give(struct space *space, struct pager_command *commands, unsigned int count)
{
	struct pager_shared *shared = space->shared;
	uint32_t sequence = shared->sequence + 1;
	int error;

	memcpy(shared->commands, commands, count * sizeof(*commands));
	shared->count = count;
	__atomic_store_n(&shared->sequence, sequence, __ATOMIC_RELEASE);
	if (write(space->pipe, "", 1) != 1 && errno != EAGAIN)
		return -ESRCH;
	error = await_reply(space, sequence);
	if (!error)
		memcpy(commands, shared->commands, count * sizeof(*commands));
	return error;
}

int space_command(struct space *space, struct pager_command *commands, unsigned int count)
{
	int error = 0;

	pthread_mutex_lock(&space->lock);
	if (!space->serving)
		error = -ESRCH;
	for (unsigned int done = 0; done < count && !error; done += PAGER_COMMANDS) {
		unsigned int part = count - done < PAGER_COMMANDS ? count - done : PAGER_COMMANDS;

		error = give(space, commands + done, part);
	}
	pthread_mutex_unlock(&space->lock);
	return error;
}

int space_do(struct space *space, uint32_t op, uint64_t start, uint64_t end)
{
	struct pager_command command = { .op = op, .start = start, .end = end };
	int error = space_command(space, &command, 1);

	return error ? error : command.result;
}

/* -- ending --------------------------------------------------------------------------------- */

void space_stop(struct space *space, struct journal *journal)
{
	struct pollfd fd = { space->pager_fd, POLLIN, 0 };

	/* The last slice's writes are known when its pages are closed. */
	if (space->serving && space->setup.slices)
		space_do(space, PAGER_SLICE, 0, 0);
	if (space->serving)
		space_do(space, PAGER_EXIT, 0, 0);
	pthread_mutex_lock(&space->lock);
	space->serving = false;
	pthread_mutex_unlock(&space->lock);
	close_fd(&space->pipe);
	if (space->pager_fd >= 0)
		poll(&fd, 1, 5000);
	if (space->feed)
		journal_remove(journal, space->feed);
	space->feed = NULL;
	fault_table_drop_space(journal->table, space->fault_space);
	space->fault_space = 0;
	close_fd(&space->uffd);
}

/* It is a child of the program that nobody will ever wait for. */
void space_reap(struct space *space, struct tasks *tasks, struct task *task, pid_t pid)
{
	const struct arch_entry wait = {
		.number = SYS_wait4,
		.args = { (uint64_t)pid, 0, __WALL | WNOHANG },
	};
	int64_t result;

	if (pid)
		task_inject(tasks, task, space->call_pc, &wait, &result);
}

void space_clean(struct space *space, struct tasks *tasks, struct task *task)
{
	const struct arch_entry unmap = {
		.number = SYS_munmap,
		.args = { PAGER_ADDRESS, space->setup.size },
	};
	const struct arch_entry unmap_shared = {
		.number = SYS_munmap,
		.args = { PAGER_SHARED, space->setup.shared_size },
	};
	const struct arch_entry unmap_faults = {
		.number = SYS_munmap,
		.args = { PAGER_FAULTS, sizeof(struct pager_faults) },
	};
	int64_t result;

	space_reap(space, tasks, task, space->pager_inner);
	task_inject(tasks, task, space->call_pc, &unmap, &result);
	task_inject(tasks, task, space->call_pc, &unmap_shared, &result);
	task_inject(tasks, task, space->call_pc, &unmap_faults, &result);
}

/* -- small things --------------------------------------------------------------------------- */

/* Never waits: what is missing at home is read where the pager keeps it. */
static int read_piece(const struct space *space, uint64_t address, void *data, size_t size)
{
	static const uint64_t places[] = { 0, PAGER_SHADOW_BIT, PAGER_ORIGIN_BIT };
	int error = -EIO;

	for (size_t i = 0; i < ARRAY_SIZE(places) && error; i++)
		error = io_pread(space->memory, data, size, address ^ places[i]);
	return error;
}

int space_read(const struct space *space, uint64_t address, void *data, size_t size)
{
	char *to = data;
	int error = 0;

	while (size && !error) {
		size_t part = CHOP_PAGE_SIZE - address % CHOP_PAGE_SIZE;

		if (part > size)
			part = size;
		error = read_piece(space, address, to, part);
		address += part;
		to += part;
		size -= part;
	}
	return error;
}

bool space_is_excluded(const struct space *space, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < space->excluded.length; i += 2) {
		if (space->excluded.items[i] < end && space->excluded.items[i + 1] > start)
			return true;
	}
	return false;
}

void space_exclude(struct space *space, uint64_t start, uint64_t end)
{
	*vec_push(&space->excluded) = start;
	*vec_push(&space->excluded) = end;
}

/* Whole ranges only: what is unmapped in part stays out of our care. */
void space_readmit(struct space *space, uint64_t start, uint64_t end)
{
	for (size_t i = space->excluded.length; i; i -= 2) {
		if (space->excluded.items[i - 2] < start || space->excluded.items[i - 1] > end)
			continue;
		vec_remove(&space->excluded, i - 1);
		vec_remove(&space->excluded, i - 2);
	}
}

#define TOMBSTONE UINT32_MAX

static struct pager_call *find_call(const struct space *space, uint32_t tid, bool add)
{
	struct pager_call *free_slot = NULL;

	for (uint32_t i = 0; i < PAGER_CALLS; i++) {
		struct pager_call *call = &space->shared->calls[(tid + i) % PAGER_CALLS];

		if (call->thread == tid)
			return call;
		if (call->thread == TOMBSTONE && !free_slot)
			free_slot = call;
		if (call->thread)
			continue;
		free_slot = free_slot ? free_slot : call;
		break;
	}
	return add ? free_slot : NULL;
}

void space_note_call(struct space *space, pid_t tid, int number, uint64_t ip)
{
	struct pager_call *call = space->serving ? find_call(space, (uint32_t)tid, true) : NULL;

	if (!call)
		return;
	call->number = number;
	call->ip = ip;
	__atomic_store_n(&call->thread, (uint32_t)tid, __ATOMIC_RELEASE);
}

void space_forget_call(struct space *space, pid_t tid)
{
	struct pager_call *call = space->serving ? find_call(space, (uint32_t)tid, false) : NULL;

	if (call)
		call->thread = TOMBSTONE;
}

static void change_unstable(struct space *space, uint32_t by)
{
	struct pager_shared *shared = space->shared;

	if (!space->serving)
		return;
	while (__atomic_exchange_n(&shared->lock, 1, __ATOMIC_ACQUIRE)) {
		if (space_pager_died(space))
			return;
		sched_yield();
	}
	shared->unstable += by;
	__atomic_store_n(&shared->lock, 0, __ATOMIC_RELEASE);
}

void space_unsettle(struct space *space)
{
	change_unstable(space, 1);
}

void space_settle(struct space *space)
{
	change_unstable(space, -1U);
}
