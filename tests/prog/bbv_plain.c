// flags: -O1 -static -nostdlib -fno-stack-protector -fno-pie -no-pie -fcf-protection=none
// SPDX-License-Identifier: Apache-2.0
/*
 * A program without a C library: what it executes does not depend on the machine, the
 * environment or where it lies. For tests that count instructions.
 */
static volatile unsigned long sum;
static unsigned char from[512], to[512];

static __attribute__((noinline)) unsigned long fibonacci(unsigned long n) {
	return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static __attribute__((noinline)) unsigned long twice(unsigned long n) { return 2 * n; }
static __attribute__((noinline)) unsigned long third(unsigned long n) { return n / 3; }

/* No branch for longer than any translated block; its middle is a target as well. */
static __attribute__((noinline)) unsigned long straight(unsigned long n) {
	__asm__ volatile("test $1, %0\n\tjnz 1f\n\t"
			 ".rept 90\n\tadd $3, %0\n\t.endr\n1:\n\t.rept 90\n\tadd $5, %0\n\t.endr"
			 : "+r"(n));
	return n;
}

static void call(long number, long a, const void *b, long c) {
	__asm__ volatile("syscall" : "+a"(number) : "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
}

void _start(void) {
	static unsigned long (*const functions[])(unsigned long) = { twice, third, straight, fibonacci };

	for (unsigned long i = 0; i < 240; i++) {
		const void *source = from;
		void *target = to;
		unsigned long count = i % 200;

		sum += functions[i % 4](i % 13);
		__asm__ volatile("rep movsb" : "+S"(source), "+D"(target), "+c"(count) : : "memory");
		for (unsigned long j = i; j > 1; j = j % 2 ? 3 * j + 1 : j / 2)
			sum += j;
		if (i % 100 == 0)
			call(1, 1, "line\n", 5);
	}
	call(60, 7, 0, 0);
	__builtin_unreachable();
}
