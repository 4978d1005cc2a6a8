// flags: -O1 -static -nostdlib -ffreestanding -fno-stack-protector -fno-pie -no-pie
// SPDX-License-Identifier: Apache-2.0
/* Code spread over many pages, called in changing order, with data beside it. Exits with 3. */
#define FUNCTION(n)                                                              \
	__attribute__((noinline, aligned(4096))) static unsigned long f##n(unsigned long x) \
	{                                                                        \
		static unsigned long calls[512];                                 \
		calls[x % 512] += x ^ n;                                         \
		return x * 6364136223846793005UL + n + calls[(x >> 9) % 512];    \
	}
#define TEN(n) FUNCTION(n##0) FUNCTION(n##1) FUNCTION(n##2) FUNCTION(n##3) FUNCTION(n##4) \
	       FUNCTION(n##5) FUNCTION(n##6) FUNCTION(n##7) FUNCTION(n##8) FUNCTION(n##9)
TEN(1) TEN(2) TEN(3) TEN(4) TEN(5)

#define NAMES(n) f##n##0, f##n##1, f##n##2, f##n##3, f##n##4, f##n##5, f##n##6, f##n##7, f##n##8, f##n##9
static unsigned long (*const functions[])(unsigned long) = { NAMES(1), NAMES(2), NAMES(3),
							     NAMES(4), NAMES(5) };

static unsigned long body(void)
{
	unsigned long x = 1;

	for (unsigned int i = 0; i < 4000; i++)
		x = functions[(x >> 33) % 50](x);
	return x;
}

__attribute__((noreturn)) void _start(void)
{
	unsigned long x;

	__asm__ volatile("and $-16, %rsp");
	x = body();
	__asm__ volatile("syscall" : : "a"(231), "D"(x ? 3L : 4L));
	__builtin_unreachable();
}
