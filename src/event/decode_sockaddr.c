// SPDX-License-Identifier: Apache-2.0
/* Socket addresses, by family. */
#include <arpa/inet.h>
#include <linux/if_alg.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <linux/netlink.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include "event/decode_network.h"

void dec_interface(struct decode *d, unsigned int index)
{
	char name[IF_NAMESIZE];

	if (index && if_indextoname(index, name))
		dec_printf(d, "if_nametoindex(\"%s\")", name);
	else
		dec_unsigned(d, index);
}

void dec_inet(struct decode *d, uint32_t address)
{
	char text[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &address, text, sizeof(text));
	dec_printf(d, "inet_addr(\"%s\")", text);
}

void dec_inet6(struct decode *d, const void *address, const char *name)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(AF_INET6, address, text, sizeof(text));
	dec_printf(d, "inet_pton(AF_INET6, \"%s\", &%s)", text, name);
}

void dec_hardware_address(struct decode *d, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		dec_printf(d, "%s%02x", i ? ":" : "", bytes[i]);
}

static void unix_address(struct decode *d, const uint8_t *data, size_t size)
{
	size_t path = size - offsetof(struct sockaddr_un, sun_path);
	const uint8_t *text = data + offsetof(struct sockaddr_un, sun_path);

	if (!path)
		return;
	dec_text(d, ", sun_path=");
	/* An abstract name starts with a NUL and may hold others. */
	if (!text[0]) {
		dec_text(d, "@");
		dec_quoted(d, text + 1, path - 1, 0);
	} else {
		dec_quoted(d, text, path, DEC_QUOTE_NUL);
	}
}

static void inet_address(struct decode *d, const uint8_t *data, size_t size)
{
	struct sockaddr_in in;

	(void)size;
	memcpy(&in, data, sizeof(in));
	dec_printf(d, ", sin_port=htons(%u), sin_addr=", ntohs(in.sin_port));
	dec_inet(d, in.sin_addr.s_addr);
}

static void inet6_address(struct decode *d, const uint8_t *data, size_t size)
{
	struct sockaddr_in6 in = { 0 };

	memcpy(&in, data, size < sizeof(in) ? size : sizeof(in));
	dec_printf(d, ", sin6_port=htons(%u), sin6_flowinfo=htonl(%u), ", ntohs(in.sin6_port),
		   ntohl(in.sin6_flowinfo));
	dec_inet6(d, &in.sin6_addr, "sin6_addr");
	if (size > offsetof(struct sockaddr_in6, sin6_scope_id)) {
		dec_text(d, ", sin6_scope_id=");
		if (IN6_IS_ADDR_LINKLOCAL(&in.sin6_addr) || IN6_IS_ADDR_MC_LINKLOCAL(&in.sin6_addr))
			dec_interface(d, in.sin6_scope_id);
		else
			dec_unsigned(d, in.sin6_scope_id);
	}
}

static void netlink_address(struct decode *d, const uint8_t *data, size_t size)
{
	struct sockaddr_nl nl;

	(void)size;
	memcpy(&nl, data, sizeof(nl));
	if (nl.nl_pad)
		dec_printf(d, ", nl_pad=%#x", nl.nl_pad);
	dec_printf(d, ", nl_pid=%u, nl_groups=%#08x", nl.nl_pid, nl.nl_groups);
}

static void packet_address(struct decode *d, const uint8_t *data, size_t size)
{
	struct sockaddr_ll ll = { 0 };
	size_t count;

	memcpy(&ll, data, size < sizeof(ll) ? size : sizeof(ll));
	dec_text(d, ", sll_protocol=htons(");
	dec_names(d, &call_names_ethertype, ntohs(ll.sll_protocol));
	dec_text(d, "), sll_ifindex=");
	dec_interface(d, (unsigned int)ll.sll_ifindex);
	dec_text(d, ", sll_hatype=");
	dec_names(d, &call_names_arphrd, ll.sll_hatype);
	dec_text(d, ", sll_pkttype=");
	dec_names(d, &call_names_packet_type, ll.sll_pkttype);
	dec_printf(d, ", sll_halen=%u", ll.sll_halen);
	count = ll.sll_halen < sizeof(ll.sll_addr) ? ll.sll_halen : sizeof(ll.sll_addr);
	if (!count)
		return;
	dec_text(d, ", sll_addr=[");
	for (size_t i = 0; i < count; i++) {
		dec_text(d, i ? ", " : "");
		dec_hex(d, ll.sll_addr[i]);
	}
	dec_text(d, "]");
}

static void vsock_address(struct decode *d, const uint8_t *data, size_t size)
{
	const char *name;
	struct sockaddr_vm vm;

	(void)size;
	memcpy(&vm, data, sizeof(vm));
	dec_text(d, ", svm_cid=");
	name = call_name_of(&call_names_vsock_cid, vm.svm_cid);
	if (name)
		dec_text(d, name);
	else
		dec_hex(d, vm.svm_cid);
	dec_text(d, ", svm_port=");
	dec_hex(d, vm.svm_port);
	dec_text(d, ", svm_flags=");
	dec_hex(d, data[offsetof(struct sockaddr_vm, svm_zero)]);
}

static void alg_address(struct decode *d, const uint8_t *data, size_t size)
{
	struct sockaddr_alg alg = { 0 };

	memcpy(&alg, data, size < sizeof(alg) ? size : sizeof(alg));
	dec_text(d, ", salg_type=");
	dec_quoted(d, alg.salg_type, sizeof(alg.salg_type), DEC_QUOTE_NUL);
	dec_text(d, ", salg_feat=");
	dec_hex(d, alg.salg_feat);
	dec_text(d, ", salg_mask=");
	dec_hex(d, alg.salg_mask);
	dec_text(d, ", salg_name=");
	dec_quoted(d, alg.salg_name, sizeof(alg.salg_name), DEC_QUOTE_NUL);
}

static const struct {
	unsigned short family;
	size_t size; /* bytes without which it is shown as bytes */
	void (*print)(struct decode *d, const uint8_t *data, size_t size);
} families[] = {
	{ AF_UNIX, 2, unix_address },
	{ AF_INET, sizeof(struct sockaddr_in), inet_address },
	{ AF_INET6, 24, inet6_address },
	{ AF_NETLINK, sizeof(struct sockaddr_nl), netlink_address },
	{ AF_PACKET, 12, packet_address },
	{ AF_VSOCK, sizeof(struct sockaddr_vm), vsock_address },
	{ AF_ALG, 24, alg_address },
};

void dec_sockaddr(struct decode *d, const uint8_t *data, size_t size)
{
	unsigned short family = DEC_GET(unsigned short, data, 0);

	dec_text(d, "{sa_family=");
	dec_names(d, &call_names_af, family);
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		if (families[i].family != family || size < families[i].size)
			continue;
		families[i].print(d, data, size);
		dec_text(d, "}");
		return;
	}
	if (size > 2) {
		dec_text(d, ", sa_data=");
		dec_quoted(d, data + 2, size - 2, 0);
	}
	dec_text(d, "}");
}

void dec_sockaddr_at(struct decode *d, uint64_t address, uint64_t size)
{
	uint8_t data[sizeof(struct sockaddr_storage)];

	if (size > sizeof(data))
		size = sizeof(data);
	if (size < 2 || !dec_read(d, address, data, size)) {
		dec_address(d, address);
		return;
	}
	if (DEC_GET(unsigned short, data, 0) == AF_UNIX && size > sizeof(struct sockaddr_un))
		size = sizeof(struct sockaddr_un);
	dec_sockaddr(d, data, size);
}
