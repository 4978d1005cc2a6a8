// SPDX-License-Identifier: Apache-2.0
#include "pages/vma.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <chop/arch.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/io.h"

/* linux/fs.h as of 6.11; the headers of older distributions do not have it. */
struct query {
	uint64_t size, flags, address;
	uint64_t start, end, vma_flags, page_size, offset, inode;
	uint32_t major, minor, name_size, build_id_size;
	uint64_t name, build_id;
};
#define QUERY		 _IOWR('f', 17, struct query)
#define COVERING_OR_NEXT 0x10
#define VMA_SHARED	 0x08

int vma_open(struct vma_source *source, pid_t pid)
{
	cleanup_free char *path = xasprintf("/proc/%d/maps", pid);

	*source = (struct vma_source){ .pid = pid, .maps = open(path, O_RDONLY | O_CLOEXEC) };
	return source->maps < 0 ? -errno : 0;
}

void vma_close(struct vma_source *source)
{
	if (source->maps >= 0)
		close(source->maps);
	source->maps = -1;
}

static bool starts_with(const char *text, const char *start)
{
	return !strncmp(text, start, strlen(start));
}

/* The ones without a name in any directory are of the kernel's own tmpfs. */
static bool is_tmpfs(const char *path)
{
	struct statfs system;

	if (starts_with(path, "/memfd:") || starts_with(path, "/dev/zero (deleted)") ||
	    starts_with(path, "/SYSV"))
		return true;
	return *path == '/' && !statfs(path, &system) && system.f_type == TMPFS_MAGIC;
}

/* What the path tells. */
static void classify(struct vma *vma)
{
	const char *path = vma->path;

	vma->tmpfs = vma->shared && is_tmpfs(path);

	vma->stack = !strcmp(path, "[stack]");
	vma->heap = !strcmp(path, "[heap]");
	vma->special = (*path == '[' && !vma->stack && !vma->heap && !starts_with(path, "[anon:") &&
			!starts_with(path, "[stack:")) ||
		       (starts_with(path, "/dev/") && !starts_with(path, "/dev/shm/") &&
			!starts_with(path, "/dev/zero")) ||
		       starts_with(path, "/anon_hugepage") || starts_with(path, "anon_inode:");
}

static int query(struct vma_source *source, uint64_t address, struct vma *vma)
{
	struct query query = {
		.size = sizeof(query),
		.flags = COVERING_OR_NEXT,
		.address = address,
		.name_size = sizeof(vma->path),
		.name = (uint64_t)(uintptr_t)vma->path,
	};

	vma->path[0] = '\0';
	if (ioctl(source->maps, QUERY, &query) < 0) {
		if (errno != ENAMETOOLONG)
			return -errno;
		query.name_size = 0;
		query.name = 0;
		if (ioctl(source->maps, QUERY, &query) < 0)
			return -errno;
		strcpy(vma->path, "?");
	}
	vma->start = query.start;
	vma->end = query.end;
	vma->offset = query.offset;
	vma->protection = (uint32_t)query.vma_flags & (PROT_READ | PROT_WRITE | PROT_EXEC);
	vma->shared = query.vma_flags & VMA_SHARED;
	vma->file = query.inode;
	classify(vma);
	vma->special |= query.page_size > CHOP_PAGE_SIZE;
	return 0;
}

/* A line of /proc/PID/maps: start-end perms offset major:minor inode path */
static bool parse(const char *line, struct vma *vma)
{
	char permissions[5];
	unsigned long start, end, offset, inode;
	int path = 0;

	if (sscanf(line, "%lx-%lx %4s %lx %*x:%*x %lu %n", &start, &end, permissions, &offset,
		   &inode, &path) < 5)
		return false;
	*vma = (struct vma){
		.start = start,
		.end = end,
		.offset = offset,
		.protection = (uint32_t)((permissions[0] == 'r' ? PROT_READ : 0) |
					 (permissions[1] == 'w' ? PROT_WRITE : 0) |
					 (permissions[2] == 'x' ? PROT_EXEC : 0)),
		.shared = permissions[3] == 's',
		.file = inode,
	};
	snprintf(vma->path, sizeof(vma->path), "%.*s", (int)strcspn(line + path, "\n"),
		 line + path);
	classify(vma);
	return true;
}

/* Older kernels: all of the text for one mapping. */
static int read_all(struct vma_source *source, uint64_t address, struct vma *vma)
{
	cleanup_free char *path = xasprintf("/proc/%d/maps", source->pid);
	cleanup_buf struct buf text = { 0 };
	int error = io_read_file(path, &text);

	if (error)
		return error;
	for (const char *line = buf_text(&text); *line;) {
		if (parse(line, vma) && vma->end > address)
			return 0;
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return -ENOENT;
}

int vma_next(struct vma_source *source, uint64_t address, struct vma *vma)
{
	int error = source->no_query ? -ENOTTY : query(source, address, vma);

	if (error != -ENOTTY && error != -EINVAL)
		return error;
	source->no_query = true;
	return read_all(source, address, vma);
}
