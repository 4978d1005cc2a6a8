// SPDX-License-Identifier: Apache-2.0
/*
 * trampoline_stub [CALLS]: nanoseconds a call of a small function takes, natively and patched with each
 * kind of stub, and what the stub adds; medians of interleaved rounds in one process.
 */
#include <sched.h>
#include <time.h>

#include "../tests/unit/trampoline_local.h"
#include "base/alloc.h"

__asm__(".pushsection .text\n"
	".macro victim name\n"
	".type \\name,@function\n.balign 4096,0xcc\n\\name:\n.endm\n"
	"victim bench_push\n"
	"	push %rbx; mov %rdi,%rbx; lea 1(%rbx,%rbx,2),%rax; pop %rbx; ret\n"
	"victim bench_endbr\n"
	"	endbr64; lea 1(%rdi,%rdi,2),%rax; ret\n"
	"victim bench_data\n"
	"	mov bench_word(%rip),%rax; lea 1(%rax,%rdi,2),%rax; ret\n"
	"victim bench_branch\n"
	"	test %rdi,%rdi; jz 1f; lea 1(%rdi,%rdi,2),%rax; 1: ret\n"
	"victim bench_end\n	ud2\n"
	".popsection\n.pushsection .data\nbench_word: .quad 42\n.popsection\n");

typedef long victim(long);
victim bench_push, bench_endbr, bench_data, bench_branch;

static const struct {
	const char *name;
	victim *call;
} victims[] = {
	{ "push", bench_push },
	{ "endbr64", bench_endbr },
	{ "data", bench_data },
	{ "branch", bench_branch },
};

enum kind { NATIVE, COPY, COUNT, COUNT_LOCK, COUNT_PLACE, POINT, FUNCTION, FUNCTION_FS, KINDS };
static const char *const kinds[] = { "native",
				     "jump and copy only",
				     "count, one thread",
				     "count, several threads",
				     "count, not at an entry",
				     "time of entry",
				     "time of entry and exit",
				     "the same, rdfsbase" };

static uint64_t counter;
static long calls = 1000000;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void install(victim *call, enum kind kind, struct local_patch *patch)
{
	uint64_t word = (uint64_t)(uintptr_t)local_window + 65536 * 2;
	size_t size = 0;

	(void)counter;
	local_plan((void *)call, patch);
	patch->stub.at = local_place(&patch->plan);
	*(uint64_t *)word = UINT64_MAX;
	local_clock.thread_pointer_in_memory = kind != FUNCTION_FS;
	if (kind == COPY)
		size = relocate_emit(&patch->plan, patch->stub.at, patch->code, patch->stub.places);
	else if (kind <= COUNT_PLACE)
		size = stub_count(&patch->plan, patch->stub.at, word, kind != COUNT_PLACE,
				  patch->code, &patch->stub);
	else if (kind == POINT)
		size = stub_point(&patch->plan, patch->stub.at, &local_clock, 1, STUB_POINT, true,
				  patch->code, &patch->stub);
	else
		size = stub_function(&patch->plan, patch->stub.at, &local_clock, 1, patch->code,
				     &patch->stub);
	if (kind == COUNT_LOCK)
		patch->code[patch->stub.lock - patch->stub.at] = stub_lock[0];
	local_install(patch, size);
}

static double measure(victim *call)
{
	double start = now();

	for (long i = 0; i < calls; i++)
		call(i);
	return (now() - start) / (double)calls;
}

static int by_value(const void *a, const void *b)
{
	const double *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

#define ROUNDS 9
static double times[KINDS][ROUNDS];

static void bench(size_t v)
{
	for (int round = 0; round < ROUNDS; round++) {
		for (int kind = 0; kind < KINDS; kind++) {
			struct local_patch patch;

			if (kind != NATIVE)
				install(victims[v].call, (enum kind)kind, &patch);
			times[kind][round] = measure(victims[v].call);
			if (kind != NATIVE)
				local_remove(&patch);
			local_used = 1 << 20;
		}
	}
	for (int kind = 0; kind < KINDS; kind++) {
		qsort(times[kind], ROUNDS, sizeof(double), by_value);
		printf("%-8s %-24s %6.2f", victims[v].name, kinds[kind], times[kind][ROUNDS / 2]);
		if (kind != NATIVE)
			printf("  +%.2f", times[kind][ROUNDS / 2] - times[NATIVE][ROUNDS / 2]);
		putchar('\n');
	}
}

int main(int argc, char **argv)
{
	cpu_set_t cpus;

	if (argc > 1)
		calls = atol(argv[1]);
	CPU_ZERO(&cpus);
	CPU_SET(sched_getcpu(), &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	if (local_init((void *)bench_push, 1 << 20, true))
		return 1;
	/* A bench has no reader: let the ring be written over and over. */
	local_new_lane((uint64_t)(uintptr_t)__builtin_thread_pointer());
	for (size_t v = 0; v < ARRAY_SIZE(victims); v++)
		bench(v);
	return 0;
}
