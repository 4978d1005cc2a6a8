// flags: -O2 -static -nostdlib -ffreestanding -fno-stack-protector -fno-pie -no-pie
// SPDX-License-Identifier: Apache-2.0
/* Heap sort and a hash table, without a C library. Exits with 0 when the result is right. */
#define COUNT 6000

static struct {
	unsigned long key;
	unsigned char rest[56];
} items[COUNT];
static unsigned int table[16384];

static void swap(unsigned int a, unsigned int b)
{
	unsigned long key = items[a].key;

	items[a].key = items[b].key;
	items[b].key = key;
}

static void sift(unsigned int at, unsigned int count)
{
	for (unsigned int child; (child = 2 * at + 1) < count; at = child) {
		if (child + 1 < count && items[child + 1].key > items[child].key)
			child++;
		if (items[at].key >= items[child].key)
			return;
		swap(at, child);
	}
}

static int body(void)
{
	unsigned long x = 88172645463325252UL;

	for (unsigned int i = 0; i < COUNT; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		items[i].key = x;
		table[x % 16384]++;
	}
	for (unsigned int i = COUNT / 2; i-- > 0;)
		sift(i, COUNT);
	for (unsigned int i = COUNT - 1; i; i--) {
		swap(0, i);
		sift(0, i);
	}
	for (unsigned int i = 1; i < COUNT; i++) {
		if (items[i - 1].key > items[i].key || !table[items[i].key % 16384])
			return 1;
	}
	return 0;
}

__attribute__((noreturn)) void _start(void)
{
	int status;

	__asm__ volatile("and $-16, %rsp");
	status = body();
	__asm__ volatile("syscall" : : "a"(231), "D"((long)status));
	__builtin_unreachable();
}
