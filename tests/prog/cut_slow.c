// flags: -O1
// SPDX-License-Identifier: Apache-2.0
/* Calls `work` every twentieth of a second, forty times; then says so. */
#include <stdio.h>
#include <unistd.h>

__attribute__((noinline)) void work(int i)
{
	__asm__ volatile("" ::"r"(i));
}

int main(void)
{
	for (int i = 0; i < 40; i++) {
		work(i);
		usleep(50000);
	}
	puts("done");
	return 0;
}
