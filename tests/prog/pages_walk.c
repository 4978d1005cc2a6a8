// flags: -O1 -static -nostdlib -ffreestanding -fno-stack-protector -fno-pie -no-pie
// SPDX-License-Identifier: Apache-2.0
/*
 * Walks memory in several ways, without a C library and with no system call but exit: bss,
 * data, deep recursion, strided and random order, copies with rep movs. Exits with 7.
 */
#define PAGES 90

static unsigned char bss[PAGES * 4096];
static unsigned int data[20 * 1024] = { 1, 2, 3 };

static unsigned int seed = 1;

static unsigned int random_number(void)
{
	seed = seed * 1103515245 + 12345;
	return seed >> 8;
}

static void copy(void *to, const void *from, unsigned long size)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

__attribute__((noinline)) static unsigned int recurse(unsigned int depth)
{
	volatile unsigned char frame[1500];

	frame[0] = (unsigned char)depth;
	frame[1499] = frame[0] + 1;
	return depth ? recurse(depth - 1) + frame[1499] : 0;
}

static void body(void)
{
	for (unsigned int i = 0; i < sizeof(bss); i += 512)
		bss[i] = (unsigned char)i;
	for (unsigned int i = 0; i < 3000; i++)
		bss[random_number() % sizeof(bss)] += (unsigned char)data[random_number() % 20480];
	recurse(60);
	copy(bss + 100, data, 9000);
	for (unsigned int round = 0; round < 3; round++) {
		for (unsigned int page = 0; page < PAGES; page += 2)
			bss[page * 4096 + round] ^= bss[(PAGES - 1 - page) * 4096 + 5];
		recurse(40);
	}
	copy(data + 1000, bss + 30 * 4096, 5000);
}

__attribute__((noreturn)) void _start(void)
{
	__asm__ volatile("and $-16, %rsp");
	body();
	__asm__ volatile("syscall" : : "a"(231), "D"(7));
	__builtin_unreachable();
}
