// flags: -O2 -fno-inline -fno-ipa-icf
// SPDX-License-Identifier: Apache-2.0
/* Functions that end in every way, for chop marks. */
#include <stdio.h>
#include <stdlib.h>

int marks_data = 3;
_Thread_local int marks_tls = 4;
volatile int sink;

__attribute__((noinline)) int two_returns(int x)
{
	if (x > 3) {
		sink = x;
		return 1;
	}
	__asm__ volatile("nop; nop; nop" ::: "memory");
	return sink;
}

__attribute__((noinline)) int tail_call(int x)
{
	return two_returns(x + 1);
}

__attribute__((noinline)) int tail_call_pointer(int (*f)(int), int x)
{
	return f(x + 1);
}

__attribute__((noreturn)) void never_returns(void)
{
	for (;;)
		sink++;
}

__attribute__((noreturn)) void aborts(int x)
{
	sink = x;
	abort();
}

/* A jump table, with a return in each case. */
__attribute__((noinline)) int table(int x)
{
	switch (x) {
	case 0:
		return sink;
	case 1:
		sink = 5;
		return 7;
	case 2:
		return two_returns(4) + 1;
	case 3:
		sink = 9;
		return two_returns(6) * 3;
	case 4:
		return marks_data;
	case 5:
		sink++;
		return sink * 2;
	case 6:
		marks_data++;
		return 4;
	default:
		return -1;
	}
}

__attribute__((cold, noinline)) void unlikely(int x);
void unlikely(int x)
{
	printf("unlikely %d\n", x);
}

/* The calls of a cold function make the compiler split it. */
__attribute__((noinline)) int split(int x, int y)
{
	sink = y;
	if (__builtin_expect(x == 77, 0)) {
		unlikely(x);
		unlikely(y);
		return sink / y;
	}
	return x + y;
}

#define FUNCTION(name, scope, body)                                           \
	__asm__(".text\n" scope "\n.type " #name ", @function\n" #name ":\n" body \
		"\n.size " #name ", .-" #name "\n")

FUNCTION(rep_ret, ".globl rep_ret", "mov %edi, %eax; rep ret");
FUNCTION(bnd_ret, ".globl bnd_ret", "mov %edi, %eax; bnd ret");
FUNCTION(ret_pop, ".globl ret_pop", "mov %edi, %eax; ret $8");
FUNCTION(runs_on, ".globl runs_on", "inc %edi");
FUNCTION(runs_into, ".globl runs_into", "mov %edi, %eax; ret");
FUNCTION(jumps_maybe, ".globl jumps_maybe", "test %edi, %edi; je two_returns; mov %edi, %eax; ret");
FUNCTION(has_data, ".globl has_data", "jmp 1f; .byte 0x06, 0x07; 1: mov %edi, %eax; ret");
FUNCTION(twice, "", "ret");
/* Without a size it reaches up to the next symbol. */
__asm__(".text\n.globl no_size\n.type no_size, @function\n"
	"no_size: mov %edi, %eax; ret\n.p2align 4\n");

int rep_ret(int), bnd_ret(int), runs_on(int), jumps_maybe(int), has_data(int), no_size(int);

static int pick_a(int x)
{
	return x + 1;
}

static int pick_b(int x)
{
	return x + 2;
}

static int (*resolve_picked(void))(int)
{
	return __builtin_cpu_supports("sse2") ? pick_a : pick_b;
}

int picked(int x) __attribute__((ifunc("resolve_picked")));

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 7)
		never_returns();
	if (argc > 6)
		aborts(argc);
	printf("%d\n", tail_call(argc) + tail_call_pointer(two_returns, argc) + table(argc) +
			       split(argc, 2) + rep_ret(1) + bnd_ret(1) + runs_on(1) +
			       jumps_maybe(argc) + has_data(argc) + no_size(1) + marks_tls + picked(1));
	return 0;
}
