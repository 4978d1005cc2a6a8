// flags: -O1
// SPDX-License-Identifier: Apache-2.0
/* Regions with calls of their own kind: SysV memory, keys, fork, vfork, exec. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define REGION __attribute__((noinline))

static unsigned long sum;
static unsigned char *page;

REGION void attaches(void)
{
	int id = shmget(IPC_PRIVATE, 8192, IPC_CREAT | 0600);
	unsigned char *memory = shmat(id, NULL, 0);

	shmctl(id, IPC_RMID, NULL);
	memset(memory, 3, 8192);
	sum += memory[5000];
	shmdt(memory);
}

REGION void keys(void)
{
	/* With no key at all it is mprotect. */
	sum += syscall(SYS_pkey_mprotect, page, 4096, PROT_READ, -1) == 0;
	sum += page[7];
	sum += syscall(SYS_pkey_mprotect, page, 4096, PROT_READ | PROT_WRITE, -1) == 0;
	page[8]++;
}

REGION void forks(void)
{
	pid_t child;

	page[1]++;
	child = fork();
	if (!child)
		_exit(0);
	waitpid(child, NULL, 0);
	sum++;
}

REGION void vforks(void)
{
	pid_t child;

	page[1]++;
	child = vfork();
	if (!child)
		_exit(0);
	waitpid(child, NULL, 0);
	sum++;
}

REGION void executes(char **argv)
{
	char *again[] = { argv[0], "again", NULL };

	page[1]++;
	execv("/proc/self/exe", again);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	page[7] = 9;
	if (!strcmp(name, "attaches"))
		attaches();
	else if (!strcmp(name, "keys"))
		keys();
	else if (!strcmp(name, "forks"))
		forks();
	else if (!strcmp(name, "vforks"))
		vforks();
	else if (!strcmp(name, "executes"))
		executes(argv);
	printf("%s: %lu\n", name, sum);
	return 0;
}
