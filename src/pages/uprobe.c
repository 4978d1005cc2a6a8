// SPDX-License-Identifier: Apache-2.0
#include "pages/uprobe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/io.h"

#define TRAP_MAX 4 /* bytes of a breakpoint instruction */

static bool is_trap(const uint8_t *code)
{
	return !memcmp(code, arch_breakpoint, arch_breakpoint_size);
}

/* What the file a page comes from has there; the mapping itself is at the page's origin. */
static int read_file(struct space *space, uint64_t address, uint8_t code[TRAP_MAX])
{
	cleanup_free char *link = NULL, *path = NULL;
	cleanup_close int fd = -1;
	struct vma vma;
	int error = vma_next(&space->vmas, address ^ PAGER_ORIGIN_BIT, &vma);

	if (error || vma.start > (address ^ PAGER_ORIGIN_BIT) || !vma.file)
		return -ENOENT;
	link = xasprintf("/proc/%d/map_files/%llx-%llx", space->pid, (unsigned long long)vma.start,
			 (unsigned long long)vma.end);
	path = xasprintf("/proc/%d/root%s", space->pid, vma.path);
	fd = open(link, O_RDONLY | O_CLOEXEC);
	if (fd < 0) /* that is for root only */
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return io_pread(fd, code, arch_breakpoint_size,
			(address ^ PAGER_ORIGIN_BIT) - vma.start + vma.offset);
}

/* A breakpoint instruction was executed; not a signal that somebody sent, nor a step. */
static bool was_trap(const struct task *task)
{
	siginfo_t info;

	return !ptrace(PTRACE_GETSIGINFO, task->tid, 0, &info) && info.si_code == SI_KERNEL;
}

bool uprobe_heal(struct space *space, const struct task *task)
{
	static const uint64_t places[] = { 0, PAGER_SHADOW_BIT, PAGER_ORIGIN_BIT };
	uint8_t ours[TRAP_MAX], original[TRAP_MAX];
	struct chop_regs regs;
	uint64_t address;

	if (task_get_regs(task, &regs))
		return false;
	address = arch_pc(&regs) - arch_breakpoint_advance;
	if (!was_trap(task) || space_read(space, address, ours, arch_breakpoint_size) ||
	    read_file(space, address, original) || is_trap(original))
		return false;
	/* Another thread may have come upon the same one, and it is out already. */
	if (!is_trap(ours) && memcmp(ours, original, arch_breakpoint_size) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		uint64_t place = address ^ places[i];

		if (!io_pread(space->memory, ours, arch_breakpoint_size, place) && is_trap(ours))
			io_pwrite(space->memory, original, arch_breakpoint_size, place);
	}
	arch_set_pc(&regs, address);
	return !task_set_regs(task, &regs);
}
