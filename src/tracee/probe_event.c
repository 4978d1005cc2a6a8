// SPDX-License-Identifier: Apache-2.0
#include "tracee/probe_try.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "tracee/page_table.h"

/* -- perf events ------------------------------------------------------------------------- */

static int perf_open(struct perf_event_attr *attr)
{
	attr->size = sizeof(*attr);
	return (int)syscall(SYS_perf_event_open, attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

/* Open the event for this thread, do the work, and see whether anything was counted. */
static void count(struct probe_result *result, struct perf_event_attr *attr, void (*work)(void))
{
	cleanup_close int fd = perf_open(attr);
	uint64_t value = 0;

	if (fd < 0) {
		probe_no(result, errno == ENOENT ? ENOTSUP : errno, NULL);
		return;
	}
	work();
	if (read(fd, &value, sizeof(value)) != sizeof(value))
		probe_no(result, EIO, "cannot be read");
	else if (!value)
		probe_no(result, ENOTSUP, "nothing is counted");
	else
		probe_yes(result, NULL);
}

static void spin(void)
{
	for (volatile int i = 0; i < 100000; i++)
		;
}

void probe_hw_counters(struct probe_result *result)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};

	count(result, &attr, spin);
}

void probe_sw_clock(struct probe_result *result)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_TASK_CLOCK,
		.exclude_kernel = 1,
	};

	count(result, &attr, spin);
}

/* -- probes: by the kernel's own event sources "uprobe" and "kprobe" ---------------------- */

static int source_type(const char *source, uint32_t *type)
{
	char path[128];
	FILE *file;
	int got;

	snprintf(path, sizeof(path), "/sys/bus/event_source/devices/%s/type", source);
	file = fopen(path, "re");
	if (!file)
		return -ENOTSUP;
	got = fscanf(file, "%" SCNu32, type);
	fclose(file);
	return got == 1 ? 0 : -ENOTSUP;
}

__attribute__((noinline)) static void landing(void)
{
	__asm__ volatile("");
}

/* The file our code was mapped from and where in it an address lies. */
static int file_offset(uintptr_t address, char *path, size_t size, uint64_t *offset)
{
	char line[4096];
	FILE *maps = fopen("/proc/self/maps", "re");
	int found = -ENOENT;

	while (maps && found && fgets(line, sizeof(line), maps)) {
		uint64_t start, stop, at;
		int name = 0;

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %*s %*s %n", &start,
			   &stop, &at, &name) < 3 ||
		    address < start || address >= stop)
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(path, size, "%s", line + name);
		*offset = at + (address - start);
		found = 0;
	}
	if (maps)
		fclose(maps);
	return found;
}

void probe_uprobe(struct probe_result *result)
{
	struct perf_event_attr attr = { 0 };
	char path[4096];
	uint64_t offset;
	uint32_t type;

	if (source_type("uprobe", &type)) {
		probe_no(result, ENOTSUP, "not in this kernel");
		return;
	}
	if (file_offset((uintptr_t)landing, path, sizeof(path), &offset)) {
		probe_no(result, ENOENT, "cannot find our own code");
		return;
	}
	attr.type = type;
	attr.uprobe_path = (uintptr_t)path;
	attr.probe_offset = offset;
	count(result, &attr, landing);
}

static void read_something(void)
{
	cleanup_close int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
	char byte;

	if (fd >= 0 && read(fd, &byte, 1) < 0)
		return;
}

void probe_kprobe(struct probe_result *result)
{
	struct perf_event_attr attr = { .kprobe_func = (uintptr_t) "vfs_read" };
	uint32_t type;

	if (source_type("kprobe", &type)) {
		probe_no(result, ENOTSUP, "not in this kernel");
		return;
	}
	attr.type = type;
	count(result, &attr, read_something);
}

void probe_tracefs(struct probe_result *result)
{
	static const char *const places[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };
	char path[128];
	int error = ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		snprintf(path, sizeof(path), "%s/events/enable", places[i]);
		if (!access(path, R_OK)) {
			probe_yes(result, "%s", places[i]);
			return;
		}
		if (errno != ENOENT)
			error = errno;
	}
	if (error == ENOENT && access(places[0], F_OK))
		probe_no(result, ENOTSUP, "not in this kernel");
	else if (error == ENOENT)
		probe_limited(result, ENOENT, "not mounted");
	else
		probe_no(result, error, NULL);
}

/* -- BPF ------------------------------------------------------------------------------------ */

void probe_bpf(struct probe_result *result)
{
	static const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 }, /* r0 = 0 */
		{ .code = BPF_JMP | BPF_EXIT },
	};
	cleanup_close int ring =
		bpf_map_create(BPF_MAP_TYPE_RINGBUF, "chop_probe", 0, 0, 4096, NULL);
	cleanup_close int program = -1, link = -1;

	if (ring < 0) {
		probe_no(result, errno, "no ring buffer: %s", strerror(errno));
		return;
	}
	program = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "chop_probe", "Dual BSD/GPL", code,
				ARRAY_SIZE(code), NULL);
	if (program >= 0)
		link = bpf_raw_tracepoint_open("sys_enter", program);
	if (link < 0)
		probe_no(result, errno, "no raw tracepoint: %s", strerror(errno));
	else
		probe_yes(result, NULL);
}

void probe_btf(struct probe_result *result)
{
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		probe_no(result, errno == ENOENT ? ENOTSUP : errno, NULL);
	else
		probe_yes(result, NULL);
}

void probe_page_tables(struct probe_result *result)
{
	struct page_table *table;
	int error = page_table_open(&table);

	if (error)
		probe_no(result, -error, "%s", err_message());
	else
		probe_yes(result, NULL);
	err_clear();
	page_table_close(table);
}
