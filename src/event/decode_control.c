// SPDX-License-Identifier: Apache-2.0
/* Ancillary data: the control messages of sendmsg and recvmsg. */
#include <time.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "event/decode_network.h"

/* What one recvmsg can return is bounded by net.core.optmem_max; this is ample. */
#define CONTROL_MAX 65536

struct message {
	int level, type;
	const uint8_t *data;
	size_t size;
};

static void integers(struct decode *d, const struct message *m, bool descriptors)
{
	dec_text(d, "[");
	for (size_t i = 0; i < m->size / 4; i++) {
		dec_text(d, i ? ", " : "");
		if (descriptors)
			dec_fd(d, DEC_GET(int, m->data, i * 4));
		else
			dec_signed(d, DEC_GET(int, m->data, i * 4));
	}
	dec_text(d, "]");
}

static void octets(struct decode *d, const struct message *m)
{
	dec_text(d, "[");
	for (size_t i = 0; i < m->size; i++) {
		dec_text(d, i ? ", " : "");
		dec_hex(d, m->data[i]);
	}
	dec_text(d, "]");
}

static void credentials(struct decode *d, const struct message *m)
{
	dec_printf(d, "{pid=%d, uid=", DEC_GET(int, m->data, 0));
	dec_id(d, DEC_GET(uint32_t, m->data, 4));
	dec_text(d, ", gid=");
	dec_id(d, DEC_GET(uint32_t, m->data, 8));
	dec_text(d, "}");
}

static void stamps(struct decode *d, const struct message *m)
{
	dec_text(d, "[");
	for (size_t at = 0; at + 16 <= m->size; at += 16) {
		dec_text(d, at ? ", " : "");
		dec_item_named(d, "timespec", m->data + at);
	}
	dec_text(d, "]");
}

static bool socket_data(struct decode *d, const struct message *m)
{
	switch (m->type) {
	case SCM_RIGHTS:
		if (m->size < 4)
			return false;
		integers(d, m, true);
		return true;
	case SCM_CREDENTIALS:
		if (m->size < 12)
			return false;
		credentials(d, m);
		return true;
	case 3: /* SCM_SECURITY */
		dec_quoted(d, m->data, m->size, 0);
		return true;
	case SO_TIMESTAMP_OLD:
	case SO_TIMESTAMPNS_OLD:
		if (m->size < 16)
			return false;
		dec_item_named(d, m->type == SO_TIMESTAMP_OLD ? "timeval" : "timespec", m->data);
		return true;
	case SO_TIMESTAMPING_OLD:
		if (m->size < 48)
			return false;
		stamps(d, m);
		return true;
	default:
		return false;
	}
}

static void packet_info(struct decode *d, const struct message *m)
{
	dec_text(d, "{ipi_ifindex=");
	dec_interface(d, DEC_GET(unsigned int, m->data, 0));
	dec_text(d, ", ipi_spec_dst=");
	dec_inet(d, DEC_GET(uint32_t, m->data, 4));
	dec_text(d, ", ipi_addr=");
	dec_inet(d, DEC_GET(uint32_t, m->data, 8));
	dec_text(d, "}");
}

static void extended_error(struct decode *d, const struct message *m)
{
	struct sock_extended_err e;

	memcpy(&e, m->data, sizeof(e));
	dec_printf(d, "{ee_errno=%u, ee_origin=%u, ee_type=%u, ee_code=%u, ee_info=%u, ee_data=%u",
		   e.ee_errno, e.ee_origin, e.ee_type, e.ee_code, e.ee_info, e.ee_data);
	if (m->size > sizeof(e) + 2) {
		dec_text(d, ", offender=");
		dec_sockaddr(d, m->data + sizeof(e), m->size - sizeof(e));
	}
	dec_text(d, "}");
}

static bool ip_data(struct decode *d, const struct message *m)
{
	switch (m->type) {
	case IP_TTL:
	case 23: /* IP_CHECKSUM */
		if (m->size < 4)
			return false;
		integers(d, m, false);
		return true;
	case IP_TOS:
	case IP_RECVOPTS:
	case IP_RETOPTS:
		octets(d, m);
		return m->size > 0;
	case IP_PKTINFO:
		if (m->size < 12)
			return false;
		packet_info(d, m);
		return true;
	case IP_RECVERR:
		if (m->size < sizeof(struct sock_extended_err))
			return false;
		extended_error(d, m);
		return true;
	case IP_ORIGDSTADDR:
		if (m->size < 16)
			return false;
		dec_sockaddr(d, m->data, m->size);
		return true;
	default:
		return false;
	}
}

static void message_type(struct decode *d, const struct message *m)
{
	if (m->level == SOL_SOCKET)
		dec_names(d, &call_names_cmsg_socket, (unsigned int)m->type);
	else if (m->level == SOL_IP)
		dec_names(d, &call_names_cmsg_ip, (unsigned int)m->type);
	else
		dec_hex(d, (unsigned int)m->type);
}

static void one_message(struct decode *d, const struct message *m, uint64_t length)
{
	size_t mark;
	bool known = false;

	dec_printf(d, "{cmsg_len=%llu, cmsg_level=", (unsigned long long)length);
	dec_names(d, &call_names_sol, (unsigned int)m->level);
	dec_text(d, ", cmsg_type=");
	message_type(d, m);
	mark = d->out->length;
	dec_text(d, ", cmsg_data=");
	if (m->size && m->level == SOL_SOCKET)
		known = socket_data(d, m);
	else if (m->size && m->level == SOL_IP)
		known = ip_data(d, m);
	if (!known)
		d->out->length = mark;
	dec_text(d, "}");
}

static void messages(struct decode *d, const uint8_t *data, size_t size)
{
	const char *separator = "[";

	for (size_t at = 0; at + sizeof(struct cmsghdr) <= size;) {
		uint64_t length = DEC_GET(uint64_t, data, at);
		struct message m = { DEC_GET(int, data, at + 8), DEC_GET(int, data, at + 12),
				     data + at + sizeof(struct cmsghdr), 0 };

		if (length > sizeof(struct cmsghdr))
			m.size = length - sizeof(struct cmsghdr);
		if (m.size > size - at - sizeof(struct cmsghdr))
			m.size = size - at - sizeof(struct cmsghdr);
		dec_text(d, separator);
		separator = ", ";
		one_message(d, &m, length);
		if (length < sizeof(struct cmsghdr) || length > size - at)
			break;
		at += (length + 7) & ~7ull;
	}
	dec_text(d, "]");
}

void dec_control(struct decode *d, uint64_t address, uint64_t size)
{
	struct buf data = { 0 };

	if (size < sizeof(struct cmsghdr) || size > CONTROL_MAX ||
	    !dec_read(d, address, buf_reserve(&data, size), size))
		dec_address(d, address);
	else
		messages(d, (const uint8_t *)data.data, size);
	buf_release(&data);
}
