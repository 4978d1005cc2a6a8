// SPDX-License-Identifier: Apache-2.0
/*
 * The program replaces itself by another one (execve(2)): that one is loaded beside it and
 * goes on in translation. What the kernel does besides is done here: descriptors, signals,
 * timers, names. The memory of the program before stays mapped, so that its addresses keep
 * their names. Whatever cannot be done so is the kernel's: the trace ends there.
 */
#include "memtrace/live_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <chop/arch.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"

#define EXECUTIONS_MAX 64
#define STRINGS_MAX    (1UL << 20) /* bytes of arguments and environment: else the kernel's */

/* ---- what the program passes on, from its memory */

static bool read_memory(uint64_t from, void *to, size_t size)
{
	struct iovec local = { to, size };
	struct iovec remote = { (void *)(uintptr_t)from, size };

	return process_vm_readv(gettid(), &local, 1, &remote, 1, 0) == (ssize_t)size;
}

/* A string, or NULL when it is not there or too long. */
static char *read_string(uint64_t from)
{
	cleanup_buf struct buf text = { 0 };
	char piece[CHOP_PAGE_SIZE];

	while (text.length < STRINGS_MAX) {
		size_t size = CHOP_PAGE_SIZE - from % CHOP_PAGE_SIZE;
		const char *end;

		if (!read_memory(from, piece, size))
			return NULL;
		end = memchr(piece, 0, size);
		buf_add(&text, piece, end ? (size_t)(end - piece) : size);
		if (end)
			return xstrdup(buf_text(&text));
		from += size;
	}
	return NULL;
}

static void free_strings(char **strings)
{
	for (size_t i = 0; strings && strings[i]; i++)
		free(strings[i]);
	free(strings);
}

/* A vector of strings; *size: bytes so far. NULL when something is not there. */
static char **read_strings(uint64_t from, size_t *size)
{
	VEC(char *) strings = { 0 };
	uint64_t at;

	while (from) {
		char *string;

		if (!read_memory(from, &at, sizeof(at)))
			break;
		from += sizeof(at);
		string = at ? read_string(at) : NULL;
		*size += string ? strlen(string) + 1 + sizeof(at) : 0;
		*vec_push(&strings) = string;
		if (!at)
			return strings.items;
		if (!string || *size > STRINGS_MAX)
			break;
	}
	*vec_push(&strings) = NULL;
	free_strings(strings.items);
	return NULL;
}

/* ---- what the kernel does */

void live_close_on_exec(int first)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	VEC(int) fds = { 0 };

	while (dir && (entry = readdir(dir))) {
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] != '.' && fd >= first && fd != dirfd(dir) &&
		    fcntl(fd, F_GETFD) & FD_CLOEXEC)
			*vec_push(&fds) = fd;
	}
	if (dir)
		closedir(dir);
	for (size_t i = 0; i < fds.length; i++)
		close(fds.items[i]);
	vec_release(&fds);
}

/* Those of timer_create; the interval timers stay. */
static void delete_timers(void)
{
	cleanup_buf struct buf text = { 0 };
	const char *at;

	if (io_read_file("/proc/self/timers", &text)) {
		err_clear();
		return;
	}
	for (at = buf_text(&text); (at = strstr(at, "ID: ")); at++)
		syscall(SYS_timer_delete, atoi(at + 4));
}

/* Another identity, a file that may not be executed or read, another format: not by us. */
static bool is_ordinary(const char *path)
{
	struct stat status;
	char value[8];

	return !faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) &&
	       !faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) && !stat(path, &status) &&
	       S_ISREG(status.st_mode) && !(status.st_mode & (S_ISUID | S_ISGID)) &&
	       getxattr(path, "security.capability", value, sizeof(value)) < 0 && errno != ERANGE;
}

/* ---- */

/* A program that must lie where the one before it is: that one goes, as it would have. */
static void make_room(struct live *live)
{
	uint64_t end = (live->process->brk + CHOP_PAGE_SIZE - 1) & -(uint64_t)CHOP_PAGE_SIZE;

	if (live->process->image.low < CHOP_PIE_BASE && live->process->image.low < end)
		munmap((void *)live->process->image.low, end - live->process->image.low);
}

static int load(struct live *live, const struct live_program *program)
{
	struct live_process before = *live->process;
	int error;

	live->process->program = program;
	live->process->executions++;
	memset(&live->process->image, 0, sizeof(live->process->image));
	error = live_load(live);
	/* without an interpreter it may be one of those that arrange their address space */
	if (!error && live->process->image.base)
		return 0;
	err_clear();
	*live->process = before;
	return error ? error : -ENOEXEC;
}

static void begin(struct live *live, struct chop_regs *regs)
{
	delete_timers();
	live_close_on_exec(0);
	live_signals_reset(live);
	syscall(SYS_set_robust_list, NULL, 3 * sizeof(void *));
	syscall(SYS_set_tid_address, NULL);
	engine_forget_all(live->engine);
	live->process->guarded.length = 0;
	live->process->checked = live->process->checked_end = 0;
	live_show_program(live);
	engine_set_xstate(live->engine, live_start_xstate(), CHOP_PAGE_SIZE);
	live_start_regs(live, regs);
}

/* The strings are copied to the new stack; the structure is needed no longer than that. */
static bool become(struct live *live, struct live_program *program)
{
	int error = is_ordinary(program->path) ? load(live, program) : -EACCES;

	if (error != -EEXIST)
		return !error;
	/* two programs for one place: nothing of the first is needed any more */
	make_room(live);
	if (!load(live, program))
		return true;
	/* nor is there a way back */
	engine_hand_over(live->engine);
	live->process->report->live = LIVE_EXECUTES;
	execve(program->path, program->argv, program->envp);
	_exit(127);
}

enum engine_result live_execute(struct live *live, struct chop_regs *regs)
{
	size_t size = 0;
	char *path = read_string(regs->rdi);
	char **argv = read_strings(regs->rsi, &size), **envp = read_strings(regs->rdx, &size);
	struct live_program *program = xcalloc(1, sizeof(*program)); /* lives on */
	bool done;

	*program = *live->process->program;
	program->path = path;
	program->argv = argv;
	program->envp = envp;
	done = path && argv && argv[0] && envp && live->process->executions < EXECUTIONS_MAX &&
	       become(live, program);
	if (done) {
		begin(live, regs);
		return ENGINE_CONTINUE;
	}
	free_strings(argv);
	free_strings(envp);
	free(path);
	free(program);
	return ENGINE_REFUSED;
}
