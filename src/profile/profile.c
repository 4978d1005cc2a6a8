// SPDX-License-Identifier: Apache-2.0
#include "profile/profile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "base/map.h"
#include "tracee/child.h"
#include "profile/ring.h"
#include "tracee/interrupt.h"

#define TICK 100 /* ms between looks at the rings */

struct sampling {
	const struct profile_options *options;
	struct profile *profile;
	struct perf_event_attr attr;
	struct rings rings;
	struct child command;
	pid_t pid;
};

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* -- events ----------------------------------------------------------------------------------- */

static void set_event(struct sampling *sampling, uint32_t type, uint64_t config)
{
	sampling->attr = (struct perf_event_attr){
		.size = sizeof(sampling->attr),
		.type = type,
		.config = config,
		.sample_freq = sampling->options->frequency,
		.freq = 1,
		.sample_type = RING_SAMPLE_TYPE,
		.sample_id_all = 1,
		.inherit = 1,
		.disabled = 1,
		.enable_on_exec = sampling->options->argv != NULL,
		.exclude_kernel = sampling->options->user_only,
		.exclude_hv = 1,
		.mmap = 1,
		.mmap2 = 1,
		.comm = 1,
		.comm_exec = 1,
		.task = 1,
		.watermark = 1,
		.wakeup_watermark = RING_SIZE / 4,
	};
}

static int open_event(const struct sampling *sampling, pid_t pid, int cpu)
{
	int fd = (int)syscall(SYS_perf_event_open, &sampling->attr, pid, cpu, -1,
			      PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* The processor's cycles where it counts them, or the kernel's clock. 0 or -errno. */
static int choose_event(struct sampling *sampling, pid_t pid)
{
	static const struct {
		uint32_t type;
		uint64_t config;
		const char *name;
	} events[] = {
		{ PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, "cycles" },
		{ PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK, "cpu-clock" },
	};
	int fd = -ENOENT;

	for (size_t i = 0; i < 2 * ARRAY_SIZE(events) && fd < 0; i++) {
		set_event(sampling, events[i / 2].type, events[i / 2].config);
		if (i % 2) /* perf_event_paranoid may forbid the kernel's time only */
			sampling->attr.exclude_kernel = 1;
		fd = open_event(sampling, pid, -1);
		sampling->profile->event = events[i / 2].name;
		sampling->profile->no_kernel = sampling->attr.exclude_kernel;
	}
	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

static int cannot(int error)
{
	return err_sys(CHOP_MISSING, -error,
		       "cannot sample the program (perf_event_open): run as root, or set "
		       "kernel.perf_event_paranoid to 2 or less");
}

/* One thread, on every processor. */
static int sample_thread(struct sampling *sampling, pid_t tid)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);

	for (int cpu = 0; cpu < cpus; cpu++) {
		int fd = open_event(sampling, tid, cpu), error;

		if (fd == -ENODEV) /* the processor is off */
			continue;
		if (fd < 0)
			return cannot(fd);
		error = rings_add(&sampling->rings, cpu, fd);
		if (error)
			return error;
	}
	return 0;
}

/* -- the command, or the process ----------------------------------------------------------------- */

static int be_silent(void *context)
{
	const struct profile_options *options = context;
	int fd = options->silent ? open("/dev/null", O_WRONLY) : -1;

	if (fd >= 0)
		dup2(fd, STDOUT_FILENO);
	return 0;
}

static int start_command(struct sampling *sampling)
{
	struct child *command = &sampling->command;
	int error;

	command->prepare = be_silent;
	command->context = (void *)(uintptr_t)sampling->options;
	error = child_start(command, sampling->options->argv);
	if (error)
		return error;
	sampling->pid = command->pid;
	error = choose_event(sampling, sampling->pid);
	error = error ? cannot(error) : sample_thread(sampling, sampling->pid);
	if (!error)
		child_go(command);
	return error;
}

/* What it has mapped already. */
static int read_maps(struct sampling *sampling)
{
	cleanup_free char *path = xasprintf("/proc/%d/maps", sampling->pid);
	cleanup_buf struct buf text = { 0 };
	int error = io_read_file(path, &text);
	char *line, *rest = text.data;

	if (error == -EACCES || error == -EPERM)
		return err_set(CHOP_MISSING, EPERM,
			       "process %d cannot be sampled: it belongs to another user; run as "
			       "root",
			       sampling->pid);
	if (error)
		return err_set(CHOP_USAGE, ESRCH, "there is no process %d to sample",
			       sampling->pid);
	while ((line = strsep(&rest, "\n")) && *line) {
		struct sampled map = { .kind = SAMPLED_MAP, .pid = sampling->pid };
		uint64_t end;
		char flags[8];
		int name = 0;

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %*s %*s %n", &map.address,
			   &end, flags, &map.offset, &name) != 4 ||
		    flags[2] != 'x')
			continue;
		map.size = end - map.address;
		map.path = rings_path(&sampling->rings, line + name);
		*vec_push(&sampling->rings.sampled) = map;
	}
	return 0;
}

static int start_process(struct sampling *sampling)
{
	cleanup_free char *path = xasprintf("/proc/%d/task", sampling->options->pid);
	const struct dirent *entry;
	DIR *tasks;
	int error;

	sampling->pid = sampling->options->pid;
	error = read_maps(sampling);
	if (error)
		return error;
	error = choose_event(sampling, sampling->pid);
	if (error)
		return cannot(error);
	tasks = opendir(path);
	while (tasks && !error && (entry = readdir(tasks))) {
		if (atoi(entry->d_name) > 0)
			error = sample_thread(sampling, atoi(entry->d_name));
	}
	if (tasks)
		closedir(tasks);
	rings_enable(&sampling->rings);
	return error;
}

/* It has ended, time is up, or a signal came that the command did not get. */
static bool is_over(struct sampling *sampling, uint64_t deadline)
{
	struct profile *profile = sampling->profile;

	if (sampling->options->argv) {
		child_reap(&sampling->command);
		if (sampling->command.ended) {
			profile->ended = true;
			profile->exit_status = sampling->command.status;
			return true;
		}
	} else if (kill(sampling->pid, 0) && errno == ESRCH) {
		return true;
	}
	if (interrupt_signal() && (!sampling->options->argv || !interrupt_from_terminal())) {
		profile->interrupted = interrupt_signal();
		return true;
	}
	return deadline && now() >= deadline;
}

static void watch(struct sampling *sampling)
{
	uint64_t deadline = sampling->options->timeout ? now() + sampling->options->timeout : 0;
	struct pollfd *polled = xcalloc(sampling->rings.rings.length + 1, sizeof(*polled));
	bool over = false;

	for (size_t i = 0; i < sampling->rings.rings.length; i++)
		polled[i] = (struct pollfd){ .fd = sampling->rings.rings.items[i].fd,
					     .events = POLLIN };
	while (!over) {
		over = is_over(sampling, deadline);
		rings_read(&sampling->rings);
		if (!over && poll(polled, sampling->rings.rings.length, TICK) > 0 &&
		    polled[0].revents & POLLHUP)
			usleep(TICK * 100); /* all its threads are gone: it is about to end */
	}
	free(polled);
}

static int start(struct sampling *sampling)
{
	return sampling->options->argv ? start_command(sampling) : start_process(sampling);
}

int profile_run(const struct profile_options *options, struct profile *profile)
{
	struct sampling sampling = { .options = options,
				     .profile = profile,
				     .command = CHILD_INIT };
	int error;

	*profile = (struct profile){ 0 };
	interrupt_catch();
	error = start(&sampling);
	if (!error) {
		watch(&sampling);
		rings_read(&sampling.rings);
	}
	interrupt_done();
	profile->lost = sampling.rings.lost;
	profile->paths = sampling.rings.paths;
	if (!error && sampling.command.error)
		error = child_failed(&sampling.command);
	if (!error)
		profile_count(profile, &sampling.rings.sampled, sampling.pid);
	rings_close(&sampling.rings);
	child_close(&sampling.command);
	return error;
}
