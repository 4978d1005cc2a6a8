// SPDX-License-Identifier: Apache-2.0
/* Families of system calls between processes and threads. */
#include "syscalls_family.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <time.h>

static void futexes(void)
{
	struct timespec soon = { 0, 1000000 };
	int word = 1;

	syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL);
	syscall(SYS_futex, &word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1, &soon);
	syscall(SYS_futex, &word, FUTEX_WAKE, 5);
	syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 1, &soon, NULL, 3);
	syscall(SYS_futex, &word, FUTEX_REQUEUE, 1, 2, &word, 0);
	syscall(SYS_futex, &word, FUTEX_CMP_REQUEUE, 1, 2, &word + 1, 1);
	syscall(SYS_futex, &word, FUTEX_WAKE_OP, 1, 2, &word, 0x41000001);
	syscall(SYS_get_robust_list, 0, &soon.tv_sec, &soon.tv_nsec);
	syscall(SYS_set_robust_list, NULL, 5);
}

static void semaphores(void)
{
	struct sembuf operations[2] = { { 0, 1, IPC_NOWAIT }, { 1, -1, SEM_UNDO } };
	int id = semget(IPC_PRIVATE, 2, IPC_CREAT | 0600);

	semop(id, operations, 1);
	semctl(id, 0, GETVAL);
	semctl(id, 1, SETVAL, 3);
	semtimedop(id, operations, 2, &(struct timespec){ 1, 0 });
	semctl(id, 0, IPC_RMID);
	semop(-1, NOWHERE, 1);
	semget(0x1234, 1, IPC_EXCL | 0400);
}

static void shared(void)
{
	int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0640);
	void *at = shmat(id, NULL, SHM_RDONLY);

	shmctl(id, IPC_RMID, NULL);
	shmdt(at);
	shmdt(NOWHERE);
	shmat(-1, NULL, SHM_RND);
}

static void messages(void)
{
	struct {
		long type;
		char text[16];
	} message = { 3, "some text" };
	int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);

	msgsnd(id, &message, 9, IPC_NOWAIT);
	msgrcv(id, &message, sizeof(message.text), 3, MSG_NOERROR);
	msgrcv(id, &message, sizeof(message.text), 3, IPC_NOWAIT);
	msgctl(id, IPC_RMID, NULL);
}

static void posix_messages(void)
{
	struct mq_attr attributes = { .mq_maxmsg = 4, .mq_msgsize = 32 };
	char text[32];
	mqd_t queue =
		mq_open("/syscalls-processes", O_RDWR | O_CREAT | O_NONBLOCK, 0600, &attributes);

	mq_send(queue, "text", 4, 5);
	mq_receive(queue, text, sizeof(text), NULL);
	mq_receive(queue, text, sizeof(text), NULL);
	mq_getattr(queue, &attributes);
	mq_unlink("/syscalls-processes");
	mq_unlink("/syscalls-processes");
}

int main(int argc, char **argv)
{
	static const struct family families[] = {
		{ "futexes", futexes },
		{ "semaphores", semaphores },
		{ "shared", shared },
		{ "messages", messages },
		{ "posix_messages", posix_messages },
		{ NULL, NULL },
	};

	return family_main(families, argc, argv);
}
