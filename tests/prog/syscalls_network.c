// SPDX-License-Identifier: Apache-2.0
/* Families of system calls on sockets. */
#include "syscalls_family.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

static struct sockaddr_un unix_address(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	return address;
}

static void sockets(void)
{
	socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, IPPROTO_UDP);
	socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP);
	socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	socket(99, 88, 77);
}

static void local_stream(void)
{
	struct sockaddr_un address = unix_address("socket"), peer;
	socklen_t size = sizeof(peer);
	int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0), end;
	char text[32];

	bind(server, (void *)&address, sizeof(address));
	listen(server, 5);
	connect(client, (void *)&address, sizeof(address));
	end = accept(server, (void *)&peer, &size);
	getsockname(server, (void *)&peer, &size);
	size = sizeof(peer);
	getpeername(client, (void *)&peer, &size);
	send(client, "hello", 5, MSG_NOSIGNAL);
	recv(end, text, sizeof(text), MSG_DONTWAIT | MSG_PEEK);
	recv(end, text, sizeof(text), 0);
	shutdown(client, SHUT_WR);
	read(end, text, 1);
	accept4(server, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC | 1);
	address = unix_address("nothing");
	connect(client, (void *)&address, sizeof(address));
}

static void local_datagram(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "\0abstract families" };
	socklen_t size = offsetof(struct sockaddr_un, sun_path) + 18;
	int one = socket(AF_UNIX, SOCK_DGRAM, 0), two = socket(AF_UNIX, SOCK_DGRAM, 0);
	struct sockaddr_un from;
	char text[32];

	bind(one, (void *)&address, size);
	sendto(two, "data", 4, 0, (void *)&address, size);
	size = sizeof(from);
	recvfrom(one, text, sizeof(text), 0, (void *)&from, &size);
	recvfrom(one, text, sizeof(text), MSG_DONTWAIT, NULL, NULL);
}

static void internet(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(1) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), other;
	socklen_t size = sizeof(address);
	char text[8];

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	connect(fd, (void *)&address, sizeof(address));
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	address.sin_port = 0;
	bind(fd, (void *)&address, sizeof(address));
	listen(fd, 1);
	getsockname(fd, (void *)&address, &size);
	other = socket(AF_INET, SOCK_STREAM, 0);
	connect(other, (void *)&address, sizeof(address));
	fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	write(other, "x", 1);
	read(fd, text, sizeof(text));
	memset(&address, 1, sizeof(address));
	address.sin_family = 77;
	bind(fd, (void *)&address, 5);
	bind(fd, NOWHERE, 16);
}

static void internet6(void)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6,
					.sin6_port = htons(9),
					.sin6_flowinfo = htonl(5),
					.sin6_addr = IN6ADDR_LOOPBACK_INIT,
					.sin6_scope_id = 1 };
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	sendto(fd, "text", 4, MSG_DONTWAIT, (void *)&address, sizeof(address));
	connect(fd, (void *)&address, sizeof(address));
	sendto(fd, "text", 4, 0, NULL, 0);
}

static void options(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), value = 1;
	struct linger linger = { 1, 5 };
	struct timeval soon = { 1, 500000 };
	socklen_t size = sizeof(value);
	struct ucred who;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, sizeof(value));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof(value));
	setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
	setsockopt(fd, IPPROTO_IP, IP_TOS, &value, sizeof(value));
	setsockopt(fd, SOL_SOCKET, 9999, &value, sizeof(value));
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &size);
	getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &size);
	size = 2;
	getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &value, &size);
	size = sizeof(who);
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size);
	setsockopt(-1, 1, 2, NOWHERE, 4);
}

static void messages(void)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control = { .header = { CMSG_LEN(2 * sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	char one[] = "one", two[] = "two", in[16];
	struct iovec parts[] = { { one, 3 }, { two, 3 } }, into = { in, sizeof(in) };
	struct msghdr message = { .msg_iov = parts,
				  .msg_iovlen = 2,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	int pair[2], fds[2] = { 0, 1 };

	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
	memcpy(CMSG_DATA(&control.header), fds, sizeof(fds));
	sendmsg(pair[0], &message, 0);
	message = (struct msghdr){ .msg_iov = &into,
				   .msg_iovlen = 1,
				   .msg_control = &control,
				   .msg_controllen = sizeof(control) };
	recvmsg(pair[1], &message, MSG_CMSG_CLOEXEC);
	recvmsg(pair[1], &message, MSG_DONTWAIT);
	sendmsg(pair[0], NOWHERE, 0);
}

static void many(void)
{
	char one[] = "one", two[] = "two", in[16], more[16];
	struct iovec out[] = { { one, 3 }, { two, 3 } }, into[] = { { in, 16 }, { more, 16 } };
	struct mmsghdr sent[2] = { { .msg_hdr = { .msg_iov = &out[0], .msg_iovlen = 1 } },
				   { .msg_hdr = { .msg_iov = &out[1], .msg_iovlen = 1 } } };
	struct mmsghdr got[2] = { { .msg_hdr = { .msg_iov = &into[0], .msg_iovlen = 1 } },
				  { .msg_hdr = { .msg_iov = &into[1], .msg_iovlen = 1 } } };
	struct timespec limit = { 1, 0 };
	int pair[2];

	socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
	sendmmsg(pair[0], sent, 2, 0);
	recvmmsg(pair[1], got, 2, MSG_DONTWAIT, &limit);
	recvmmsg(pair[1], got, 2, MSG_DONTWAIT, NULL);
}

static void netlink(void)
{
	struct {
		struct nlmsghdr header;
		char body[16];
	} request = { .header = { sizeof(request), 18, NLM_F_REQUEST | NLM_F_DUMP, 1, 0 } };
	struct sockaddr_nl address = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	socklen_t size = sizeof(address);

	bind(fd, (void *)&address, sizeof(address));
	getsockname(fd, (void *)&address, &size);
	address.nl_pid = 0;
	sendto(fd, &request, sizeof(request), 0, (void *)&address, sizeof(address));
}

int main(int argc, char **argv)
{
	static const struct family families[] = {
		{ "sockets", sockets },
		{ "local_stream", local_stream },
		{ "local_datagram", local_datagram },
		{ "internet", internet },
		{ "internet6", internet6 },
		{ "options", options },
		{ "messages", messages },
		{ "many", many },
		{ "netlink", netlink },
		{ NULL, NULL },
	};

	return family_main(families, argc, argv);
}
