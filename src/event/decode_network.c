// SPDX-License-Identifier: Apache-2.0
/* Sockets: creation, messages. */
#include "event/decode_network.h"

#include <string.h>
#include <sys/socket.h>

/* -- socket and socketpair --------------------------------------------------------------- */

static const struct call_names *protocols_of(int family)
{
	switch (family) {
	case AF_INET:
	case AF_INET6:
		return &call_names_proto_inet;
	case AF_NETLINK:
		return &call_names_proto_netlink;
	case AF_CAN:
		return &call_names_proto_can;
	case AF_BLUETOOTH:
		return &call_names_proto_bluetooth;
	default:
		return NULL;
	}
}

static void socket_enter(struct decode *d)
{
	int family = (int)dec_arg(d, 0);
	uint64_t protocol = dec_arg(d, 2);
	const struct call_names *names = protocols_of(family);

	dec_next(d);
	dec_next(d);
	dec_arg_begin(d, "protocol");
	if (family == AF_PACKET) {
		dec_text(d, "htons(");
		dec_names(d, &call_names_ethertype, __builtin_bswap16((uint16_t)protocol));
		dec_text(d, ")");
	} else if (names) {
		dec_names(d, names, (uint32_t)protocol);
	} else {
		dec_unsigned(d, protocol);
	}
	dec_arg_end(d);
	dec_skip(d);
}

/* -- addresses ----------------------------------------------------------------------------- */

static void sockaddr_memory(struct decode *d, uint64_t address, uint64_t count)
{
	dec_sockaddr_at(d, address, (int64_t)count < 0 || count > INT32_MAX ? 0 : count);
}

/* -- messages ------------------------------------------------------------------------------ */

struct header {
	uint64_t name;
	uint32_t name_size, pad;
	uint64_t iov, iov_count, control, control_size;
	uint32_t flags, pad2;
};

/* name_before: msg_namelen when the call was entered, or -1. */
static void message(struct decode *d, const uint8_t *data, int64_t name_before, uint64_t budget)
{
	struct header h;
	uint32_t name_size;

	memcpy(&h, data, sizeof(h));
	name_size = h.name_size;
	if (name_before >= 0 && name_size > name_before)
		name_size = (uint32_t)name_before;
	dec_text(d, "{msg_name=");
	dec_sockaddr_at(d, h.name, name_size > INT32_MAX ? 0 : name_size);
	dec_text(d, ", msg_namelen=");
	if (name_before >= 0 && name_before != h.name_size)
		dec_printf(d, "%lld => ", (long long)name_before);
	dec_signed(d, (int32_t)h.name_size);
	dec_text(d, ", msg_iov=");
	dec_iovec(d, h.iov, h.iov_count, budget, true);
	dec_printf(d, ", msg_iovlen=%llu", (unsigned long long)h.iov_count);
	if (h.control || h.control_size) {
		dec_text(d, h.control_size ? ", msg_control=" : "");
		if (h.control_size)
			dec_control(d, h.control, h.control_size);
	}
	dec_printf(d, ", msg_controllen=%llu, msg_flags=", (unsigned long long)h.control_size);
	dec_names(d, &call_names_msg_flags, h.flags);
	dec_text(d, "}");
}

static void message_item(struct decode *d, const uint8_t *data)
{
	message(d, data, -1, UINT64_MAX);
}

static void recvmsg_enter(struct decode *d)
{
	uint32_t size;

	dec_next(d);
	if (dec_read(d, dec_arg(d, 1) + 8, &size, 4))
		d->call->saved = size + 1ull;
}

static void recvmsg_exit(struct decode *d)
{
	uint8_t data[sizeof(struct header)];
	uint64_t address = dec_arg(d, 1);

	dec_arg_begin(d, "msg");
	if (dec_failed(d) && d->call->saved)
		dec_printf(d, "{msg_namelen=%d}", (int)(d->call->saved - 1));
	else if (dec_failed(d) || !d->call->saved)
		dec_address(d, address);
	else if (dec_read_or_address(d, address, data, sizeof(data)))
		message(d, data, (int64_t)d->call->saved - 1, (uint64_t)d->call->call.result);
	dec_arg_end(d);
	dec_skip(d);
	dec_rest(d);
}

/* The messages of sendmmsg and recvmmsg: the first `done` have their length. */
static void message_vector(struct decode *d, uint64_t address, uint64_t count, uint64_t done,
			   bool received)
{
	uint8_t data[64];

	if (!count || !address) {
		dec_text(d, address ? "[]" : "NULL");
		return;
	}
	for (uint64_t i = 0; i < count; i++) {
		if (i >= d->options->string_limit && !d->options->verbose) {
			dec_text(d, ", ...");
			break;
		}
		if (!dec_read(d, address + i * sizeof(data), data, sizeof(data))) {
			if (!i) {
				dec_address(d, address);
				return;
			}
			dec_printf(d, ", ... /* 0x%llx */",
				   (unsigned long long)(address + i * sizeof(data)));
			break;
		}
		dec_text(d, i ? ", {msg_hdr=" : "[{msg_hdr=");
		message(d, data, -1, received ? DEC_GET(uint32_t, data, 56) : UINT64_MAX);
		if (i < done)
			dec_printf(d, ", msg_len=%u", DEC_GET(uint32_t, data, 56));
		dec_text(d, "}");
	}
	dec_text(d, "]");
}

static void sendmmsg_exit(struct decode *d)
{
	int64_t result = d->call->call.result;

	dec_arg_begin(d, "msgvec");
	message_vector(d, dec_arg(d, 1), (uint32_t)dec_arg(d, 2), result > 0 ? (uint64_t)result : 0,
		       false);
	dec_arg_end(d);
	dec_skip(d);
	dec_rest(d);
}

static void recvmmsg_exit(struct decode *d)
{
	int64_t result = d->call->call.result;
	struct decode note = *d;
	uint8_t left[16];

	dec_arg_begin(d, "msgvec");
	if (dec_failed(d))
		dec_address(d, dec_arg(d, 1));
	else
		message_vector(d, dec_arg(d, 1), (uint64_t)result, (uint64_t)result, true);
	dec_arg_end(d);
	dec_skip(d);
	dec_rest(d);
	note.out = &d->call->note;
	if (!result) {
		dec_text(&note, "Timeout");
	} else if (result > 0 && dec_read(d, dec_arg(d, 4), left, sizeof(left))) {
		dec_text(&note, "left ");
		dec_item_named(&note, "timespec", left);
	}
}

static const struct dec_type types[] = {
	{ "sockaddr", NULL, sockaddr_memory },
	{ "msghdr_in", message_item, NULL },
	{ NULL, NULL, NULL },
};

static const struct dec_call calls[] = {
	{ "socket", socket_enter, NULL },
	{ "socketpair", socket_enter, NULL },
	{ "recvmsg", recvmsg_enter, recvmsg_exit },
	{ "sendmmsg", NULL, sendmmsg_exit },
	{ "recvmmsg", NULL, recvmmsg_exit },
	{ "getsockopt", dec_getsockopt_enter, dec_getsockopt_exit },
	{ "setsockopt", dec_setsockopt_enter, NULL },
	{ NULL, NULL, NULL },
};

const struct dec_family dec_network = { types, calls };
