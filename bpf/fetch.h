/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Memory of the calling thread, and the paths of its descriptors, as pieces of a record. */
#ifndef BPF_FETCH_H
#define BPF_FETCH_H

#include "tasks.h"

/* Set before loading. */
const volatile __u32 text_limit = 33;  /* bytes of a text in a vector of texts */
const volatile __u32 texts_limit = 32; /* texts of a vector */

/*
 * Where records grow, one for each processor: these programs are not preempted. The room past
 * CHOP_PIECES_SIZE takes the last piece.
 */
struct work {
	struct chop_live_call call;
	u8 pieces[CHOP_PIECES_SIZE + sizeof(struct chop_piece) + 2 * CHOP_READ_MAX];
	/* Here and not on the stack, so that the verifier does not follow every value they take. */
	u32 used, again, cut, fetch;
	u32 at, end, item; /* walking the elements of an earlier fetch */
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* set to the number of processors */
	__type(key, u32);
	__type(value, struct work);
} scratches SEC(".maps");

/*
 * A value that is known to be below a power of two, told in a way the verifier sees: the
 * compiler must not know what it knows, or it drops the mask.
 */
static __always_inline u64 below(u64 value, u64 power)
{
	asm volatile("" : "+r"(value));
	return value & (power - 1);
}

/*
 * The functions below that are not static are checked by the verifier once, not at every
 * place they are called from; that is why they are not, and why they look for NULL.
 */

/* -- pieces ------------------------------------------------------------------------------------ */

static __always_inline struct chop_piece *piece_at(struct work *work, u32 at)
{
	if (at > CHOP_PIECES_SIZE)
		return NULL;
	return (struct chop_piece *)(work->pieces + below(at, 2 * CHOP_PIECES_SIZE));
}

/* The next piece, its head filled in; it counts once finish() is called. */
static __always_inline struct chop_piece *piece_begin(struct work *work, u64 address, u32 kind)
{
	struct chop_piece *piece = piece_at(work, work->used);

	if (!piece) {
		work->cut = 1;
		return NULL;
	}
	piece->address = address;
	piece->kind = (u8)kind;
	piece->fetch = (u8)work->fetch;
	piece->pad = 0;
	return piece;
}

static __always_inline void piece_finish(struct work *work, struct chop_piece *piece, u32 size)
{
	piece->size = size;
	work->used += sizeof(*piece) + ((size + 7) & ~7u);
}

__noinline int take_bytes(struct work *work, u64 address, u64 size)
{
	u64 first = 4096 - (address & 4095);
	struct chop_piece *piece;

	if (!work || !address || !size)
		return 0;
	piece = piece_begin(work, address, CHOP_PIECE_MEMORY);
	if (!piece)
		return 0;
	if (size > CHOP_READ_MAX)
		size = CHOP_READ_MAX;
	if (bpf_probe_read_user(piece + 1, below(size, 2 * CHOP_READ_MAX), (void *)address)) {
		/* Only what lies on the first page, if that is there. */
		if (first >= size ||
		    bpf_probe_read_user(piece + 1, below(first, 8192), (void *)address))
			return -1;
		size = first;
	}
	piece_finish(work, piece, (u32)size);
	return 0;
}

__noinline int take_text(struct work *work, u64 address, u32 max)
{
	struct chop_piece *piece;
	long size;

	if (!work || !address)
		return 0;
	piece = piece_begin(work, address, CHOP_PIECE_MEMORY);
	if (!piece)
		return 0;
	if (max > 4096)
		max = 4096;
	size = bpf_probe_read_user_str(piece + 1, (u32)below(max, 8192), (void *)address);
	if (size < 0 || size > 4096)
		return -1;
	piece_finish(work, piece, (u32)size);
	return 0;
}

/* -- vectors of texts ---------------------------------------------------------------------------- */

#define POINTERS_MAX 4096

struct vector {
	struct work *work;
	u64 address;
};

static long vector_pointer(u32 i, struct vector *vector)
{
	struct work *work = vector->work;
	u32 used = work->used;
	u64 *pointer;

	if (used > CHOP_PIECES_SIZE) {
		work->cut = 1;
		return 1;
	}
	pointer = (u64 *)(work->pieces + below(used, 2 * CHOP_PIECES_SIZE));
	if (bpf_probe_read_user(pointer, 8, (void *)(vector->address + (u64)i * 8)))
		return 1;
	work->used = used + 8;
	return *pointer ? 0 : 1;
}

struct texts {
	struct work *work;
	u32 start, count;
};

static long vector_text(u32 i, struct texts *texts)
{
	u32 at = texts->start + i * 8;
	u64 pointer;

	if (i >= texts->count || at > CHOP_PIECES_SIZE)
		return 1;
	pointer = *(u64 *)(texts->work->pieces + below(at, 2 * CHOP_PIECES_SIZE));
	if (!pointer)
		return 1;
	if (take_text(texts->work, pointer, text_limit))
		texts->work->again |= 1u << (texts->work->fetch & 31);
	return 0;
}

__noinline int take_strings(struct work *work, u64 address, u32 with_texts)
{
	struct vector vector = { .work = work, .address = address };
	struct texts texts = { .work = work };
	struct chop_piece *piece;
	u32 head;

	if (!work || !address)
		return 0;
	head = work->used;
	if (!piece_begin(work, address, CHOP_PIECE_MEMORY))
		return 0;
	texts.start = work->used + sizeof(*piece);
	work->used = texts.start;
	bpf_loop(POINTERS_MAX, vector_pointer, &vector, 0);
	piece = piece_at(work, head);
	if (!piece)
		return 0;
	piece->size = work->used - texts.start;
	if (!piece->size) {
		work->used = head;
		return -1;
	}
	texts.count = piece->size / 8;
	if (texts.count > texts_limit)
		texts.count = texts_limit;
	if (with_texts)
		bpf_loop(256, vector_text, &texts, 0);
	return 0;
}

/* -- paths of descriptors -------------------------------------------------------------------------- */

/* The tool's root directory, found before anything is attached: where paths begin. */
__u64 root_dentry = 0, root_mount = 0;

#define PATH_ROOM  4096
#define COMPONENTS 96

struct walk {
	struct chop_piece_path *out;
	struct dentry *dentry;
	struct mount *mount;
	u32 at; /* the path so far starts here, counted from the end of its room */
	u32 flags;
};

/* One component, from the file up to the root: written backwards. */
static long path_component(u32 i, struct walk *walk)
{
	struct dentry *dentry = walk->dentry, *parent = BPF_CORE_READ(dentry, d_parent);
	struct mount *mount = walk->mount;
	struct dentry *top = BPF_CORE_READ(mount, mnt.mnt_root);
	u32 length, at;

	if ((u64)dentry == root_dentry && (u64)mount == root_mount)
		return 1;
	if (dentry == top) {
		struct mount *above = BPF_CORE_READ(mount, mnt_parent);

		if (above == mount)
			return 1;
		walk->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
		walk->mount = above;
		return 0;
	}
	length = BPF_CORE_READ(dentry, d_name.len) & 255;
	if (walk->at < length + 1) {
		walk->flags |= CHOP_PATH_CUT;
		return 1;
	}
	at = walk->at - length - 1;
	if (at >= PATH_ROOM)
		return 1;
	walk->out->path[below(at, PATH_ROOM)] = '/';
	if (length)
		bpf_probe_read_kernel(&walk->out->path[below(at, PATH_ROOM) + 1],
				      (u32)below(length, 256), BPF_CORE_READ(dentry, d_name.name));
	walk->at = at;
	/* A file that never was in a directory has a name nevertheless. */
	if (dentry == parent) {
		walk->flags |= CHOP_PATH_UNLINKED;
		return 1;
	}
	walk->dentry = parent;
	if (i == COMPONENTS - 1)
		walk->flags |= CHOP_PATH_CUT;
	return 0;
}

static __always_inline struct mount *mount_of(struct vfsmount *mnt)
{
	return (void *)mnt - bpf_core_field_offset(struct mount, mnt);
}

static __noinline int take_path(struct work *work, int fd, struct path *path)
{
	struct chop_piece *piece = piece_begin(work, (u64)(s64)fd, CHOP_PIECE_PATH);
	struct walk walk = { .at = PATH_ROOM };
	struct chop_piece_path *out;
	struct dentry *dentry;
	struct inode *inode;
	u32 size, at;

	if (!piece)
		return 0;
	out = (struct chop_piece_path *)(piece + 1);
	walk.out = out;
	dentry = walk.dentry = BPF_CORE_READ(path, dentry);
	walk.mount = mount_of(BPF_CORE_READ(path, mnt));
	inode = BPF_CORE_READ(dentry, d_inode);
	out->inode = BPF_CORE_READ(inode, i_ino);
	out->magic = (u32)BPF_CORE_READ(inode, i_sb, s_magic);
	/* What has no name any more: out of its directory, and not a root. */
	if (!BPF_CORE_READ(dentry, d_hash.pprev) && dentry != BPF_CORE_READ(dentry, d_parent))
		walk.flags |= CHOP_PATH_UNLINKED;
	bpf_loop(COMPONENTS, path_component, &walk, 0);
	out->flags = walk.flags;
	at = walk.at;
	size = PATH_ROOM - at;
	/* Move it to the front; the pieces keep no holes. */
	if (at < PATH_ROOM && size <= PATH_ROOM)
		bpf_probe_read_kernel(out->path, (u32)below(size, 8192),
				      &out->path[below(at, PATH_ROOM)]);
	else
		size = 0;
	piece_finish(work, piece, sizeof(*out) + size);
	return 0;
}

__noinline int take_fd(struct work *work, int fd)
{
	struct task_struct *self = (void *)bpf_get_current_task();
	struct fdtable *table;
	struct file **files, *file = NULL;

	if (!work)
		return 0;
	if (fd == -100 /* AT_FDCWD */)
		return take_path(work, fd, &BPF_CORE_READ(self, fs)->pwd);
	table = BPF_CORE_READ(self, files, fdt);
	if (fd < 0 || (u32)fd >= BPF_CORE_READ(table, max_fds))
		return 0;
	files = BPF_CORE_READ(table, fd);
	bpf_probe_read_kernel(&file, sizeof(file), files + fd);
	return file ? take_path(work, fd, &file->f_path) : 0;
}

/* -- fetches ---------------------------------------------------------------------------------------- */

static __always_inline u64 argument(struct work *work, u32 n)
{
	switch (n) {
	case 0:
		return work->call.args[0];
	case 1:
		return work->call.args[1];
	case 2:
		return work->call.args[2];
	case 3:
		return work->call.args[3];
	case 4:
		return work->call.args[4];
	case 5:
		return work->call.args[5];
	default:
		return work->call.result;
	}
}

static __always_inline u64 fetch_size(struct work *work, const struct chop_fetch *fetch)
{
	u64 count = argument(work, fetch->count);
	u32 pointed = 0;

	switch (fetch->count_from) {
	case CHOP_COUNT_ARG:
		return (count > 1 << 20 ? 0 : count) * fetch->element;
	case CHOP_COUNT_RESULT:
		count = work->call.result;
		return (s64)count < 0 || count > 1 << 20 ? 0 : count * fetch->element;
	case CHOP_COUNT_POINTED:
		bpf_probe_read_user(&pointed, sizeof(pointed), (void *)count);
		return pointed * fetch->element;
	case CHOP_COUNT_BITS:
		return ((count & 0xffffff) + 63) / 64 * 8;
	case CHOP_COUNT_PAGES:
		return (count + 4095) / 4096;
	default:
		return fetch->element;
	}
}

/* One element of an earlier fetch, or nothing when all were seen. */
struct element {
	struct work *work;
	const struct chop_fetch *fetch;
};

static __always_inline u64 field(struct work *work, u32 at, u32 size)
{
	u8 *data;

	if (at > CHOP_PIECES_SIZE)
		return 0;
	data = work->pieces + below(at, 2 * CHOP_PIECES_SIZE);
	if (size == 2)
		return *(u16 *)data;
	if (size == 4)
		return *(u32 *)data;
	return *(u64 *)data;
}

static long next_element(u32 i, struct element *e)
{
	const struct chop_fetch *fetch = e->fetch;
	struct chop_piece *piece;
	u64 pointer, size;
	u32 data;

	if (e->work->at >= e->work->end)
		return 1;
	piece = piece_at(e->work, e->work->at);
	if (!piece)
		return 1;
	data = e->work->at + sizeof(*piece) + e->work->item * fetch->stride;
	if (piece->fetch != fetch->parent || piece->kind != CHOP_PIECE_MEMORY ||
	    (e->work->item + 1) * (u32)fetch->stride > piece->size) {
		e->work->at += sizeof(*piece) + ((piece->size + 7) & ~7u);
		e->work->item = 0;
		return 0;
	}
	e->work->item++;
	if (fetch->what == CHOP_FETCH_FDS) {
		take_fd(e->work, (int)field(e->work, data + fetch->pointer_at, 4));
		return 0;
	}
	pointer = field(e->work, data + fetch->pointer_at, 8);
	size = fetch->length_size ? field(e->work, data + fetch->length_at, fetch->length_size) *
					    fetch->element
				  : fetch->element;
	if (size > fetch->max)
		size = fetch->max;
	if (take_bytes(e->work, pointer, size))
		e->work->again |= 1u << (e->work->fetch & 31);
	return 0;
}

/* The same bit by bit. */
static long next_bit(u32 i, struct element *e)
{
	struct chop_piece *piece;
	u32 data, bit;
	u64 word;

	if (e->work->at >= e->work->end)
		return 1;
	piece = piece_at(e->work, e->work->at);
	if (!piece)
		return 1;
	bit = e->work->item;
	if (piece->fetch != e->fetch->parent || piece->kind != CHOP_PIECE_MEMORY ||
	    bit / 8 + 8 > piece->size) {
		e->work->at += sizeof(*piece) + ((piece->size + 7) & ~7u);
		e->work->item = 0;
		return 0;
	}
	data = e->work->at + sizeof(*piece) + bit / 64 * 8;
	word = field(e->work, data, 8) >> (bit & 63);
	e->work->item = word > 1 ? bit + 1 : (bit | 63) + 1;
	if (word & 1)
		take_fd(e->work, (int)bit);
	return 0;
}

__noinline int take_elements(struct work *work, const struct chop_fetch *fetch)
{
	struct element e = { .work = work, .fetch = fetch };

	if (!work || !fetch)
		return 0;
	work->at = work->item = 0;
	work->end = work->used;
	if (fetch->what == CHOP_FETCH_BITS)
		bpf_loop(1024, next_bit, &e, 0);
	else
		bpf_loop(512, next_element, &e, 0);
	return 0;
}

static __always_inline int take(struct work *work, const struct chop_fetch *fetch)
{
	u64 address = argument(work, fetch->arg) + fetch->pointer_at, size;

	switch (fetch->what) {
	case CHOP_FETCH_TEXT:
		return take_text(work, address, fetch->max);
	case CHOP_FETCH_BYTES:
		size = fetch_size(work, fetch);
		return take_bytes(work, address, size < fetch->max ? size : fetch->max);
	case CHOP_FETCH_STRINGS:
		return take_strings(work, address, fetch->max);
	case CHOP_FETCH_FD:
		return take_fd(work, (int)address);
	default:
		return take_elements(work, fetch);
	}
}

struct fetching {
	struct work *work;
	struct chop_plan *plan;
	u32 enter; /* a bit for each fetch of the entry that is wanted */
	u32 exit;  /* those of the exit: how many */
};

/* Those of the entry come first, then those of the exit. */
static long next_fetch(u32 i, struct fetching *f)
{
	bool exiting = i >= CHOP_FETCHES;
	u32 at = (u32)below(exiting ? i - CHOP_FETCHES : i, 16);
	struct chop_fetch *fetch;

	if (at >= CHOP_FETCHES)
		return 1;
	if (exiting ? at >= f->exit : !(f->enter >> at & 1))
		return 0;
	fetch = exiting ? &f->plan->exit[at] : &f->plan->enter[at];
	f->work->fetch = at;
	if (take(f->work, fetch))
		f->work->again |= 1u << at;
	return 0;
}

static __noinline void take_all(struct work *work, struct chop_plan *plan, u32 enter, u32 exit)
{
	struct fetching fetching = { .work = work, .plan = plan, .enter = enter, .exit = exit };

	bpf_loop(exit ? 2 * CHOP_FETCHES : CHOP_FETCHES, next_fetch, &fetching, 0);
}

#endif
