// flags: -O1
// SPDX-License-Identifier: Apache-2.0
/*
 * trampoline_refused [CALLS]: a function that cannot be patched: it loops back into its first five bytes.
 */
#include <stdio.h>
#include <stdlib.h>

__asm__(".globl refused\n.type refused,@function\nrefused:\n"
	"	xor %eax,%eax\n1:	add %rdi,%rax; dec %rdi; jnz 1b; ret\n"
	".size refused,.-refused\n");
long refused(long);

int main(int argc, char **argv)
{
	long calls = argc > 1 ? atol(argv[1]) : 200;
	long sum = 0;

	for (long i = 1; i <= calls; i++)
		sum += refused(i);
	printf("%ld\n", sum);
	return 0;
}
