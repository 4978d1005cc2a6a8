// flags: -O1
// SPDX-License-Identifier: Apache-2.0
/*
 * A region that reads /proc/self/maps, whole or its first bytes, after it has mapped, protected,
 * unmapped and grown memory. What it has read is printed; the rest of the file is read afterwards,
 * and its lines are checked to go on in order.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char inside[1 << 18];
static int left_open = -1;
static const char *name = "/proc/self/maps";

static void read_all(int fd, char *text, size_t used, size_t most)
{
	ssize_t got;

	while (used < most && (got = read(fd, text + used, most - used < 700 ? most - used : 700)) > 0)
		used += (size_t)got;
	text[used] = 0;
}

__attribute__((noinline)) void reads(size_t most, char *memory)
{
	char *own = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	own[5000] = memory[5000];
	mprotect(memory + 4096, 4096, PROT_READ);
	munmap(memory + 3 * 4096, 4096);
	(void)!sbrk(3 * 4096);
	left_open = open(name, O_RDONLY);
	read_all(left_open, inside, 0, most);
}

static int in_order(const char *text)
{
	unsigned long last = 0, start, end;

	for (; *text; text = strchr(text, '\n') + 1) {
		if (!strchr(text, '\n') || sscanf(text, "%lx-%lx ", &start, &end) != 2 ||
		    start < last || end <= start)
			return 0;
		last = end;
	}
	return 1;
}

int main(int argc, char **argv)
{
	size_t most = argc > 1 ? strtoul(argv[1], NULL, 0) : sizeof(inside) - 1;
	char *memory = mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (argc > 2)
		name = argv[2];
	(void)!sbrk(4096);
	memset(memory, 1, 8 * 4096);
	reads(most, memory);
	fputs(inside, stdout);
	read_all(left_open, inside, strlen(inside), sizeof(inside) - 1);
	puts(in_order(inside) ? "\nin order" : inside);
	return 0;
}
