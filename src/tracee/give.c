// SPDX-License-Identifier: Apache-2.0
#include "tracee/give.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/io.h"
#include "tracee/inject.h"
#include "tracee/memory.h"

/* What recvmsg needs, as it lies in the program's memory. */
struct parcel {
	struct msghdr header;
	struct iovec piece;
	char byte;
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int))];
};

static void address_parcel(struct parcel *parcel, uint64_t at)
{
	memset(parcel, 0, sizeof(*parcel));
	parcel->piece.iov_base = (void *)(at + offsetof(struct parcel, byte));
	parcel->piece.iov_len = 1;
	parcel->header.msg_iov = (void *)(at + offsetof(struct parcel, piece));
	parcel->header.msg_iovlen = 1;
	parcel->header.msg_control = (void *)(at + offsetof(struct parcel, control));
	parcel->header.msg_controllen = sizeof(parcel->control);
}

/* The header's control message, in our copy of the parcel. */
static struct cmsghdr *control_of(struct parcel *parcel)
{
	return (struct cmsghdr *)parcel->control;
}

int give_send(int socket, int fd)
{
	struct parcel parcel;
	struct cmsghdr *control = control_of(&parcel);

	address_parcel(&parcel, (uint64_t)&parcel);
	control->cmsg_level = SOL_SOCKET;
	control->cmsg_type = SCM_RIGHTS;
	control->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(control), &fd, sizeof(fd));
	return sendmsg(socket, &parcel.header, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

/* The program receives what was sent, and closes its two sockets. */
static int receive(struct tracee *tracee, struct thread *thread, const int pair[2], int *theirs)
{
	struct arch_entry calls[] = {
		{ .number = SYS_recvmsg,
		  .args = { (uint64_t)pair[1], inject_buffer(tracee),
			    MSG_CMSG_CLOEXEC | MSG_DONTWAIT } },
		{ .number = SYS_close, .args = { (uint64_t)pair[0] } },
		{ .number = SYS_close, .args = { (uint64_t)pair[1] } },
	};
	struct parcel parcel;
	int error;

	address_parcel(&parcel, inject_buffer(tracee));
	error = memory_write(tracee, inject_buffer(tracee), &parcel, sizeof(parcel));
	if (!error)
		error = inject_run(tracee, thread, calls, 3);
	if (!error)
		error = memory_read(tracee, inject_buffer(tracee), &parcel, sizeof(parcel));
	if (error)
		return error;
	if (calls[0].result < 0)
		return (int)calls[0].result;
	if (control_of(&parcel)->cmsg_type != SCM_RIGHTS)
		return -EMFILE; /* the only reason to leave it out */
	memcpy(theirs, CMSG_DATA(control_of(&parcel)), sizeof(*theirs));
	return 0;
}

int give_descriptor(struct tracee *tracee, struct thread *thread, int fd, int *theirs)
{
	struct arch_entry make = {
		.number = SYS_socketpair,
		.args = { AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, inject_buffer(tracee) },
	};
	cleanup_close int process = (int)syscall(SYS_pidfd_open, tracee->pid, 0), socket = -1;
	int error = inject_run(tracee, thread, &make, 1), received, pair[2];

	if (!error && make.result < 0)
		error = (int)make.result;
	if (!error)
		error = memory_read(tracee, inject_buffer(tracee), pair, sizeof(pair));
	if (error)
		return error;
	socket = (int)syscall(SYS_pidfd_getfd, process, pair[0], 0);
	error = socket < 0 ? -errno : give_send(socket, fd);
	received = receive(tracee, thread, pair, theirs);
	return error ? error : received;
}
