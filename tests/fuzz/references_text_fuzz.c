// SPDX-License-Identifier: Apache-2.0
/* Other programs' text traces: each line alone in every format, and the whole as a file. */
#include "store/references_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"

static void must(bool right)
{
	if (!right)
		abort();
}

static void try_line(const char *line)
{
	enum references_format guess = references_guess(line);
	struct references_line parsed;

	for (int i = 0; i < REFERENCES_FORMATS; i++) {
		int result = references_parse((enum references_format)i, line, &parsed);

		must(result >= -1 && result <= 1);
		must(result <= 0 || (parsed.size && parsed.size <= 65536));
	}
	if (guess != REFERENCES_FORMATS)
		must(references_parse(guess, line, &parsed) == 1);
}

static void try_file(const char *path, uint64_t block)
{
	const struct references_options options = { .block = block, .fetches = true };
	struct references references = { 0 };

	err_clear();
	must(!references_read(&references, path, &options) == !*err_message());
	references_release(&references);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), path[64], *rest = text, *line;
	int fd = memfd_create("trace", MFD_CLOEXEC);

	must(text && fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	try_file(path, 1);
	try_file(path, 4096);
	memcpy(text, data, size);
	text[size] = '\0';
	while ((line = strsep(&rest, "\n")))
		try_line(line);
	free(text);
	close(fd);
	return 0;
}
