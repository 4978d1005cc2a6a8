// SPDX-License-Identifier: Apache-2.0
#include "capture/own_maps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "store/maps.h"
#include "tracee/inject.h"
#include "tracee/memory.h"
#include "tracee/threads.h"

/* -- the lines ------------------------------------------------------------------------------ */

/* A piece of a mapping; `known`: as it was at entry. */
struct piece {
	struct capture_mapping mapping;
	bool known;
};
struct pieces VEC_BODY(struct piece);

static void add_piece(struct pieces *pieces, const struct capture_mapping *from, uint64_t start,
		      uint64_t end, bool known)
{
	struct piece piece = { .mapping = *from, .known = known };

	if (from->inode)
		piece.mapping.offset += start - from->start;
	piece.mapping.start = start;
	piece.mapping.end = end;
	*vec_push(pieces) = piece;
}

static bool in_spans(const struct u64vec *spans, uint64_t address, uint64_t *end)
{
	bool within = false;

	for (size_t i = 0; i < spans->length; i += 2) {
		uint64_t from = spans->items[i], to = spans->items[i + 1];

		within |= address >= from && address < to;
		if (from > address && from < *end)
			*end = from;
		if (to > address && to < *end)
			*end = to;
	}
	return within;
}

/* Of entry, and neither moved nor changed by a call since: as it was then. */
static bool is_known(const struct recorder *recorder, uint64_t address, uint64_t *end)
{
	const struct capture_mapping_vec *maps = &recorder->capture->maps;
	size_t next = vec_at_most(maps, end, address);
	bool there = next < maps->length && maps->items[next].start <= address;

	if (there && maps->items[next].end < *end)
		*end = maps->items[next].end;
	if (!there && next < maps->length && maps->items[next].start < *end)
		*end = maps->items[next].start;
	return !in_spans(&recorder->home, address, end) && there;
}

static bool is_ours(const struct recorder *recorder, uint64_t address)
{
	struct backend *backend = recorder->backend;

	return (address >= INJECT_ADDRESS && address < INJECT_ADDRESS + INJECT_SIZE) ||
	       (backend->ops->owns && backend->ops->owns(backend, address));
}

static void add_known(const struct recorder *recorder, struct pieces *pieces)
{
	const struct capture_mapping_vec *maps = &recorder->capture->maps;

	for (size_t i = 0; i < maps->length; i++) {
		const struct capture_mapping *mapping = &maps->items[i];

		for (uint64_t at = mapping->start, end; at < mapping->end; at = end) {
			end = mapping->end;
			if (is_known(recorder, at, &end) && !is_ours(recorder, at))
				add_piece(pieces, mapping, at, end, true);
		}
	}
}

static void add_new(const struct recorder *recorder, const struct capture_mapping_vec *now,
		    struct pieces *pieces)
{
	for (size_t i = 0; i < now->length; i++) {
		const struct capture_mapping *mapping = &now->items[i];

		for (uint64_t at = mapping->start, end; at < mapping->end; at = end) {
			end = mapping->end;
			if (!is_known(recorder, at, &end) && !is_ours(recorder, at))
				add_piece(pieces, mapping, at, end, false);
		}
	}
}

static int by_start(const void *a, const void *b)
{
	const struct piece *left = a, *right = b;

	return (left->mapping.start > right->mapping.start) -
	       (left->mapping.start < right->mapping.start);
}

/* Two pieces that the kernel has in one mapping: what a heap, or a stack, has grown by, say. */
static bool belong_together(const struct piece *a, const struct piece *b)
{
	const struct capture_mapping *left = &a->mapping, *right = &b->mapping;

	return left->end == right->start && !(a->known && b->known) &&
	       left->flags == right->flags && left->inode == right->inode &&
	       left->device_major == right->device_major &&
	       left->device_minor == right->device_minor && !strcmp(left->path, right->path) &&
	       (!left->inode || left->offset + (left->end - left->start) == right->offset);
}

static void add_line(const struct capture_mapping *mapping, struct buf *text)
{
	maps_add_line(mapping, text);
	buf_add_text(text, mapping->path[0] ? "\n" : " \n");
}

static int make_text(const struct recorder *recorder, struct buf *text)
{
	struct capture_mapping_vec now = { 0 };
	struct pieces pieces = { 0 };
	int error = mappings_read(recorder->tracee, &now);

	buf_reset(text);
	if (!error) {
		add_known(recorder, &pieces);
		add_new(recorder, &now, &pieces);
		vec_sort(&pieces, by_start);
	}
	for (size_t i = 0; i < pieces.length; i++) {
		struct piece *piece = &pieces.items[i];

		if (i + 1 < pieces.length && belong_together(piece, piece + 1)) {
			piece[1].mapping.start = piece->mapping.start;
			piece[1].mapping.offset = piece->mapping.offset;
			continue;
		}
		add_line(&piece->mapping, text);
	}
	vec_release(&pieces);
	mappings_release(&now);
	return error;
}

/* -- the files ------------------------------------------------------------------------------ */

static struct own_maps_file *find(struct own_maps *own, uint64_t fd)
{
	for (size_t i = 0; i < own->files.length; i++) {
		if ((uint64_t)own->files.items[i].fd == fd)
			return &own->files.items[i];
	}
	return NULL;
}

static void forget(struct own_maps *own, struct own_maps_file *file)
{
	buf_release(&file->text);
	buf_release(&file->buffer);
	vec_remove(&own->files, (size_t)(file - own->files.items));
}

/* Which file of the process in /proc it has opened: its name, or NULL. */
static char *opened(const struct recorder *recorder, int fd)
{
	cleanup_free char *link = xasprintf("/proc/%d/fd/%d", recorder->owner->tid, fd);
	char target[128] = { 0 }, name[32];
	int pid, tid;

	if (readlink(link, target, sizeof(target) - 1) < 0 ||
	    (sscanf(target, "/proc/%d/task/%d/%31s", &pid, &tid, name) != 3 &&
	     sscanf(target, "/proc/%d/%31s", &pid, name) != 2) ||
	    (pid != recorder->tracee->pid && pid != recorder->owner->inner_pid))
		return NULL;
	return xstrdup(name);
}

static void on_open(struct own_maps *own, struct recorder *recorder, int64_t fd)
{
	static const char *const other[] = { "smaps", "smaps_rollup", "pagemap", "numa_maps" };
	cleanup_free char *name = fd >= 0 ? opened(recorder, (int)fd) : NULL;

	if (name && !strcmp(name, "maps"))
		*vec_push(&own->files) = (struct own_maps_file){ .fd = (int)fd };
	for (size_t i = 0; name && i < ARRAY_SIZE(other); i++) {
		if (!strcmp(name, other[i]))
			capture_warn(recorder->capture,
				     "the region opens /proc/self/%s, which shows the memory as "
				     "the capture has arranged it, not as it is otherwise",
				     name);
	}
}

/* Most that one read of such a file gives: the kernel makes a page of lines, or a long one. */
#define READ_MAX 8192

static struct own_maps_file *read_from(struct own_maps *own, const struct arch_call *call)
{
	if (!own->files.length || (call->number != SYS_read && call->number != SYS_pread64))
		return NULL;
	return find(own, call->args[0]);
}

void own_maps_enter(struct own_maps *own, struct recorder *recorder, const struct chop_regs *regs)
{
	struct own_maps_file *file;
	struct arch_call call;

	arch_get_call(regs, &call);
	file = read_from(own, &call);
	if (!file)
		return;
	buf_reset(&file->buffer);
	buf_add_zeros(&file->buffer, call.args[2] < READ_MAX ? call.args[2] : READ_MAX);
	for (size_t at = 0; at < file->buffer.length;) {
		size_t size = CHOP_PAGE_SIZE - (call.args[1] + at) % CHOP_PAGE_SIZE;

		size = size < file->buffer.length - at ? size : file->buffer.length - at;
		if (recorder_read(recorder, call.args[1] + at, file->buffer.data + at, size))
			file->buffer.length = at;
		at += size;
	}
}

/* The call has returned: `size` bytes of the text, and the rest of the buffer as it was. */
static void give(struct own_maps_file *file, struct recorder *recorder, struct chop_regs *regs,
		 uint64_t from, size_t size)
{
	struct chop_regs changed = *regs;
	struct arch_call call;

	arch_get_call(regs, &call);
	memcpy(file->buffer.data, buf_text(&file->text) + from, size);
	arch_set_result(&changed, (int64_t)size);
	if (memory_write(recorder->tracee, call.args[1], file->buffer.data, file->buffer.length) ||
	    thread_set_regs(recorder->owner, &changed))
		return; /* as the kernel gave it */
	*regs = changed;
}

static int on_read(struct own_maps_file *file, struct recorder *recorder, struct chop_regs *regs,
		   const struct arch_call *call)
{
	bool placed = call->number == SYS_pread64;
	uint64_t from = placed ? call->args[3] : file->offset, left;
	int error = !from || !file->text.length ? make_text(recorder, &file->text) : 0;

	if (error)
		return error;
	left = from < file->text.length ? file->text.length - from : 0;
	left = left < file->buffer.length ? left : file->buffer.length;
	if (!placed)
		file->offset += left;
	if (file->buffer.length)
		give(file, recorder, regs, from, left);
	return 0;
}

int own_maps_exit(struct own_maps *own, struct recorder *recorder, struct chop_regs *regs)
{
	struct own_maps_file *file;
	struct arch_call call;

	arch_get_call(regs, &call);
	switch (call.number) {
	case SYS_open:
	case SYS_openat:
	case SYS_openat2:
		on_open(own, recorder, call.result);
		return 0;
	case SYS_read:
	case SYS_pread64:
		file = read_from(own, &call);
		return file && call.result >= 0 ? on_read(file, recorder, regs, &call) : 0;
	case SYS_lseek:
		file = own->files.length ? find(own, call.args[0]) : NULL;
		if (file && call.result >= 0)
			file->offset = (uint64_t)call.result;
		return 0;
	case SYS_close:
		file = own->files.length ? find(own, call.args[0]) : NULL;
		if (file)
			forget(own, file);
		return 0;
	default:
		return 0;
	}
}

/* The line the owner has come to, by its address, and how far in that. */
static uint64_t place(const struct own_maps_file *file, uint64_t *in_line)
{
	const char *text = buf_text(&file->text);
	size_t at = file->offset < file->text.length ? file->offset : file->text.length;

	*in_line = 0;
	if (at == file->text.length)
		return UINT64_MAX;
	for (; at && text[at - 1] != '\n'; at--)
		++*in_line;
	return strtoull(text + at, NULL, 16);
}

/* Where in the kernel's text, which has our lines and may have cut mappings in two, that is. */
static uint64_t true_offset(const struct recorder *recorder, const struct own_maps_file *file)
{
	struct capture_mapping_vec now = { 0 };
	cleanup_buf struct buf text = { 0 };
	uint64_t in_line, address = place(file, &in_line);

	if (mappings_read(recorder->tracee, &now))
		return file->offset;
	for (size_t i = 0; i < now.length && now.items[i].start < address; i++)
		add_line(&now.items[i], &text);
	mappings_release(&now);
	return text.length + in_line;
}

void own_maps_end(struct own_maps *own, struct recorder *recorder, bool alive)
{
	for (size_t i = 0; i < own->files.length; i++) {
		const struct own_maps_file *file = &own->files.items[i];
		struct arch_entry seek = { .number = SYS_lseek };

		if (!alive || !file->offset)
			continue;
		seek.args[0] = (uint64_t)file->fd;
		seek.args[1] = true_offset(recorder, file);
		seek.args[2] = SEEK_SET;
		alive = !inject_run(recorder->tracee, recorder->owner, &seek, 1);
	}
	while (own->files.length)
		forget(own, own->files.items);
	vec_release(&own->files);
}
