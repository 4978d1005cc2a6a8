// SPDX-License-Identifier: Apache-2.0
/*
 * Descriptors that chop sends: the table of faults; /dev/userfaultfd for a program that may not
 * open it. chop takes one end of a pair of sockets. A program may not be allowed sockets.
 */
#include "task.h"

#include "machine.h"

#define AF_UNIX_    1
#define SOCK_DGRAM_ 2
#define SCM_RIGHTS_ 1
#define DONTWAIT_   0x40
#define CLOEXEC_    0x40000000 /* MSG_CMSG_CLOEXEC */

/* What recvmsg needs to receive one descriptor. */
struct parcel {
	struct {
		void *name;
		uint64_t name_size;
		void *pieces;
		uint64_t piece_count;
		void *control;
		uint64_t control_size;
		uint64_t flags;
	} header;
	struct {
		void *base;
		uint64_t size;
	} piece;
	struct {
		uint64_t size;
		int32_t level, type;
		int32_t fd, reserved;
	} control;
	uint8_t byte;
};

bool parcel_open(struct pager *pager)
{
	int32_t ends[2];

	if (pager->setup.socket >= 0)
		return true;
	if (call6(__NR_socketpair, AF_UNIX_, SOCK_DGRAM_ | 02000000, 0, (uint64_t)ends, 0, 0) < 0)
		return false;
	pager->socket = ends[0];
	pager->setup.socket = ends[1];
	return true;
}

long parcel_receive(struct pager *pager)
{
	struct parcel parcel = { 0 };
	long error;

	parcel.piece.base = &parcel.byte;
	parcel.piece.size = 1;
	parcel.header.pieces = &parcel.piece;
	parcel.header.piece_count = 1;
	parcel.header.control = &parcel.control;
	parcel.header.control_size = sizeof(parcel.control);
	error = sys(__NR_recvmsg, (uint64_t)pager->socket, (uint64_t)&parcel.header,
		    DONTWAIT_ | CLOEXEC_);
	if (error < 0)
		return error;
	return parcel.control.type == SCM_RIGHTS_ ? parcel.control.fd : -EBADF;
}

void parcel_close(struct pager *pager)
{
	sys(__NR_close, (uint64_t)pager->socket, 0, 0);
	sys(__NR_close, (uint64_t)pager->setup.socket, 0, 0);
}

#define PATIENCE 25000 /* naps of 0.2 ms: chop may be gone */

/* Ask chop for /dev/userfaultfd, and wait for it. */
long parcel_ask_device(struct pager *pager)
{
	struct {
		int64_t seconds, nanoseconds;
	} nap = { 0, 200000 };
	long fd = -EAGAIN;

	if (!parcel_open(pager))
		return -EPERM;
	__atomic_store_n(&pager->setup.state, PAGER_ASKING, __ATOMIC_RELEASE);
	for (int i = 0; i < PATIENCE && fd == -EAGAIN; i++) {
		fd = parcel_receive(pager);
		if (fd == -EAGAIN)
			sys(__NR_nanosleep, (uint64_t)&nap, 0, 0);
	}
	return fd;
}
