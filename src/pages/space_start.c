// SPDX-License-Identifier: Apache-2.0
/* Getting a pager into a program; declared in space.h. */
#include "pages/space.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "tracee/give.h"
#include "tracee/inner_id.h"
#include "tracee/proc_stat.h"

extern const uint8_t pager_code[], pager_code_end[];

#define PAGER_CALL_OFFSET 64 /* entry.S: pager_call */

static uint64_t round_up(uint64_t size, uint64_t unit)
{
	return (size + unit - 1) / unit * unit;
}

static uint64_t power_of_two(uint64_t least)
{
	uint64_t value = 1;

	while (value < least)
		value *= 2;
	return value;
}

static uint64_t stack_limit(pid_t pid)
{
	struct rlimit limit;

	if (prlimit(pid, RLIMIT_STACK, NULL, &limit) || limit.rlim_cur > 64 << 20)
		return 64 << 20;
	return round_up(limit.rlim_cur, CHOP_PAGE_SIZE);
}

static void fill_setup(struct space *space, const struct journal *journal,
		       const struct space_setup *setup)
{
	struct pager_setup *pager = &space->setup;

	*pager = (struct pager_setup){
		.state = PAGER_STARTING,
		.slices = setup->slices,
		.copies = setup->copies,
		.wants_faults = journal->table != NULL,
		.ring = 1 << 14,
		.slots = setup->slots,
		.buckets = power_of_two(setup->slots / 2 + 1024),
		.ranges = 1 << 17,
		.sample_limit = setup->sample_limit,
		.stack_reserve = stack_limit(space->pid),
	};
	space_split_window(setup, setup->window, &pager->window, &pager->second);
	space->window_now = setup->window;
	pager->shared_size =
		round_up(sizeof(struct pager_shared) + pager->ring * sizeof(struct pager_record),
			 CHOP_PAGE_SIZE);
	pager->size = PAGER_CODE_SIZE + PAGER_STACK_SIZE +
		      round_up(PAGER_TABLES_SIZE(pager), CHOP_PAGE_SIZE);
}

/* Pages of a pager, perhaps one whose chop was killed. */
static bool is_ours(const struct vma *vma)
{
	return vma->start >= PAGER_ADDRESS && vma->start < PAGER_SHARED + (1ULL << 36);
}

/* The program's own way into the kernel: the vdso has one, so has the C library. */
static int find_call_pc(struct space *space)
{
	struct vma vma = { 0 };

	while (!vma_next(&space->vmas, vma.end, &vma)) {
		size_t size = vma.end - vma.start;
		cleanup_free uint8_t *code = NULL;
		const uint8_t *found;

		if (!(vma.protection & PROT_EXEC) || vma.start >> 47 || size > 64 << 20 ||
		    is_ours(&vma))
			continue;
		code = xmalloc(size);
		if (io_pread(space->memory, code, size, vma.start))
			continue;
		found = memmem(code, size, arch_call_instruction, arch_call_instruction_size);
		if (!found)
			continue;
		space->call_pc = vma.start + (uint64_t)(found - code);
		return 0;
	}
	return err_set(CHOP_MISSING, ENOSYS,
		       "process %d has no system-call instruction that could be used", space->pid);
}

static int inject(struct space *space, struct tasks *tasks, struct task *task, uint64_t pc,
		  const struct arch_entry *call, const char *what)
{
	int64_t result;
	int error = task_inject(tasks, task, pc, call, &result);

	if (error)
		return err_set(CHOP_MISSING, -error, "process %d died while its tracing began",
			       space->pid);
	if (result < 0)
		return err_sys(CHOP_MISSING, (int)-result, "cannot %s in process %d", what,
			       space->pid);
	return (int)result;
}

static int map_pages(struct space *space, struct tasks *tasks, struct task *task)
{
	const struct arch_entry map = {
		.number = SYS_mmap,
		.args = { PAGER_ADDRESS, space->setup.size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE,
			  (uint64_t)-1 },
	};
	const struct arch_entry protect = {
		.number = SYS_mprotect,
		.args = { PAGER_ADDRESS, PAGER_CODE_SIZE, PROT_READ | PROT_EXEC },
	};
	int error = inject(space, tasks, task, space->call_pc, &map, "map pages");

	if (error >= 0)
		error = inject(space, tasks, task, space->call_pc, &protect, "protect pages");
	return error < 0 ? error : 0;
}

/* What a killed chop left: its pager has put the memory back, or is about to. */
pid_t space_await_other(const struct space *space)
{
	struct timespec nap = { 0, 1000000 };
	struct pager_setup setup;
	pid_t pager;

	if (io_pread(space->memory, &setup, sizeof(setup), PAGER_STATE) || setup.pid <= 0)
		return 0;
	pager = space->inside ? inner_find(space->inside, setup.pid) : setup.pid;
	for (int i = 0; i < 5000; i++) {
		cleanup_free char *path = xasprintf("/proc/%d/comm", pager);
		cleanup_buf struct buf name = { 0 };
		char state;

		if (access(path, R_OK) || io_read_file(path, &name) ||
		    strcmp(buf_text(&name), "chop-pager\n"))
			return 0;
		state = proc_stat_state(pager);
		if (!state || state == 'Z')
			break;
		nanosleep(&nap, NULL);
	}
	return setup.pid;
}

static int remove_leftovers(struct space *space, struct tasks *tasks, struct task *task)
{
	struct vma vma = { .end = PAGER_ADDRESS };

	while (!vma_next(&space->vmas, vma.end, &vma) && is_ours(&vma)) {
		const struct arch_entry unmap = {
			.number = SYS_munmap,
			.args = { vma.start, vma.end - vma.start },
		};
		int error;

		if (vma.start == PAGER_ADDRESS)
			space_reap(space, tasks, task, space_await_other(space));
		error = inject(space, tasks, task, space->call_pc, &unmap, "unmap pages");
		if (error)
			return error;
	}
	return 0;
}

static int write_pages(struct space *space)
{
	int error = io_pwrite(space->memory, pager_code, (size_t)(pager_code_end - pager_code),
			      PAGER_ADDRESS);

	if (!error)
		error = io_pwrite(space->memory, &space->setup, sizeof(space->setup), PAGER_STATE);
	if (error)
		return err_sys(CHOP_MISSING, -error, "cannot write memory of process %d",
			       space->pid);
	return 0;
}

/* What it maps for the program is not the program's. It tries by itself, but we may do more. */
static void lift_limits(pid_t pager)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };

	prlimit(pager, RLIMIT_AS, &unlimited, NULL);
	prlimit(pager, RLIMIT_DATA, &unlimited, NULL);
}

static int clone_pager(struct space *space, struct tasks *tasks, struct task *task)
{
	/* Memory and nothing else; no signal at its end; not traced by us. */
	const struct arch_entry clone = {
		.number = SYS_clone,
		.args = { CLONE_VM | CLONE_UNTRACED, PAGER_STATE - 256 },
	};
	int pid = inject(space, tasks, task, PAGER_ADDRESS, &clone, "start the pager");

	if (pid < 0)
		return pid;
	space->pager_inner = pid;
	space->pager = space->inside ? inner_find(space->inside, pid) : pid;
	lift_limits(space->pager);
	space->pager_fd = (int)syscall(SYS_pidfd_open, space->pager, 0);
	if (space->pager_fd < 0)
		return err_sys(CHOP_MISSING, errno, "cannot open the pager of process %d",
			       space->pid);
	return 0;
}

static int pager_failed(const struct space *space, const struct pager_setup *setup)
{
	if (setup->where == 1 && setup->error == -EPERM)
		return err_set(CHOP_MISSING, EPERM,
			       "userfaultfd is not allowed for process %d; run it as root, make "
			       "/dev/userfaultfd accessible, or set vm.unprivileged_userfaultfd=1",
			       space->pid);
	if (setup->where <= 3)
		return err_sys(CHOP_MISSING, -setup->error,
			       "userfaultfd does not do what page tracing needs (Linux 5.7 does, "
			       "6.8 better; chop check tells more)");
	if (setup->error == -EFBIG)
		return err_set(
			CHOP_MISSING, EFBIG,
			"process %d may have no files of %llu KB (ulimit -f), which its pager "
			"needs in memory",
			space->pid, (unsigned long long)setup->shared_size >> 10);
	return err_sys(CHOP_MISSING, -setup->error,
		       "the pager of process %d cannot start (step %u)", space->pid, setup->where);
}

/*
 * The program may not have userfaultfd (it gave up being root, or is in a container), but we
 * may. An empty message when we may not either.
 */
static void give_device(const struct space *space)
{
	cleanup_close int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	cleanup_close int socket =
		(int)syscall(SYS_pidfd_getfd, space->pager_fd, space->setup.socket, 0);

	if (socket >= 0 && (device < 0 || give_send(socket, device)))
		send(socket, "", 1, MSG_NOSIGNAL);
}

/* A few calls away: look until it says so. */
static int await_start(struct space *space)
{
	struct timespec nap = { 0, 20000 };
	struct pager_setup *setup = &space->setup;
	bool given = false;

	for (;;) {
		int error = io_pread(space->memory, setup, sizeof(*setup), PAGER_STATE);

		if (error)
			return err_sys(CHOP_MISSING, -error, "cannot read memory of process %d",
				       space->pid);
		if (setup->state == PAGER_SERVING)
			return 0;
		if (setup->state == PAGER_FAILED)
			return pager_failed(space, setup);
		if (setup->state == PAGER_ASKING && !given) {
			give_device(space);
			given = true;
		}
		if (space_pager_died(space))
			return err_set(CHOP_MISSING, ESRCH,
				       "the pager of process %d was killed (by a seccomp filter?)",
				       space->pid);
		nanosleep(&nap, NULL);
	}
}

static int fetch(struct space *space, int theirs, const char *what)
{
	int fd = (int)syscall(SYS_pidfd_getfd, space->pager_fd, theirs, 0);

	if (fd < 0)
		return err_sys(CHOP_MISSING, errno, "cannot get the %s of process %d", what,
			       space->pid);
	return fd;
}

/* Held by the thread that traces until the space is freed. */
static void hold_owner(struct pager_shared *shared)
{
	pthread_mutex_t *mutex = (pthread_mutex_t *)(void *)shared->owner;
	pthread_mutexattr_t attributes;

	_Static_assert(sizeof(*mutex) <= sizeof(shared->owner), "room for a mutex");
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(mutex, &attributes);
	pthread_mutexattr_destroy(&attributes);
	pthread_mutex_lock(mutex);
}

/* Without it, instruction pointers are not known, and said not to be. */
static void give_faults(struct space *space, struct journal *journal)
{
	cleanup_close int socket = -1;
	uint32_t number;

	if (!journal->table || space->setup.socket < 0)
		return;
	socket = (int)syscall(SYS_pidfd_getfd, space->pager_fd, space->setup.socket, 0);
	number = fault_table_add_space(journal->table);
	if (socket >= 0 && number && !fault_table_send(journal->table, socket) &&
	    !space_do(space, PAGER_FAULT_TABLE, number, 0)) {
		space->fault_space = number;
		fault_table_watch(journal->table, space->pid, number);
		return;
	}
	log_verbose("process %d: its page faults cannot be had from BPF", space->pid);
	fault_table_drop_space(journal->table, number);
}

/* Its end of the pipe is closed: only ours tells it that we live. */
static int take_hold(struct space *space, struct journal *journal)
{
	cleanup_close int memfd = fetch(space, space->setup.memfd, "shared pages");
	void *shared;

	if (memfd < 0)
		return memfd;
	space->uffd = fetch(space, space->setup.uffd, "userfaultfd");
	space->pipe = space->uffd < 0 ? -1 : fetch(space, space->setup.pipe_out, "pipe");
	if (space->pipe < 0)
		return -EPERM;
	shared = mmap(NULL, space->setup.shared_size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	if (shared == MAP_FAILED)
		return err_sys(CHOP_MISSING, errno, "cannot map the pager's pages");
	space->shared = shared;
	hold_owner(shared);
	space->serving = true;
	space->feed = journal_add(journal, shared, space->setup.ring, space->pid, space->inside);
	give_faults(space, journal);
	return space_do(space, PAGER_HELLO, 0, 0);
}

/* A 32-bit program has other calls, and no room where the pager lives. */
static int refuse_32_bit(const struct space *space)
{
	cleanup_free char *path = xasprintf("/proc/%d/exe", space->pid);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned char ident[EI_NIDENT] = { 0 };

	if (fd < 0 || io_pread(fd, ident, sizeof(ident), 0) || ident[EI_CLASS] != ELFCLASS32)
		return 0;
	return err_set(CHOP_USAGE, ENOEXEC,
		       "process %d is a 32-bit program; chop handles 64-bit x86-64 only",
		       space->pid);
}

/* Its pages are there: write what it needs, start it, and wait until it works. */
static int start_pager(struct space *space, struct tasks *tasks, struct task *task,
		       struct journal *journal)
{
	int error = write_pages(space);

	if (!error)
		error = clone_pager(space, tasks, task);
	if (!error)
		error = await_start(space);
	if (!error)
		error = take_hold(space, journal);
	return error;
}

int space_start(struct space *space, struct tasks *tasks, struct task *task,
		struct journal *journal, const struct space_setup *setup)
{
	int error = refuse_32_bit(space);

	fill_setup(space, journal, setup);
	if (!error)
		error = find_call_pc(space);
	if (!error)
		error = remove_leftovers(space, tasks, task);
	if (!error)
		error = map_pages(space, tasks, task);
	return error ? error : start_pager(space, tasks, task, journal);
}

int space_start_child(struct space *space, const struct space *parent, struct tasks *tasks,
		      struct task *task, struct journal *journal)
{
	int error;

	space->call_pc = parent->call_pc;
	space->break_end = parent->break_end;
	space->window_now = parent->window_now;
	error = io_pread(space->memory, &space->setup, sizeof(space->setup), PAGER_STATE);
	if (error)
		return err_sys(CHOP_MISSING, -error, "cannot read memory of process %d",
			       space->pid);
	space->setup.state = PAGER_STARTING;
	space->setup.inherit = 1;
	return start_pager(space, tasks, task, journal);
}
