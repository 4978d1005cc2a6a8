// flags: -O1 -static
// SPDX-License-Identifier: Apache-2.0
/* Reads a file by its path and by descriptors of the directory it is in; needs no library. */
#include <fcntl.h>
#include <unistd.h>

int main(int argc, char **argv) {
	char text[16];
	int directory = open("/", O_RDONLY | O_DIRECTORY), file;

	if (argc != 2 || directory < 0 || chdir("/"))
		return 1;
	file = openat(directory, argv[1], O_RDONLY);
	if (read(file, text, sizeof(text)) < 0)
		return 2;
	file = openat(AT_FDCWD, argv[1], O_RDONLY);
	return read(file, text, sizeof(text)) < 0;
}
