// SPDX-License-Identifier: Apache-2.0
/*
 * store_write PAGES DIR: write a capture of scattered pages as a trace directory, read it
 * back, and beside it write the same bytes to a file and copy them in memory. Prints the
 * four times in microseconds: write, read, plain write, copy.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"
#include "store/tracedir.h"

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void die(void)
{
	fprintf(stderr, "store_write: %s\n", err_message());
	exit(1);
}

static uint8_t *fill(struct capture *capture, size_t pages)
{
	uint8_t *memory;

	capture_init(capture);
	memory = capture_arena(capture, pages * CHOP_PAGE_SIZE);
	if (!memory)
		exit(1);
	for (size_t i = 0; i < pages; i++) {
		memset(memory + i * CHOP_PAGE_SIZE, (int)i, CHOP_PAGE_SIZE);
		*vec_push(&capture->pages) = (struct capture_page){
			.address = 0x100000000 + 2 * i * CHOP_PAGE_SIZE,
			.flags = PAGE_READ | PAGE_WRITE,
			.before = memory + i * CHOP_PAGE_SIZE,
		};
	}
	return memory;
}

static void write_capture(const char *path, const struct capture *capture)
{
	const struct tracedir_options options = { .program = "none" };
	struct tracedir *dir;

	if (tracedir_create(path, &options, &dir) || tracedir_add(dir, capture) ||
	    tracedir_finish(dir, false, NULL))
		die();
}

static void read_capture(const char *path)
{
	struct tracedir_index index;
	struct capture capture;

	if (tracedir_open(path, &index) || tracedir_read(&index, 0, &capture))
		die();
	capture_release(&capture);
	tracedir_index_release(&index);
}

static void write_plain(const char *path, const uint8_t *memory, size_t size)
{
	cleanup_free char *name = xasprintf("%s.plain", path);
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);

	if (fd < 0 || io_write(fd, memory, size) || close(fd))
		exit(1);
	unlink(name);
}

int main(int argc, char **argv)
{
	size_t pages = argc == 3 ? strtoul(argv[1], NULL, 10) : 0, size = pages * CHOP_PAGE_SIZE;
	struct capture capture;
	uint64_t times[5];
	uint8_t *memory, *copy;

	if (!pages)
		return 2;
	memory = fill(&capture, pages);
	times[0] = now();
	write_capture(argv[2], &capture);
	times[1] = now();
	read_capture(argv[2]);
	times[2] = now();
	write_plain(argv[2], memory, size);
	times[3] = now();
	copy = page_alloc(size);
	if (!copy)
		return 1;
	memcpy(copy, memory, size);
	times[4] = now();
	for (int i = 0; i < 4; i++)
		printf("%" PRIu64 "%c", times[i + 1] - times[i], i < 3 ? ' ' : '\n');
	return 0;
}
