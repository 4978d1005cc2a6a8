// SPDX-License-Identifier: Apache-2.0
#include "probe/bpf_attach.h"

#ifdef HAVE_BPF

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/alloc.h"
#include "base/progress.h"

/* linux/bpf.h of Linux 6.6: the part of union bpf_attr that BPF_LINK_CREATE takes. */
#define TRACE_UPROBE_MULTI  48 /* enum bpf_attach_type */
#define UPROBE_MULTI_RETURN 1
struct multi_attr {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t count, multi_flags, pid, pad;
};

static int link_multi(const struct multi_attr *attr)
{
	long fd = syscall(SYS_bpf, BPF_LINK_CREATE, attr, sizeof(*attr));

	return fd < 0 ? -errno : (int)fd;
}

/* An attempt that can only fail: at a directory. */
bool attach_multi_works(void)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = TRACE_UPROBE_MULTI);
	uint64_t offset = 0;
	struct multi_attr attr = { .attach_type = TRACE_UPROBE_MULTI,
				   .path = (uintptr_t) "/",
				   .offsets = (uintptr_t)&offset,
				   .count = 1 };
	int fd = bpf_prog_load(BPF_PROG_TYPE_KPROBE, NULL, "GPL", code, 2, &options), error;

	if (fd < 0)
		return false;
	attr.prog_fd = (uint32_t)fd;
	error = link_multi(&attr);
	if (error >= 0)
		close(error);
	close(fd);
	return error == -EBADF;
}

static uint64_t cookie(const struct point_site *site)
{
	return (uint64_t)site->plan << 32 | site->row;
}

/* -- many at once ---------------------------------------------------------------------------------- */

struct batch {
	struct attachments *attachments;
	struct bpf_program *program;
	bool at_return;
	struct point_site **sites; /* of one file */
	uint64_t *offsets, *semaphores, *cookies;
	bool has_semaphores;
};

/* One that cannot be attached lets all fail: halve, until it stands alone. */
static void attach_range(struct batch *batch, size_t first, size_t count)
{
	struct multi_attr attr = {
		.prog_fd = (uint32_t)bpf_program__fd(batch->program),
		.attach_type = TRACE_UPROBE_MULTI,
		.path = (uintptr_t)batch->sites[first]->path,
		.offsets = (uintptr_t)(batch->offsets + first),
		.ref_ctr_offsets =
			batch->has_semaphores ? (uintptr_t)(batch->semaphores + first) : 0,
		.cookies = (uintptr_t)(batch->cookies + first),
		.count = (uint32_t)count,
		.multi_flags = batch->at_return ? UPROBE_MULTI_RETURN : 0,
		.pid = (uint32_t)batch->attachments->pid,
	};
	int fd = link_multi(&attr);

	if (fd >= 0) {
		*vec_push(&batch->attachments->fds) = fd;
		return;
	}
	if (count == 1) {
		batch->sites[first]->error = -fd;
		return;
	}
	attach_range(batch, first, count / 2);
	attach_range(batch, first + count / 2, count - count / 2);
}

static void attach_batch(struct attachments *attachments, struct bpf_program *program,
			 bool at_return, struct point_site **sites, size_t count)
{
	struct batch batch = { attachments, program, at_return, sites, NULL, NULL, NULL, false };

	batch.offsets = xcalloc(count, sizeof(uint64_t));
	batch.semaphores = xcalloc(count, sizeof(uint64_t));
	batch.cookies = xcalloc(count, sizeof(uint64_t));
	for (size_t i = 0; i < count; i++) {
		batch.offsets[i] = sites[i]->offset;
		batch.semaphores[i] = sites[i]->semaphore;
		batch.cookies[i] = cookie(sites[i]);
		batch.has_semaphores |= sites[i]->semaphore != 0;
	}
	attach_range(&batch, 0, count);
	free(batch.offsets);
	free(batch.semaphores);
	free(batch.cookies);
}

/* -- one by one ------------------------------------------------------------------------------------ */

static void keep(struct attachments *attachments, struct bpf_link *link, struct point_site *site)
{
	if (link)
		*vec_push(&attachments->links) = link;
	else
		site->error = errno;
}

static void attach_user(struct attachments *attachments, struct bpf_program *program,
			bool at_return, struct point_site *site)
{
	LIBBPF_OPTS(bpf_uprobe_opts, options, .bpf_cookie = cookie(site), .retprobe = at_return,
		    .ref_ctr_offset = site->semaphore);

	keep(attachments,
	     bpf_program__attach_uprobe_opts(program, attachments->pid ? attachments->pid : -1,
					     site->path, site->offset, &options),
	     site);
}

static void attach_kernel(struct attachments *attachments, struct bpf_program *program,
			  bool at_return, struct point_site *site)
{
	LIBBPF_OPTS(bpf_kprobe_opts, options, .bpf_cookie = cookie(site), .retprobe = at_return,
		    .offset = site->symbol_offset);

	keep(attachments, bpf_program__attach_kprobe_opts(program, site->symbol, &options), site);
}

static void attach_tracepoint(struct attachments *attachments, struct point_site *site)
{
	LIBBPF_OPTS(bpf_tracepoint_opts, options, .bpf_cookie = cookie(site));

	keep(attachments,
	     bpf_program__attach_tracepoint_opts(attachments->programs.tracepoint_hit,
						 site->category, site->symbol, &options),
	     site);
}

static bool is_user(const struct point_site *site)
{
	return site->kind == POINT_USER || site->kind == POINT_USDT;
}

static void attach_single(struct attachments *attachments, struct point_site *site, bool latency)
{
	const struct attach_programs *programs = &attachments->programs;

	if (site->kind == POINT_TRACEPOINT) {
		attach_tracepoint(attachments, site);
		return;
	}
	if (!latency) {
		if (is_user(site))
			attach_user(attachments, programs->user_hit, site->at_return, site);
		else
			attach_kernel(attachments, programs->kernel_hit, site->at_return, site);
		return;
	}
	/* The return first: an entry without its return would be counted by nobody. */
	if (is_user(site))
		attach_user(attachments, programs->user_end, true, site);
	else
		attach_kernel(attachments, programs->kernel_end, true, site);
	if (site->error)
		return;
	if (is_user(site))
		attach_user(attachments, programs->user_begin, false, site);
	else
		attach_kernel(attachments, programs->kernel_begin, false, site);
}

/* -- all --------------------------------------------------------------------------------------------- */

/*
 * What cannot be probed is only noticed where the file is mapped: map it while we attach. Not
 * possible for everyone's breakpoints only.
 */
struct mapped {
	void *memory;
	size_t size;
};

static struct mapped map_code(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	struct mapped mapped = { NULL, size > 0 ? (size_t)size : 0 };

	if (mapped.size)
		mapped.memory = mmap(NULL, mapped.size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	if (mapped.memory == MAP_FAILED)
		mapped.memory = NULL;
	if (fd >= 0)
		close(fd);
	return mapped;
}

static void attach_file(struct attachments *attachments, struct point_site **sites, size_t count,
			bool latency)
{
	const struct attach_programs *programs = &attachments->programs;
	struct mapped mapped = map_code(sites[0]->path);
	size_t kept = 0;

	if (!latency) {
		attach_batch(attachments, programs->user_hit, sites[0]->at_return, sites, count);
	} else {
		attach_batch(attachments, programs->user_end, true, sites, count);
		for (size_t i = 0; i < count; i++) {
			if (!sites[i]->error)
				sites[kept++] = sites[i];
		}
		if (kept)
			attach_batch(attachments, programs->user_begin, false, sites, kept);
	}
	if (mapped.memory)
		munmap(mapped.memory, mapped.size);
}

/* Sites of one file, all entries or all returns, follow each other. */
static size_t same_file(const struct points *points, size_t first)
{
	const struct point_site *one = &points->sites.items[first];
	size_t count = 1;

	while (first + count < points->sites.length) {
		const struct point_site *next = &points->sites.items[first + count];

		if (!is_user(next) || strcmp(next->path, one->path) ||
		    next->at_return != one->at_return)
			break;
		count++;
	}
	return count;
}

int attach_sites(struct attachments *attachments, const struct point_request *request)
{
	struct points *points = request->points;
	struct point_site **sites = xcalloc(points->sites.length + 1, sizeof(*sites));
	size_t failed = 0, count;

	for (size_t i = 0; i < points->sites.length; i += count) {
		count = 1;
		progress_show("attached %zu of %zu", i, points->sites.length);
		if (!attachments->multi || !is_user(&points->sites.items[i])) {
			attach_single(attachments, &points->sites.items[i], request->latency);
			continue;
		}
		count = same_file(points, i);
		for (size_t k = 0; k < count; k++)
			sites[k] = &points->sites.items[i + k];
		attach_file(attachments, sites, count, request->latency);
	}
	progress_clear();
	free(sites);
	for (size_t i = 0; i < points->sites.length; i++)
		failed += points->sites.items[i].error != 0;
	return failed == points->sites.length ? -points->sites.items[0].error : 0;
}

void attachments_release(struct attachments *attachments)
{
	for (size_t i = 0; i < attachments->fds.length; i++)
		close(attachments->fds.items[i]);
	for (size_t i = 0; i < attachments->links.length; i++)
		bpf_link__destroy(attachments->links.items[i]);
	vec_release(&attachments->fds);
	vec_release(&attachments->links);
}

#endif
