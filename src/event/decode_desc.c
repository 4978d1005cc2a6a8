// SPDX-License-Identifier: Apache-2.0
/* Descriptors: vectors, waiting for several, fcntl, asynchronous input and output. */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <string.h>

#include "base/alloc.h"
#include "event/decode_network.h"

/* -- vectors ------------------------------------------------------------------------------- */

static void iovec_base(struct decode *d, const uint64_t iov[2], uint64_t shown, bool contents)
{
	dec_text(d, "{iov_base=");
	if (contents)
		dec_bytes(d, iov[0], shown);
	else
		dec_address(d, iov[0]);
	dec_text(d, ", iov_len=");
	dec_unsigned(d, iov[1]);
	dec_text(d, "}");
}

void dec_iovec(struct decode *d, uint64_t address, uint64_t count, uint64_t budget, bool contents)
{
	uint64_t iov[2], shown;

	if (!address || !count) {
		dec_text(d, address ? "[]" : "NULL");
		return;
	}
	if (!dec_in_range(address, count, sizeof(iov))) {
		dec_address(d, address);
		return;
	}
	for (uint64_t i = 0; i < count; i++, address += sizeof(iov)) {
		if (i >= d->options->string_limit && !d->options->verbose) {
			dec_text(d, ", ...");
			break;
		}
		if (!dec_read(d, address, iov, sizeof(iov))) {
			if (!i) {
				dec_address(d, address);
				return;
			}
			dec_printf(d, ", ... /* 0x%llx */", (unsigned long long)address);
			break;
		}
		shown = iov[1] < budget ? iov[1] : budget;
		budget -= shown;
		dec_text(d, i ? ", " : "[");
		iovec_base(d, iov, shown, contents);
	}
	dec_text(d, "]");
}

static void iovec_item(struct decode *d, const uint8_t *data)
{
	uint64_t iov[2];

	memcpy(iov, data, sizeof(iov));
	iovec_base(d, iov, 0, false);
}

static void iovec_in_item(struct decode *d, const uint8_t *data)
{
	uint64_t iov[2];

	memcpy(iov, data, sizeof(iov));
	iovec_base(d, iov, iov[1], true);
}

/* What a read filled: as many bytes as the result says. */
static void readv_exit(struct decode *d)
{
	unsigned int at = d->call->next;
	int64_t result = d->call->call.result;

	dec_arg_begin(d, d->call->shape.args[at].name);
	dec_iovec(d, dec_arg(d, at), dec_arg(d, at + 1), result < 0 ? 0 : (uint64_t)result,
		  !dec_failed(d));
	dec_arg_end(d);
	dec_skip(d);
	if (!strncmp(d->call->entry->name, "preadv2", 7)) {
		dec_next(d);
		dec_next(d);
		dec_skip(d);
	}
	dec_rest(d);
}

/* The high half of the offset is not an argument on 64-bit machines. */
static void pwritev2_enter(struct decode *d)
{
	for (int i = 0; i < 4; i++)
		dec_next(d);
	dec_skip(d);
	dec_next(d);
}

/* -- select -------------------------------------------------------------------------------- */

#define FDS_MAX 65536

static bool read_set(struct decode *d, uint64_t address, unsigned int count, struct buf *set)
{
	size_t size = ((size_t)count + 63) / 64 * 8;

	buf_reset(set);
	return address && count <= FDS_MAX && dec_read(d, address, buf_reserve(set, size), size);
}

static unsigned int members(struct decode *d, const struct buf *set, unsigned int count, bool print)
{
	unsigned int found = 0;

	for (unsigned int fd = 0; fd < count; fd++) {
		if (!(((uint8_t *)set->data)[fd / 8] >> (fd % 8) & 1))
			continue;
		if (print) {
			dec_text(d, found ? " " : "");
			dec_fd(d, (int)fd);
		}
		found++;
	}
	return found;
}

static void fdset_memory(struct decode *d, uint64_t address, uint64_t count)
{
	struct buf set = { 0 };

	if ((int32_t)count < 0 || !read_set(d, address, (unsigned int)count, &set)) {
		dec_address(d, address);
	} else {
		dec_text(d, "[");
		members(d, &set, (unsigned int)count, true);
		dec_text(d, "]");
	}
	buf_release(&set);
}

static void select_sets(struct decode *d, struct decode *note)
{
	static const char *const names[] = { "in [", "out [", "except [" };
	unsigned int count = (unsigned int)dec_arg(d, 0);
	struct buf set = { 0 };

	for (unsigned int i = 0; i < 3; i++) {
		if (!read_set(d, dec_arg(d, i + 1), count, &set) ||
		    !members(note, &set, count, false))
			continue;
		dec_text(note, note->out->length ? ", " : "");
		dec_text(note, names[i]);
		members(note, &set, count, true);
		dec_text(note, "]");
	}
	buf_release(&set);
}

static void time_left(struct decode *d, struct decode *note, unsigned int arg, const char *type)
{
	uint8_t left[16];

	if (!dec_read(d, dec_arg(d, arg), left, sizeof(left)))
		return;
	dec_text(note, note->out->length ? ", left " : "left ");
	dec_item_named(note, type, left);
}

/*
 * What is ready goes into the note behind the result; false when nothing is. `memory` is for the
 * note, without paths: they are said before.
 */
static bool begin_note(struct decode *d, struct decode *note, struct decode_memory *memory)
{
	*note = *d;
	*memory = *d->memory;
	memory->path = NULL;
	note->out = &d->call->note;
	note->memory = memory;
	if (dec_failed(d))
		return false;
	if (!d->call->call.result)
		dec_text(note, "Timeout");
	return d->call->call.result;
}

static void select_exit(struct decode *d)
{
	struct decode note;
	struct decode_memory memory;
	bool plain = !strcmp(d->call->entry->name, "select");

	if (!begin_note(d, &note, &memory))
		return;
	select_sets(d, &note);
	time_left(d, &note, 4, plain ? "timeval" : "timespec");
}

/* -- poll ---------------------------------------------------------------------------------- */

static void poll_ready(struct decode *d, struct decode *note)
{
	uint64_t address = dec_arg(d, 0);
	unsigned int count = (unsigned int)dec_arg(d, 1), shown = 0;
	struct pollfd fd;

	dec_text(note, "[");
	for (unsigned int i = 0; i < count; i++, address += sizeof(fd)) {
		if (!dec_read(d, address, &fd, sizeof(fd)))
			break;
		if (!fd.revents)
			continue;
		dec_text(note, shown ? ", " : "");
		if (shown++ >= d->options->string_limit && !d->options->verbose) {
			dec_text(note, "...");
			break;
		}
		dec_text(note, "{fd=");
		dec_fd(note, fd.fd);
		dec_text(note, ", revents=");
		dec_names(note, &call_names_poll, (uint16_t)fd.revents);
		dec_text(note, "}");
	}
	dec_text(note, "]");
}

static void poll_exit(struct decode *d)
{
	struct decode note;
	struct decode_memory memory;

	if (!begin_note(d, &note, &memory))
		return;
	poll_ready(d, &note);
	if (!strcmp(d->call->entry->name, "ppoll"))
		time_left(d, &note, 2, "timespec");
}

static void pollfd_item(struct decode *d, const uint8_t *data)
{
	struct pollfd fd;

	memcpy(&fd, data, sizeof(fd));
	dec_text(d, "{fd=");
	dec_fd(d, fd.fd);
	if (fd.fd >= 0) {
		dec_text(d, ", events=");
		dec_names(d, &call_names_poll, (uint16_t)fd.events);
	}
	dec_text(d, "}");
}

static void epoll_data_item(struct decode *d, const uint8_t *data)
{
	uint64_t value = DEC_GET(uint64_t, data, 0);

	dec_printf(d, "{u32=%u, u64=%llu}", (uint32_t)value, (unsigned long long)value);
}

/* -- fcntl --------------------------------------------------------------------------------- */

static void flock_item(struct decode *d, const uint8_t *data)
{
	int cmd = (int)dec_arg(d, 1);
	struct flock lock;

	memcpy(&lock, data, sizeof(lock));
	dec_text(d, "{l_type=");
	dec_names(d, &call_names_lockf, (uint16_t)lock.l_type);
	dec_text(d, ", l_whence=");
	dec_names(d, &call_names_seek, (uint16_t)lock.l_whence);
	dec_printf(d, ", l_start=%lld, l_len=%lld", (long long)lock.l_start, (long long)lock.l_len);
	if (cmd == F_GETLK || cmd == F_OFD_GETLK)
		dec_printf(d, ", l_pid=%d", lock.l_pid);
	dec_text(d, "}");
}

static void rw_hint_item(struct decode *d, const uint8_t *data)
{
	dec_text(d, "[");
	dec_names(d, &call_names_rw_hint, DEC_GET(uint64_t, data, 0));
	dec_text(d, "]");
}

static void flags_note(struct decode *d, const char *word, const struct call_names *names)
{
	struct decode note = *d;

	note.out = &d->call->note;
	d->call->shape.result = call_type_find("x64");
	if (!d->call->call.result && names != &call_names_open_mode)
		return;
	dec_text(&note, word);
	dec_names(&note, names, (uint64_t)d->call->call.result);
}

static void fcntl_exit(struct decode *d)
{
	struct decode note = *d;
	int64_t result = d->call->call.result;

	dec_rest(d);
	if (dec_failed(d))
		return;
	note.out = &d->call->note;
	switch ((int)dec_arg(d, 1)) {
	case F_GETFD:
		flags_note(d, "flags ", &call_names_fdflags);
		break;
	case F_GETFL:
		flags_note(d, "flags ", &call_names_open_mode);
		break;
	case F_GET_SEALS:
		flags_note(d, "seals ", &call_names_seals);
		break;
	case F_GETLEASE:
		d->call->shape.result = call_type_find("x64");
		dec_names(&note, &call_names_lockf, (uint64_t)result);
		break;
	case F_GETSIG:
		if (result)
			dec_signal(&note, (int)result);
		break;
	}
}

/* -- asynchronous input and output ----------------------------------------------------------- */

static void io_event_item(struct decode *d, const uint8_t *data)
{
	dec_text(d, "{data=");
	dec_hex(d, DEC_GET(uint64_t, data, 0));
	dec_text(d, ", obj=");
	dec_hex(d, DEC_GET(uint64_t, data, 8));
	dec_printf(d, ", res=%lld, res2=%lld}", (long long)DEC_GET(int64_t, data, 16),
		   (long long)DEC_GET(int64_t, data, 24));
}

static void iocb_buffer(struct decode *d, const struct iocb *cb)
{
	dec_text(d, ", aio_buf=");
	switch (cb->aio_lio_opcode) {
	case IOCB_CMD_PWRITE:
		dec_bytes(d, cb->aio_buf, cb->aio_nbytes);
		dec_printf(d, ", aio_nbytes=%llu, aio_offset=%lld",
			   (unsigned long long)cb->aio_nbytes, (long long)cb->aio_offset);
		break;
	case IOCB_CMD_PREAD:
		dec_address(d, cb->aio_buf);
		dec_printf(d, ", aio_nbytes=%llu, aio_offset=%lld",
			   (unsigned long long)cb->aio_nbytes, (long long)cb->aio_offset);
		break;
	case IOCB_CMD_POLL:
		dec_names(d, &call_names_poll, cb->aio_buf);
		break;
	default:
		dec_iovec(d, cb->aio_buf, cb->aio_nbytes, UINT64_MAX,
			  cb->aio_lio_opcode == IOCB_CMD_PWRITEV);
		dec_printf(d, ", aio_offset=%lld", (long long)cb->aio_offset);
	}
}

static void iocb_head(struct decode *d, const struct iocb *cb)
{
	dec_text(d, "{aio_data=");
	dec_hex(d, cb->aio_data);
	if (cb->aio_key)
		dec_printf(d, ", aio_key=%u", cb->aio_key);
	if (cb->aio_rw_flags) {
		dec_text(d, ", aio_rw_flags=");
		dec_names(d, &call_names_rwf, (uint32_t)cb->aio_rw_flags);
	}
	dec_text(d, ", aio_lio_opcode=");
	dec_names(d, &call_names_aio_op, cb->aio_lio_opcode);
	if (cb->aio_flags & IOCB_FLAG_IOPRIO) {
		dec_text(d, ", aio_reqprio=");
		dec_io_priority(d, (uint16_t)cb->aio_reqprio);
	} else if (cb->aio_reqprio) {
		dec_printf(d, ", aio_reqprio=%d", cb->aio_reqprio);
	}
	dec_printf(d, ", aio_fildes=");
	dec_fd(d, (int)cb->aio_fildes);
}

static bool has_buffer(const struct iocb *cb)
{
	unsigned int op = cb->aio_lio_opcode;

	return op == IOCB_CMD_PREAD || op == IOCB_CMD_PWRITE || op == IOCB_CMD_PREADV ||
	       op == IOCB_CMD_PWRITEV || op == 5 /* IOCB_CMD_POLL */;
}

static void iocb_item(struct decode *d, const uint8_t *data)
{
	struct iocb cb;

	memcpy(&cb, data, sizeof(cb));
	iocb_head(d, &cb);
	dec_text(d, "}");
}

static void iocbp_item(struct decode *d, const uint8_t *data)
{
	uint64_t address = DEC_GET(uint64_t, data, 0);
	struct iocb cb;

	if (!dec_read_or_address(d, address, &cb, sizeof(cb)))
		return;
	iocb_head(d, &cb);
	if (has_buffer(&cb))
		iocb_buffer(d, &cb);
	if (cb.aio_flags) {
		dec_text(d, ", aio_flags=");
		dec_names(d, &call_names_aio_resfd, cb.aio_flags);
		if (cb.aio_flags & IOCB_FLAG_RESFD) {
			dec_text(d, ", aio_resfd=");
			dec_fd(d, (int)cb.aio_resfd);
		}
	}
	dec_text(d, "}");
}

/* [0] => [5] */
static void sendfile_enter(struct decode *d)
{
	int64_t offset = 0;

	dec_next(d);
	dec_next(d);
	d->call->saved = dec_arg(d, 2) != 0;
	dec_arg_begin(d, "offset");
	if (!dec_read(d, dec_arg(d, 2), &offset, sizeof(offset))) {
		dec_address(d, dec_arg(d, 2));
		d->call->saved = 0;
	} else {
		dec_printf(d, "[%lld]", (long long)offset);
	}
	if (d->call->saved) {
		d->call->separator = false;
		return;
	}
	dec_arg_end(d);
	dec_skip(d);
	dec_rest(d);
	d->call->whole = true;
}

static void sendfile_exit(struct decode *d)
{
	int64_t offset = 0;

	if (d->call->whole)
		return;
	if (d->call->call.result > 0 && dec_read(d, dec_arg(d, 2), &offset, 8))
		dec_printf(d, " => [%lld]", (long long)offset);
	d->call->separator = true;
	dec_arg_end(d);
	dec_skip(d);
	dec_rest(d);
}

static const struct dec_type types[] = {
	{ "iovec", iovec_item, NULL },
	{ "iovec_in", iovec_in_item, NULL },
	{ "fdset", NULL, fdset_memory },
	{ "pollfd", pollfd_item, NULL },
	{ "flock", flock_item, NULL },
	{ "rw_hint", rw_hint_item, NULL },
	{ "io_event", io_event_item, NULL },
	{ "epoll_data", epoll_data_item, NULL },
	{ "iocb", iocb_item, NULL },
	{ "iocbp", iocbp_item, NULL },
	{ NULL, NULL, NULL },
};

static const struct dec_call calls[] = {
	{ "readv", NULL, readv_exit },
	{ "preadv", NULL, readv_exit },
	{ "preadv2", NULL, readv_exit },
	{ "pwritev2", pwritev2_enter, NULL },
	{ "process_vm_readv", NULL, readv_exit },
	{ "select", NULL, select_exit },
	{ "pselect6", NULL, select_exit },
	{ "poll", NULL, poll_exit },
	{ "ppoll", NULL, poll_exit },
	{ "fcntl", NULL, fcntl_exit },
	{ "sendfile", sendfile_enter, sendfile_exit },
	{ NULL, NULL, NULL },
};

const struct dec_family dec_desc = { types, calls };
