// SPDX-License-Identifier: Apache-2.0
/* Files by name: status, times, directories. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <linux/stat.h>

#include "base/alloc.h"
#include "event/decode_print.h"

/* S_IFREG|S_ISUID|0755; a kind that does not exist makes it all a number. */
static void file_mode(struct decode *d, unsigned int mode)
{
	static const struct {
		unsigned int bits;
		const char *name;
	} kinds[] = { { S_IFSOCK, "S_IFSOCK" }, { S_IFLNK, "S_IFLNK" }, { S_IFREG, "S_IFREG" },
		      { S_IFBLK, "S_IFBLK" },	{ S_IFDIR, "S_IFDIR" }, { S_IFCHR, "S_IFCHR" },
		      { S_IFIFO, "S_IFIFO" } },
	  special[] = { { S_ISUID, "|S_ISUID" }, { S_ISGID, "|S_ISGID" }, { S_ISVTX, "|S_ISVTX" } };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if ((mode & S_IFMT) != kinds[i].bits)
			continue;
		dec_text(d, kinds[i].name);
		for (size_t k = 0; k < ARRAY_SIZE(special); k++) {
			if (mode & special[k].bits)
				dec_text(d, special[k].name);
		}
		dec_text(d, "|");
		dec_mode(d, mode & 0777);
		return;
	}
	dec_mode(d, mode);
}

static void stat_time(struct decode *d, const char *name, const struct timespec *time)
{
	dec_printf(d, ", st_%s=%lld", name, (long long)time->tv_sec);
	dec_dated(d, time->tv_sec, (uint64_t)time->tv_nsec, 9);
	dec_printf(d, ", st_%s_nsec=%lld", name, (long long)time->tv_nsec);
}

static void stat_item(struct decode *d, const uint8_t *data)
{
	struct stat s;
	bool device;

	memcpy(&s, data, sizeof(s));
	device = S_ISCHR(s.st_mode) || S_ISBLK(s.st_mode);
	dec_text(d, "{");
	if (d->options->verbose) {
		dec_text(d, "st_dev=");
		dec_dev(d, s.st_dev);
		dec_printf(d, ", st_ino=%llu, ", (unsigned long long)s.st_ino);
	}
	dec_text(d, "st_mode=");
	file_mode(d, s.st_mode);
	if (d->options->verbose) {
		dec_printf(d, ", st_nlink=%llu, st_uid=", (unsigned long long)s.st_nlink);
		dec_id(d, s.st_uid);
		dec_text(d, ", st_gid=");
		dec_id(d, s.st_gid);
		dec_printf(d, ", st_blksize=%llu, st_blocks=%llu", (unsigned long long)s.st_blksize,
			   (unsigned long long)s.st_blocks);
	}
	if (device) {
		dec_text(d, ", st_rdev=");
		dec_dev(d, s.st_rdev);
	} else {
		dec_printf(d, ", st_size=%llu", (unsigned long long)s.st_size);
	}
	if (d->options->verbose) {
		stat_time(d, "atime", &s.st_atim);
		stat_time(d, "mtime", &s.st_mtim);
		stat_time(d, "ctime", &s.st_ctim);
		dec_text(d, "}");
	} else {
		dec_text(d, ", ...}");
	}
}

static void statx_time(struct decode *d, const char *name, const struct statx_timestamp *time)
{
	dec_printf(d, ", stx_%s={tv_sec=%lld, tv_nsec=%u}", name, (long long)time->tv_sec,
		   time->tv_nsec);
	dec_dated(d, time->tv_sec, time->tv_nsec, 9);
}

/* Fields the kernel did not fill in are left out, as its mask tells. */
static void statx_verbose(struct decode *d, const struct statx *s)
{
	if (s->stx_mask & STATX_NLINK)
		dec_printf(d, ", stx_nlink=%u", s->stx_nlink);
	if (s->stx_mask & STATX_UID)
		dec_printf(d, ", stx_uid=%u", s->stx_uid);
	if (s->stx_mask & STATX_GID)
		dec_printf(d, ", stx_gid=%u", s->stx_gid);
}

static void statx_tail(struct decode *d, const struct statx *s)
{
	if (s->stx_mask & STATX_BLOCKS)
		dec_printf(d, ", stx_blocks=%llu", (unsigned long long)s->stx_blocks);
	dec_text(d, ", stx_attributes_mask=");
	dec_names(d, &call_names_statx_attr, s->stx_attributes_mask);
	if (s->stx_mask & STATX_ATIME)
		statx_time(d, "atime", &s->stx_atime);
	if (s->stx_mask & STATX_BTIME)
		statx_time(d, "btime", &s->stx_btime);
	if (s->stx_mask & STATX_CTIME)
		statx_time(d, "ctime", &s->stx_ctime);
	if (s->stx_mask & STATX_MTIME)
		statx_time(d, "mtime", &s->stx_mtime);
	dec_printf(d, ", stx_rdev_major=%u, stx_rdev_minor=%u, stx_dev_major=%u, stx_dev_minor=%u",
		   s->stx_rdev_major, s->stx_rdev_minor, s->stx_dev_major, s->stx_dev_minor);
	if (s->stx_mask & STATX_MNT_ID)
		dec_printf(d, ", stx_mnt_id=0x%llx", (unsigned long long)s->stx_mnt_id);
}

static void statx_item(struct decode *d, const uint8_t *data)
{
	struct statx s;

	memcpy(&s, data, sizeof(s));
	dec_text(d, "{stx_mask=");
	dec_names(d, &call_names_statx_mask, s.stx_mask);
	if (d->options->verbose)
		dec_printf(d, ", stx_blksize=%u", s.stx_blksize);
	dec_text(d, ", stx_attributes=");
	dec_names(d, &call_names_statx_attr, s.stx_attributes);
	if (d->options->verbose)
		statx_verbose(d, &s);
	dec_text(d, ", stx_mode=");
	file_mode(d, s.stx_mode);
	if (d->options->verbose && (s.stx_mask & STATX_INO))
		dec_printf(d, ", stx_ino=%llu", (unsigned long long)s.stx_ino);
	if (s.stx_mask & STATX_SIZE)
		dec_printf(d, ", stx_size=%llu", (unsigned long long)s.stx_size);
	if (d->options->verbose) {
		statx_tail(d, &s);
		dec_text(d, "}");
	} else {
		dec_text(d, ", ...}");
	}
}

#define ST_VALID_BIT 0x20

static void statfs_item(struct decode *d, const uint8_t *data)
{
	struct statfs s;
	unsigned int *id = (unsigned int *)&s.f_fsid;

	memcpy(&s, data, sizeof(s));
	dec_text(d, "{f_type=");
	if (call_name_of(&call_names_fs_magic, (uint64_t)s.f_type))
		dec_names(d, &call_names_fs_magic, (uint64_t)s.f_type);
	else
		dec_hex(d, (uint64_t)s.f_type);
	dec_printf(d, ", f_bsize=%llu, f_blocks=%llu, f_bfree=%llu, f_bavail=%llu",
		   (unsigned long long)s.f_bsize, (unsigned long long)s.f_blocks,
		   (unsigned long long)s.f_bfree, (unsigned long long)s.f_bavail);
	dec_printf(d, ", f_files=%llu, f_ffree=%llu, f_fsid={val=[", (unsigned long long)s.f_files,
		   (unsigned long long)s.f_ffree);
	dec_hex(d, id[0]);
	dec_text(d, ", ");
	dec_hex(d, id[1]);
	dec_printf(d, "]}, f_namelen=%llu, f_frsize=%llu", (unsigned long long)s.f_namelen,
		   (unsigned long long)s.f_frsize);
	if (s.f_flags & ST_VALID_BIT) {
		dec_text(d, ", f_flags=");
		dec_names(d, &call_names_st_flags, (uint64_t)s.f_flags);
	}
	dec_text(d, "}");
}

static void ustat_memory(struct decode *d, uint64_t address, uint64_t count)
{
	(void)count;
	dec_address(d, address);
}

static void utimbuf_item(struct decode *d, const uint8_t *data)
{
	static const char *const names[] = { "{actime=", ", modtime=" };

	for (int i = 0; i < 2; i++) {
		int64_t when = DEC_GET(int64_t, data, i * 8);

		dec_text(d, names[i]);
		dec_signed(d, when);
		dec_dated(d, when, 0, 9);
	}
	dec_text(d, "}");
}

/* The two times of utimensat, and of utimes, which has microseconds. */
static void utimespec_item(struct decode *d, const uint8_t *data)
{
	int64_t sec = DEC_GET(int64_t, data, 0);
	uint64_t nsec = DEC_GET(uint64_t, data, 8);

	if (nsec == UTIME_NOW || nsec == UTIME_OMIT) {
		dec_text(d, nsec == UTIME_NOW ? "UTIME_NOW" : "UTIME_OMIT");
		return;
	}
	dec_printf(d, "{tv_sec=%lld, tv_nsec=%llu}", (long long)sec, (unsigned long long)nsec);
	if (sec)
		dec_dated(d, sec, nsec, 9);
}

static void utimes_pair(struct decode *d, uint64_t address)
{
	int64_t times[4];

	if (!dec_read_or_address(d, address, times, sizeof(times)))
		return;
	for (int i = 0; i < 4; i += 2) {
		dec_printf(d, "%s{tv_sec=%lld, tv_usec=%lld}", i ? ", " : "[", (long long)times[i],
			   (long long)times[i + 1]);
		if (times[i])
			dec_dated(d, times[i], (uint64_t)times[i + 1], 6);
	}
	dec_text(d, "]");
}

static void utimes_enter(struct decode *d)
{
	while (d->call->next + 1 < d->call->shape.arg_count)
		dec_next(d);
	dec_arg_begin(d, "times");
	utimes_pair(d, dec_arg(d, d->call->next));
	dec_arg_end(d);
	d->call->whole = true;
}

/* The mode of an open counts only when a file may be created. */
static void open_enter(struct decode *d)
{
	unsigned int flags_at = d->call->call.number == call_number("openat") ? 2 : 1;
	uint64_t flags = dec_arg(d, flags_at);

	for (unsigned int i = 0; i <= flags_at; i++)
		dec_next(d);
	if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE)
		dec_next(d);
	d->call->whole = true;
}

static void mknod_enter(struct decode *d)
{
	unsigned int mode;

	while (strcmp(d->call->shape.args[d->call->next].name, "mode"))
		dec_next(d);
	mode = (unsigned int)dec_arg(d, d->call->next) & 0xffff;
	dec_arg_begin(d, "mode");
	file_mode(d, mode);
	dec_arg_end(d);
	dec_skip(d);
	if (S_ISCHR(mode) || S_ISBLK(mode))
		dec_next(d);
	d->call->whole = true;
}

struct dirent_head {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
} __attribute__((packed));

static void dirent_text(struct decode *d, const struct dirent_head *head, const uint8_t *at,
			bool wide)
{
	static const char *const types[] = {
		"DT_UNKNOWN", "DT_FIFO", "DT_CHR", NULL, "DT_DIR",  NULL, "DT_BLK", NULL,
		"DT_REG",     NULL,	 "DT_LNK", NULL, "DT_SOCK", NULL, "DT_WHT"
	};
	uint8_t type = wide ? at[18] : at[head->reclen - 1];
	size_t name = wide ? 19 : 18;

	dec_printf(d, "{d_ino=%llu, d_off=%lld, d_reclen=%u, ", (unsigned long long)head->ino,
		   (long long)head->off, head->reclen);
	if (!wide) {
		dec_text(d, "d_name=");
		dec_quoted(d, at + name, head->reclen - name - 1, DEC_QUOTE_NUL);
		dec_text(d, ", ");
	}
	dec_text(d, "d_type=");
	if (type < ARRAY_SIZE(types) && types[type])
		dec_text(d, types[type]);
	else
		dec_printf(d, "%#x /* DT_??? */", type);
	if (wide) {
		dec_text(d, ", d_name=");
		dec_quoted(d, at + name, head->reclen - name, DEC_QUOTE_NUL);
	}
	dec_text(d, "}");
}

static void dirents(struct decode *d, uint64_t address, uint64_t size, bool wide)
{
	struct buf data = { 0 };
	struct dirent_head head;
	unsigned int count = 0;

	if (size > 1u << 20 || (size && !dec_read(d, address, buf_reserve(&data, size), size))) {
		dec_address(d, address);
		buf_release(&data);
		return;
	}
	dec_text(d, d->options->verbose ? "[" : "");
	for (uint64_t at = 0; at + 20 <= size; at += head.reclen, count++) {
		memcpy(&head, data.data + at, sizeof(head));
		if (head.reclen < 20 || at + head.reclen > size)
			break;
		if (!d->options->verbose)
			continue;
		dec_text(d, count ? ", " : "");
		dirent_text(d, &head, (const uint8_t *)data.data + at, wide);
	}
	if (d->options->verbose)
		dec_text(d, "]");
	else
		dec_printf(d, "0x%llx /* %u entries */", (unsigned long long)address, count);
	buf_release(&data);
}

static void dirents_memory(struct decode *d, uint64_t address, uint64_t count)
{
	dirents(d, address, count, false);
}

static void dirents64_memory(struct decode *d, uint64_t address, uint64_t count)
{
	dirents(d, address, count, true);
}

static void cwd_memory(struct decode *d, uint64_t address, uint64_t count)
{
	(void)count;
	dec_path(d, address);
}

static void file_handle_item(struct decode *d, const uint8_t *data)
{
	(void)data;
	(void)d;
}

/* handle_bytes alone when it failed: {handle_bytes=0 => 12, handle_type=..., f_handle="\x.."} */
static void handle_enter(struct decode *d)
{
	uint32_t bytes;

	dec_next(d);
	dec_next(d);
	if (dec_read(d, dec_arg(d, 2), &bytes, 4))
		d->call->saved = bytes + 1ull;
}

static void handle_fields(struct decode *d, uint64_t address, const uint32_t head[2])
{
	uint8_t handle[128];
	size_t size = head[0] < sizeof(handle) ? head[0] : sizeof(handle);

	dec_printf(d, ", handle_type=%d, f_handle=", (int)head[1]);
	if (dec_read_or_address(d, address + 8, handle, size))
		dec_quoted(d, handle, size, DEC_QUOTE_HEX);
}

static void handle_exit(struct decode *d)
{
	uint64_t address = dec_arg(d, 2);
	uint32_t head[2] = { 0 };

	dec_arg_begin(d, "handle");
	if (!d->call->saved) {
		dec_address(d, address);
	} else {
		dec_printf(d, "{handle_bytes=%llu", (unsigned long long)d->call->saved - 1);
		if (dec_read(d, address, head, 8) && head[0] != d->call->saved - 1)
			dec_printf(d, " => %u", head[0]);
		if (!dec_failed(d))
			handle_fields(d, address, head);
		dec_text(d, "}");
	}
	dec_arg_end(d);
	dec_skip(d);
	dec_rest(d);
}

static void open_by_handle_enter(struct decode *d)
{
	uint64_t address = dec_arg(d, 1);
	uint32_t head[2];

	dec_next(d);
	dec_arg_begin(d, "handle");
	if (dec_read_or_address(d, address, head, 8)) {
		dec_printf(d, "{handle_bytes=%u", head[0]);
		handle_fields(d, address, head);
		dec_text(d, "}");
	}
	dec_arg_end(d);
	dec_skip(d);
	dec_rest(d);
}

/* -1 is no directory at all here. */
static void fanotify_mark_enter(struct decode *d)
{
	dec_next(d);
	dec_next(d);
	dec_next(d);
	if ((int)dec_arg(d, 3) == -1) {
		dec_arg_begin(d, "dirfd");
		dec_text(d, "FAN_NOFD");
		dec_arg_end(d);
		dec_skip(d);
	}
	dec_rest(d);
}

static const struct dec_type types[] = {
	{ "stat", stat_item, NULL },
	{ "statx", statx_item, NULL },
	{ "statfs", statfs_item, NULL },
	{ "ustat", NULL, ustat_memory },
	{ "utimbuf", utimbuf_item, NULL },
	{ "utimespec", utimespec_item, NULL },
	{ "dirents", NULL, dirents_memory },
	{ "dirents64", NULL, dirents64_memory },
	{ "cwd", NULL, cwd_memory },
	{ "file_handle", file_handle_item, NULL },
	{ NULL, NULL, NULL },
};

static const struct dec_call calls[] = {
	{ "open", open_enter, NULL },
	{ "openat", open_enter, NULL },
	{ "mknod", mknod_enter, NULL },
	{ "mknodat", mknod_enter, NULL },
	{ "fanotify_mark", fanotify_mark_enter, NULL },
	{ "utimes", utimes_enter, NULL },
	{ "futimesat", utimes_enter, NULL },
	{ "name_to_handle_at", handle_enter, handle_exit },
	{ "open_by_handle_at", open_by_handle_enter, NULL },
	{ NULL, NULL, NULL },
};

const struct dec_family dec_file = { types, calls };
