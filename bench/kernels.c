// SPDX-License-Identifier: Apache-2.0
/*
 * kernels NAME [SIZE [REPEATS]]: the regions that bench/memory_trace.sh cuts out besides
 * those of real programs. The functions of the same names are the regions.
 *	daxpy     1e6 doubles, 20 times: streaming, nothing but loads and stores
 *	chase     2e6 steps through a cycle of 1e6 nodes of 64 bytes: waits for memory
 *	hashsort  qsort of 1e6 integers and as many insertions into a hash table
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REGION __attribute__((noinline))

struct node {
	struct node *next;
	long pad[7];
};

struct entry {
	uint64_t key, count;
};

static uint64_t random_word(void)
{
	static uint64_t word = 88172645463325252;

	word ^= word << 13;
	word ^= word >> 7;
	return word ^= word << 17;
}

REGION void daxpy(double *restrict y, const double *restrict x, long count, long repeats)
{
	for (long k = 0; k < repeats; k++) {
		for (long i = 0; i < count; i++)
			y[i] += 1.0001 * x[i];
		__asm__ volatile("" ::: "memory");
	}
}

REGION struct node *chase(struct node *at, long steps)
{
	while (steps--)
		at = at->next;
	return at;
}

static int by_value(const void *a, const void *b)
{
	const int *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static REGION void insert(struct entry *table, uint64_t mask, uint64_t key)
{
	uint64_t at = (key * 0x9E3779B97F4A7C15) >> 20 & mask;

	while (table[at].key && table[at].key != key)
		at = (at + 1) & mask;
	table[at].key = key;
	table[at].count++;
}

REGION void hashsort(int *numbers, long count, struct entry *table, uint64_t mask)
{
	qsort(numbers, (size_t)count, sizeof(*numbers), by_value);
	for (long i = 0; i < count; i++)
		insert(table, mask, (uint32_t)numbers[i] | 1);
}

static void *memory(size_t count, size_t size)
{
	void *area = calloc(count, size);

	if (!area)
		abort();
	return area;
}

static double run_daxpy(long count, long repeats)
{
	double *x = memory((size_t)count, sizeof(*x)), *y = memory((size_t)count, sizeof(*y));

	for (long i = 0; i < count; i++)
		x[i] = y[i] = (double)i;
	daxpy(y, x, count, repeats);
	return y[count / 2];
}

/* One random cycle through all nodes (Sattolo). */
static double run_chase(long count, long repeats)
{
	struct node *nodes = memory((size_t)count, sizeof(*nodes));
	uint32_t *order = memory((size_t)count, sizeof(*order));

	for (uint32_t i = 0; i < count; i++)
		order[i] = i;
	for (uint32_t i = (uint32_t)count - 1; i > 0; i--) {
		uint32_t j = (uint32_t)(random_word() % i), swap = order[i];

		order[i] = order[j];
		order[j] = swap;
	}
	for (uint32_t i = 0; i < count; i++)
		nodes[i].next = &nodes[order[i]];
	return (double)(chase(nodes, count * repeats) - nodes);
}

static double run_hashsort(long count, long repeats)
{
	int *numbers = memory((size_t)count, sizeof(*numbers));
	uint64_t size = 1;
	struct entry *table;

	while (size < 2 * (uint64_t)count)
		size <<= 1;
	table = memory(size, sizeof(*table));
	for (long r = 0; r < repeats; r++) {
		for (long i = 0; i < count; i++)
			numbers[i] = (int)random_word();
		memset(table, 0, size * sizeof(*table));
		hashsort(numbers, count, table, size - 1);
	}
	return numbers[count / 2];
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		long repeats;
		double (*run)(long count, long repeats);
	} kernels[] = { { "daxpy", 20, run_daxpy },
			{ "chase", 2, run_chase },
			{ "hashsort", 1, run_hashsort } };
	long count = argc > 2 ? atol(argv[2]) : 1000000;

	for (size_t i = 0; i < sizeof(kernels) / sizeof(*kernels); i++) {
		if (argc < 2 || strcmp(kernels[i].name, argv[1]) != 0)
			continue;
		printf("%g\n",
		       kernels[i].run(count, argc > 3 ? atol(argv[3]) : kernels[i].repeats));
		return 0;
	}
	return 2;
}
