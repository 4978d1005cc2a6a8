// flags: -O1 -pthread
// SPDX-License-Identifier: Apache-2.0
/*
 * Regions whose ends, or memory, are hard to find again: the kernel's area for restartable
 * sequences registered inside, the same registers time and again, calls that are undone while the
 * time is up, the end of a thread that loads a library for it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REGION __attribute__((noinline))

static unsigned long sum;
static unsigned char *page;

/* Run with GLIBC_TUNABLES=glibc.pthread.rseq=0: the C library has one otherwise. */
REGION void registers(void)
{
	volatile int *area = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				  -1, 0);

	area[1] = -1;
	sum += syscall(SYS_rseq, area, 32, 0, 0x53053053) == 0;
	sum += area[1] == area[0] && area[1] >= 0 ? 1 : 100;
	area[100] = 7;
}

/* Reads with nothing else in between: the third return from it has the registers of the first. */
REGION void reads(int fd, char *buffer)
{
	for (volatile int i = 0; i < 6; i++) {
		long result = 0;

		__asm__ volatile("syscall\n.globl after_read\nafter_read: nop"
				 : "+a"(result)
				 : "D"((long)fd), "S"(buffer), "d"(8L)
				 : "rcx", "r11", "memory");
	}
}

/* For windows: memory of before is protected over and over. */
REGION void protects(void)
{
	for (int i = 0; i < 3000; i++) {
		mprotect(page, 4096, PROT_READ);
		mprotect(page, 4096, PROT_READ | PROT_WRITE);
		page[i & 4095]++;
	}
}

REGION void leaves(void)
{
	pthread_exit(NULL);
}

static void *leave(void *unused)
{
	leaves();
	return unused;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	char buffer[8];
	pthread_t thread;
	int fd = open("/proc/self/exe", O_RDONLY);

	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(page, 1, 4096);
	if (!strcmp(name, "registers"))
		registers();
	else if (!strcmp(name, "reads"))
		reads(fd, buffer);
	else if (!strcmp(name, "protects"))
		protects();
	else if (!pthread_create(&thread, NULL, leave, NULL))
		pthread_join(thread, NULL);
	printf("%s: %lu\n", name, sum);
	return 0;
}
