// SPDX-License-Identifier: Apache-2.0
/* Socket options: their names and values by level. */
#include <errno.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "event/decode_network.h"

static const struct {
	int level;
	const struct call_names *names;
} levels[] = {
	{ 0, &call_names_sockopt_ip },	       { 1, &call_names_sockopt_socket },
	{ 6, &call_names_sockopt_tcp },	       { 17, &call_names_sockopt_udp },
	{ 40, &call_names_sockopt_vsock },     { 41, &call_names_sockopt_ipv6 },
	{ 101, &call_names_sockopt_can_raw },  { 132, &call_names_sockopt_sctp },
	{ 255, &call_names_sockopt_raw },      { 256, &call_names_sockopt_ipx },
	{ 257, &call_names_sockopt_ax25 },     { 263, &call_names_sockopt_packet },
	{ 266, &call_names_sockopt_irda },     { 268, &call_names_sockopt_llc },
	{ 269, &call_names_sockopt_dccp },     { 270, &call_names_sockopt_netlink },
	{ 271, &call_names_sockopt_tipc },     { 272, &call_names_sockopt_rxrpc },
	{ 273, &call_names_sockopt_pppol2tp }, { 274, &call_names_sockopt_bluetooth },
	{ 275, &call_names_sockopt_pnpipe },   { 276, &call_names_sockopt_rds },
	{ 277, &call_names_sockopt_iucv },     { 278, &call_names_sockopt_caif },
	{ 279, &call_names_sockopt_alg },      { 280, &call_names_sockopt_nfc },
	{ 281, &call_names_sockopt_kcm },      { 282, &call_names_sockopt_tls },
	{ 283, &call_names_sockopt_xdp },
};

static void option_name(struct decode *d, int level, unsigned int option)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (levels[i].level != level)
			continue;
		dec_names(d, levels[i].names, option);
		return;
	}
	dec_unsigned(d, option);
}

/* -- values -------------------------------------------------------------------------------- */

static void linger(struct decode *d, const uint8_t *data)
{
	dec_printf(d, "{l_onoff=%d, l_linger=%d}", DEC_GET(int, data, 0), DEC_GET(int, data, 4));
}

static void peer(struct decode *d, const uint8_t *data)
{
	dec_printf(d, "{pid=%d, uid=", DEC_GET(int, data, 0));
	dec_id(d, DEC_GET(uint32_t, data, 4));
	dec_text(d, ", gid=");
	dec_id(d, DEC_GET(uint32_t, data, 8));
	dec_text(d, "}");
}

static void membership(struct decode *d, const uint8_t *data)
{
	dec_text(d, "{imr_multiaddr=");
	dec_inet(d, DEC_GET(uint32_t, data, 0));
	dec_text(d, ", imr_interface=");
	dec_inet(d, DEC_GET(uint32_t, data, 4));
	dec_text(d, "}");
}

static void membership6(struct decode *d, const uint8_t *data)
{
	dec_text(d, "{");
	dec_inet6(d, data, "ipv6mr_multiaddr");
	dec_text(d, ", ipv6mr_interface=");
	dec_interface(d, DEC_GET(unsigned int, data, 16));
	dec_text(d, "}");
}

static void packet_membership(struct decode *d, const uint8_t *data)
{
	unsigned int size = DEC_GET(unsigned short, data, 6);

	dec_text(d, "{mr_ifindex=");
	dec_interface(d, DEC_GET(unsigned int, data, 0));
	dec_text(d, ", mr_type=");
	dec_names(d, &call_names_packet_mr, DEC_GET(unsigned short, data, 4));
	dec_printf(d, ", mr_alen=%u, mr_address=", size);
	dec_hardware_address(d, data + 8, size < 8 ? size : 8);
	dec_text(d, "}");
}

static void packet_ring(struct decode *d, const uint8_t *data)
{
	dec_printf(d, "{tp_block_size=%u, tp_block_nr=%u, tp_frame_size=%u, tp_frame_nr=%u}",
		   DEC_GET(unsigned int, data, 0), DEC_GET(unsigned int, data, 4),
		   DEC_GET(unsigned int, data, 8), DEC_GET(unsigned int, data, 12));
}

static void packet_statistics(struct decode *d, const uint8_t *data)
{
	dec_printf(d, "{tp_packets=%u, tp_drops=%u, tp_freeze_q_cnt=%u}",
		   DEC_GET(unsigned int, data, 0), DEC_GET(unsigned int, data, 4),
		   DEC_GET(unsigned int, data, 8));
}

static void socket_error(struct decode *d, const uint8_t *data)
{
	const char *name = decode_errno(DEC_GET(unsigned int, data, 0), NULL);

	dec_text(d, "[");
	if (name && DEC_GET(unsigned int, data, 0))
		dec_text(d, name);
	else
		dec_signed(d, DEC_GET(int, data, 0));
	dec_text(d, "]");
}

static void filter(struct decode *d, const uint8_t *data)
{
	dec_printf(d, "{len=%u, filter=", DEC_GET(unsigned short, data, 0));
	dec_address(d, DEC_GET(uint64_t, data, 8));
	dec_text(d, "}");
}

static const struct value {
	int level, option;
	size_t size; /* it takes */
	bool get, set;
	void (*print)(struct decode *d, const uint8_t *data);
} values[] = {
	{ SOL_SOCKET, SO_LINGER, 8, true, true, linger },
	{ SOL_SOCKET, SO_PEERCRED, 12, true, false, peer },
	{ SOL_SOCKET, SO_ERROR, 4, true, false, socket_error },
	{ SOL_SOCKET, SO_ATTACH_FILTER, 16, false, true, filter },
	{ SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, 16, false, true, filter },
	{ SOL_IP, IP_ADD_MEMBERSHIP, 8, false, true, membership },
	{ SOL_IP, IP_DROP_MEMBERSHIP, 8, false, true, membership },
	{ SOL_IPV6, IPV6_ADD_MEMBERSHIP, 20, false, true, membership6 },
	{ SOL_IPV6, IPV6_DROP_MEMBERSHIP, 20, false, true, membership6 },
	{ SOL_PACKET, PACKET_ADD_MEMBERSHIP, 16, false, true, packet_membership },
	{ SOL_PACKET, PACKET_DROP_MEMBERSHIP, 16, false, true, packet_membership },
	{ SOL_PACKET, PACKET_RX_RING, 16, false, true, packet_ring },
	{ SOL_PACKET, PACKET_TX_RING, 16, false, true, packet_ring },
	{ SOL_PACKET, PACKET_STATISTICS, 12, true, false, packet_statistics },
};

static const struct value *value_of(int level, int option, bool set)
{
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if (values[i].level == level && values[i].option == option &&
		    (set ? values[i].set : values[i].get))
			return &values[i];
	}
	return NULL;
}

/* Options of SOL_SOCKET that are an int whatever length is given. */
static bool is_int(int level, int option)
{
	static const uint8_t ints[] = { SO_DEBUG,     SO_REUSEADDR, SO_TYPE,	 SO_DONTROUTE,
					SO_BROADCAST, SO_SNDBUF,    SO_RCVBUF,	 SO_KEEPALIVE,
					SO_OOBINLINE, SO_NO_CHECK,  SO_PRIORITY, SO_REUSEPORT,
					SO_PASSCRED,  SO_RCVLOWAT,  SO_SNDLOWAT, SO_ACCEPTCONN,
					SO_MARK,      SO_PROTOCOL,  SO_DOMAIN };

	if (level != SOL_SOCKET)
		return false;
	for (size_t i = 0; i < sizeof(ints); i++) {
		if (ints[i] == option)
			return true;
	}
	return false;
}

static void option_value(struct decode *d, uint64_t address, int64_t length, bool set)
{
	int level = (int)dec_arg(d, 1), option = (int)dec_arg(d, 2), number;
	const struct value *value = value_of(level, option, set);
	bool whole = is_int(level, option);
	uint8_t data[64];

	if (length < 0 || (!length && !set) || (whole && set && length < 4) ||
	    (value && length < (int64_t)value->size && set)) {
		dec_address(d, address);
	} else if (value && length >= (int64_t)value->size) {
		if (dec_read_or_address(d, address, data, value->size))
			value->print(d, data);
	} else if (length == 4 || (whole && length > 4)) {
		if (dec_read_or_address(d, address, &number, 4))
			dec_printf(d, "[%d]", number);
	} else if (!set && length < 4) {
		if (dec_read_or_address(d, address, data, (size_t)length))
			dec_quoted(d, data, (size_t)length, DEC_QUOTE_HEX);
	} else if (!length) {
		dec_address(d, address);
	} else {
		dec_bytes(d, address, (uint64_t)length);
	}
}

static void names_of_option(struct decode *d)
{
	dec_next(d);
	dec_next(d);
	dec_arg_begin(d, "optname");
	option_name(d, (int)dec_arg(d, 1), (unsigned int)dec_arg(d, 2));
	dec_arg_end(d);
	dec_skip(d);
}

/* Some numbers mean another option when they are set. */
static bool set_only_name(struct decode *d)
{
	static const struct {
		int level;
		unsigned int option;
		const char *name;
	} names[] = { { 0, 64, "IPT_SO_SET_REPLACE" },	     { 0, 65, "IPT_SO_SET_ADD_COUNTERS" },
		      { 0, 96, "ARPT_SO_SET_REPLACE" },	     { 0, 97, "ARPT_SO_SET_ADD_COUNTERS" },
		      { 0, 128, "EBT_SO_SET_ENTRIES" },	     { 0, 129, "EBT_SO_SET_COUNTERS" },
		      { 1, 26, "SO_ATTACH_FILTER" },	     { 41, 64, "IP6T_SO_SET_REPLACE" },
		      { 41, 65, "IP6T_SO_SET_ADD_COUNTERS" } };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((int)dec_arg(d, 1) != names[i].level ||
		    (unsigned int)dec_arg(d, 2) != names[i].option)
			continue;
		dec_next(d);
		dec_next(d);
		dec_arg_begin(d, "optname");
		dec_text(d, names[i].name);
		dec_arg_end(d);
		dec_skip(d);
		return true;
	}
	return false;
}

void dec_getsockopt_enter(struct decode *d)
{
	names_of_option(d);
}

void dec_getsockopt_exit(struct decode *d)
{
	int now = 0;
	int64_t before = (int32_t)d->call->call.pointed[4], length;

	dec_read(d, dec_arg(d, 4), &now, sizeof(now));
	length = now < before ? now : before;
	dec_arg_begin(d, "optval");
	if (dec_failed(d))
		dec_address(d, dec_arg(d, 3));
	else
		option_value(d, dec_arg(d, 3), length, false);
	dec_arg_end(d);
	dec_skip(d);
	dec_rest(d);
}

void dec_setsockopt_enter(struct decode *d)
{
	if (!set_only_name(d))
		names_of_option(d);
	dec_arg_begin(d, "optval");
	option_value(d, dec_arg(d, 3), (int32_t)dec_arg(d, 4), true);
	dec_arg_end(d);
	dec_skip(d);
	dec_rest(d);
}
