// flags: -O1 -fno-inline
// SPDX-License-Identifier: Apache-2.0
/*
 * Blocks of the heap from three places, used again and again. Prints start, end and the
 * function that asked for it, a line each.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES 2000

static volatile char *table, *grid;
static char *volatile nodes[NODES];

static void make_table(void)
{
	table = malloc(300 << 10);
	memset((char *)table, 1, 300 << 10);
}

static void make_grid(void)
{
	grid = calloc(100, 4096);
	grid = realloc((char *)grid, 200 * 4096);
	memset((char *)grid, 1, 200 * 4096);
}

static void make_nodes(void)
{
	for (int i = 0; i < NODES; i++) {
		nodes[i] = malloc(120);
		memset(nodes[i], 1, 120);
	}
}

static void show(const char *name, const volatile char *start, size_t size)
{
	printf("%zx %zx %s\n", (size_t)start, (size_t)start + size, name);
}

int main(void)
{
	unsigned int sum = 0;

	make_table();
	make_grid();
	make_nodes();
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < 300 << 10; i += 512)
			sum += (unsigned int)table[i];
		for (size_t i = 0; i < 200 * 4096; i += 512)
			sum += (unsigned int)grid[i];
		for (int i = 0; i < NODES; i++)
			sum += (unsigned int)nodes[i][60];
	}
	show("make_table", table, 300 << 10);
	show("make_grid", grid, 200 * 4096);
	for (int i = 0; i < NODES; i++)
		show("make_nodes", nodes[i], 120);
	return sum == 3 * (600 + 1600 + NODES) ? 0 : 1;
}
