// SPDX-License-Identifier: Apache-2.0
#include "fmt/mem_format.h"

#include <string.h>

static const struct mem_format *const formats[] = {
	&mem_format_lackey,
	&mem_format_chopstix,
	&mem_format_din,
	&mem_format_xdin,
	&mem_format_din_binary,
	&mem_format_champsim,
	&mem_format_drmemtrace,
	&mem_format_gem5,
	&mem_format_oracle,
	&mem_format_csv,
	&mem_format_chopstix_binary,
};

const struct mem_format *mem_format_at(unsigned int n)
{
	return n < sizeof(formats) / sizeof(formats[0]) ? formats[n] : NULL;
}

const struct mem_format *mem_format_find(const char *name)
{
	const struct mem_format *format;

	for (unsigned int i = 0; (format = mem_format_at(i)); i++) {
		if (!strcmp(format->name, name))
			return format;
	}
	return NULL;
}
