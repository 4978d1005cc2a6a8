// SPDX-License-Identifier: Apache-2.0
/*
 * Runs a fuzz target over files and directories of files, where libFuzzer is not there to do
 * it. Takes libFuzzer's options and ignores them.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
	cleanup_buf struct buf input = { 0 };
	/* Exactly the input's size, so that a read past its end is seen. */
	cleanup_free uint8_t *copy = NULL;

	if (io_read_file(path, &input)) {
		fprintf(stderr, "%s\n", err_message());
		return 1;
	}
	copy = xmalloc(input.length);
	for (size_t i = 0; i < input.length; i++)
		copy[i] = (uint8_t)input.data[i];
	LLVMFuzzerTestOneInput(copy, input.length);
	return 0;
}

static int replay_directory(DIR *directory, const char *path)
{
	int status = 0;

	for (struct dirent *entry; (entry = readdir(directory));) {
		cleanup_free char *file = xasprintf("%s/%s", path, entry->d_name);

		if (entry->d_name[0] != '.')
			status |= replay(file);
	}
	closedir(directory);
	return status;
}

int main(int argc, char **argv)
{
	int status = 0;

	for (int i = 1; i < argc; i++) {
		DIR *directory;

		if (argv[i][0] == '-')
			continue;
		directory = opendir(argv[i]);
		status |= directory ? replay_directory(directory, argv[i]) : replay(argv[i]);
	}
	return status;
}
