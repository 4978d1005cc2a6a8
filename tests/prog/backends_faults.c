// flags: -pthread
// SPDX-License-Identifier: Apache-2.0
/*
 * A program that stays in region() and keeps looking at its memory: backends_faults HOW [START].
 * With START it waits until somebody has changed region()'s first byte, so that the first time
 * is captured. It prints "inside" and its process id then, and WRONG if memory ever is.
 *
 *	stay	for ever
 *	until	until the file "stop" is there; then it prints "intact"
 *	die	until the file "stop" is there; then it reads from address 8
 *	filter	as `until`, under a seccomp filter that kills it for calls it does not make
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WORDS 512
#define PAGES 3000

static uint64_t (*pages)[WORDS];
static volatile uint64_t rounds;
static const char *how;

static void say(const char *text)
{
	char line[64];
	int size = snprintf(line, sizeof(line), "%s %d\n", text, (int)getpid());

	if (write(1, line, (size_t)size) != size)
		_exit(3);
}

static uint64_t expected(size_t i)
{
	return (uint64_t)&pages[i] * 31 + 1;
}

static void look(size_t i)
{
	if (pages[i][7] != expected(i) || pages[i][500] != expected(i) + 1) {
		say("WRONG");
		_exit(4);
	}
}

__attribute__((noinline)) void region(void)
{
	say("inside");
	/* A few pages are left for when somebody has come and gone. */
	for (size_t from = 0;; from = 1000) {
		for (size_t i = from; i < PAGES - 500; i++) {
			look(i);
			pages[i][9] = ++rounds;
		}
		if (strcmp(how, "stay") && !access("stop", F_OK))
			break;
	}
	if (!strcmp(how, "die"))
		rounds = *(volatile uint64_t *)8;
}

static void *other(void *unused)
{
	/* Its memory is that of the first thread's: never held for ever, never wrong. */
	for (;; usleep(1000))
		look(PAGES - 1);
	return unused;
}

#define ALLOW(number)                                          \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1),   \
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static void confine(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(SYS_write),
		ALLOW(SYS_read),
		ALLOW(SYS_access),
		ALLOW(SYS_getpid),
		ALLOW(SYS_clock_nanosleep),
		ALLOW(SYS_exit_group),
		ALLOW(SYS_newfstatat),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(*filter), filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		exit(5);
}

int main(int argc, char **argv)
{
	const uint8_t *code = (const uint8_t *)region;
	uint8_t first;
	pthread_t thread;

	how = argc > 1 ? argv[1] : "stay";
	pages = mmap(NULL, PAGES * sizeof(*pages), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < PAGES; i++) {
		pages[i][7] = expected(i);
		pages[i][500] = expected(i) + 1;
	}
	if (!strcmp(how, "stay"))
		pthread_create(&thread, NULL, other, NULL);
	if (argc > 2) {
		say("waiting");
		first = *(const volatile uint8_t *)code;
		while (*(const volatile uint8_t *)code == first)
			usleep(1000);
	}
	if (!strcmp(how, "filter"))
		confine();
	region();
	for (size_t i = 0; i < PAGES; i++)
		look(i);
	say("intact");
	_exit(0);
}
