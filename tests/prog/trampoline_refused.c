// flags: -O1
// SPDX-License-Identifier: Apache-2.0
/* A function that cannot be patched: it loops back into its first five bytes. */
#include <stdio.h>

__asm__(".globl refused\n.type refused,@function\nrefused:\n"
	"	xor %eax,%eax\n1:	add %rdi,%rax; dec %rdi; jnz 1b; ret\n"
	".size refused,.-refused\n");
long refused(long);

int main(void)
{
	long sum = 0;

	for (long i = 1; i <= 200; i++)
		sum += refused(i);
	printf("%ld\n", sum);
	return 0;
}
