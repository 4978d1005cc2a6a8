// SPDX-License-Identifier: Apache-2.0
/* The smallest program there is something to capture of. */

__attribute__((noinline)) void nothing(void);
__attribute__((noinline)) void nothing(void)
{
	__asm__ volatile("");
}

int main(void)
{
	nothing();
	return 0;
}
