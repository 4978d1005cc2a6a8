// flags: -rdynamic
// SPDX-License-Identifier: Apache-2.0
/* Prints its addresses as "NAME ADDRESS"; waits for the end of its input with an argument. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int maps_data = 7;

int maps_function(void)
{
	return maps_data;
}

__attribute__((constructor)) static void tell(void)
{
	if (getenv("MAPS_TELL"))
		fprintf(stderr, "a constructor ran\n");
}

int main(int argc, char **argv)
{
	char c;

	(void)argv;
	printf("maps_function %p\nmaps_data %p\nqsort %p\nmemcpy %p\nenviron %p\n",
	       (void *)maps_function, (void *)&maps_data, (void *)qsort, (void *)memcpy,
	       (void *)&environ);
	fflush(stdout);
	if (argc > 1)
		while (read(0, &c, 1) > 0)
			;
	return 0;
}
