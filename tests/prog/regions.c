// flags: -O2 -lm
// SPDX-License-Identifier: Apache-2.0
/*
 * Regions of many kinds, called a few times each: `regions` prints a checksum a line, so
 * that a change of behaviour shows.
 */
#include <immintrin.h>
#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REGION __attribute__((noinline, noclone))
#define COUNT  3000

static __thread uint64_t counter = 5;
static __thread char scratch[300];
static uint64_t numbers[COUNT];
static float floats[1024], results[1024];
static uint32_t seed = 1;

static uint32_t next(void)
{
	return seed = seed * 1664525 + 1013904223;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* libc's qsort with a call back. */
REGION uint64_t sort_region(void)
{
	qsort(numbers, COUNT, sizeof(*numbers), compare);
	return numbers[COUNT / 2];
}

REGION uint64_t tls_region(uint64_t by)
{
	counter += by;
	snprintf(scratch, sizeof(scratch), "%llu", (unsigned long long)counter);
	return counter + strlen(scratch);
}

/* The same return address on many levels. */
REGION uint64_t fib_region(uint64_t n)
{
	return n < 2 ? n : fib_region(n - 1) + fib_region(n - 2);
}

REGION uint64_t x87_region(long double x)
{
	long double sum = 0;

	for (int i = 1; i < 200; i++)
		sum += sinl(x * (long double)i) / (long double)i;
	return (uint64_t)(sum * 1e6L);
}

/* A frame that is left by another way than return. */
REGION uint64_t jump_region(int depth)
{
	static jmp_buf back;

	if (depth > 5)
		longjmp(back, depth);
	if (depth == 0) {
		int got = setjmp(back);

		return got ? (uint64_t)got : jump_region(1);
	}
	return 1 + jump_region(depth + 1);
}

/* Deep into stack that was never touched, and libc's vector code. */
REGION uint64_t stack_region(uint8_t byte)
{
	volatile uint8_t big[300000];

	memset((void *)big, byte, sizeof(big));
	return big[7] + big[299999] + strlen(memcpy(scratch, "abc", 4));
}

REGION uint64_t heap_region(size_t size)
{
	uint64_t sum = 0;

	for (int i = 0; i < 50; i++) {
		char *memory = malloc(size + (size_t)i);

		memset(memory, i, size);
		sum += (uint64_t)memory[size / 2];
		free(memory);
	}
	return sum;
}

__attribute__((target("avx2,fma"))) REGION float avx2_region(float by)
{
	__m256 sum = _mm256_setzero_ps();

	for (int i = 0; i < 1024; i += 8) {
		__m256 x = _mm256_loadu_ps(floats + i);

		sum = _mm256_fmadd_ps(x, _mm256_set1_ps(by), sum);
		_mm256_storeu_ps(results + i, sum);
	}
	return results[1000];
}

__attribute__((target("avx512f,avx512bw,avx512vl"))) REGION float avx512_region(float by)
{
	__m512 sum = _mm512_setzero_ps();

	for (int i = 0; i < 1024; i += 16) {
		__m512 x = _mm512_loadu_ps(floats + i);
		__mmask16 big = _mm512_cmp_ps_mask(x, _mm512_set1_ps(0.5f), _CMP_GT_OQ);

		sum = _mm512_mask_fmadd_ps(x, big, _mm512_set1_ps(by), sum);
		_mm512_storeu_ps(results + i, sum);
	}
	return results[1000];
}

static void fill(void)
{
	for (size_t i = 0; i < COUNT; i++)
		numbers[i] = (uint64_t)next() << 20 ^ next();
	for (size_t i = 0; i < 1024; i++)
		floats[i] = (float)(next() >> 8) / (float)(1 << 24);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	for (int i = 0; i < 4; i++) {
		fill();
		printf("sort %llu\n", (unsigned long long)sort_region());
		printf("tls %llu\n", (unsigned long long)tls_region((uint64_t)i));
		printf("fib %llu\n", (unsigned long long)fib_region(12));
		printf("x87 %llu\n", (unsigned long long)x87_region(0.3L + (long double)i));
		printf("jump %llu\n", (unsigned long long)jump_region(0));
		printf("stack %llu\n", (unsigned long long)stack_region((uint8_t)i));
		printf("heap %llu\n", (unsigned long long)heap_region(5000));
		if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
			printf("avx2 %a\n", (double)avx2_region(1.5f));
		if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
			printf("avx512 %a\n", (double)avx512_region(1.5f));
	}
	return 0;
}
