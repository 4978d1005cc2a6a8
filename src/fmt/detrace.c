// SPDX-License-Identifier: Apache-2.0
#include "fmt/detrace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <chop/arch.h>

#include "base/err.h"
#include "store/chopstix.h"

#define LINE_SIZE    128
#define ACCESS_WORDS 4

static int64_t word_at(const void *data, size_t n)
{
	int64_t word;

	memcpy(&word, (const char *)data + 8 * n, sizeof(word));
	return word;
}

static int check_size(size_t size, size_t unit, const char *name)
{
	if (size % unit == 0)
		return 0;
	return err_set(CHOP_USAGE, EBADMSG,
		       "%s is damaged: %zu bytes are not records of %zu; it may end early", name,
		       size, unit);
}

int detrace_pages(const void *data, size_t size, const char *name, struct mem_out *out)
{
	unsigned int trace = 0;
	char line[LINE_SIZE];

	for (size_t n = 0; n < size / 8; n++) {
		int64_t word = word_at(data, n);
		int length = 0;

		if (word == CHOPSTIX_BEGIN)
			length = snprintf(line, sizeof(line), "# trace %u\n", trace);
		else if (word == CHOPSTIX_END)
			trace++;
		else if (word == CHOPSTIX_INVOCATION)
			continue;
		else if (word & (CHOP_PAGE_SIZE - 1))
			return err_set(CHOP_USAGE, EBADMSG,
				       "%s is no trace.bin, or damaged: word %zu, %" PRIx64
				       ", is no page address",
				       name, n, (uint64_t)word);
		else
			length = snprintf(line, sizeof(line), "%" PRIx64 "\n", (uint64_t)word);
		mem_out_add(out, line, (size_t)length);
	}
	return check_size(size, 8, name);
}

static int access_line(const void *data, size_t n, const char *name, char *line)
{
	static const char *const kinds[2] = { "Data", "Code" }, *const actions[2] = { "read",
										      "write" };
	int64_t write = word_at(data, n + 2), code = word_at(data, n + 3);

	if (write >> 1 || code >> 1)
		return err_set(
			CHOP_USAGE, EBADMSG,
			"%s is damaged: record %zu is neither read nor write of data or code", name,
			n / ACCESS_WORDS);
	return snprintf(line, LINE_SIZE,
			"%c %c 0x%016" PRIX64 " 8 ; %s %s of 8 bytes from 0x%016" PRIX64 "\n",
			code ? 'I' : 'D', write ? 'W' : 'R', (uint64_t)word_at(data, n + 1),
			kinds[code], actions[write], (uint64_t)word_at(data, n));
}

int detrace_accesses(const void *data, size_t size, const char *name, struct mem_out *out)
{
	unsigned int trace = 0;
	char line[LINE_SIZE];

	for (size_t n = 0; n + ACCESS_WORDS <= size / 8; n += ACCESS_WORDS) {
		int64_t first = word_at(data, n);
		int length = 0;

		if (first == CHOPSTIX_BEGIN)
			length = snprintf(line, sizeof(line), "# trace %u\n", trace);
		else if (first == CHOPSTIX_END)
			trace++;
		else
			length = access_line(data, n, name, line);
		if (length < 0)
			return length;
		mem_out_add(out, line, (size_t)length);
	}
	return check_size(size, 8 * ACCESS_WORDS, name);
}
