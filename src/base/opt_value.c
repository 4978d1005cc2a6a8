// SPDX-License-Identifier: Apache-2.0
#include "base/opt.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"

/* Values are only written when all of the text was understood. */
static int whole(const char *text, int base, uint64_t *value)
{
	unsigned long long number;
	char *stop;

	/* strtoull takes signs and blanks; we do not. */
	if (!isxdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	number = strtoull(text, &stop, base);
	if (stop == text || *stop)
		return -EINVAL;
	if (errno)
		return -errno;
	*value = number;
	return 0;
}

int opt_number(const char *text, uint64_t *value)
{
	int error = whole(text, !strncmp(text, "0x", 2) ? 16 : 10, value);

	if (error == -ERANGE || text[0] == '-')
		return err_set(CHOP_USAGE, EINVAL, "%s is too %s", text,
			       error == -ERANGE ? "large" : "small");
	if (error)
		return err_set(CHOP_USAGE, EINVAL, "'%s' is not a whole number", text);
	return 0;
}

int opt_address(const char *text, uint64_t *value)
{
	if (whole(text, 16, value))
		return err_set(CHOP_USAGE, EINVAL, "'%s' is not a hexadecimal address", text);
	return 0;
}

struct unit {
	const char *name;
	double factor;
};

/* A decimal number with one of the units; the first one is the default. */
static int scaled(const char *text, const struct unit *units, size_t count, uint64_t *value)
{
	double number, result;
	char *end;

	if (!isdigit((unsigned char)text[0]) && text[0] != '.')
		return -EINVAL;
	errno = 0;
	number = strtod(text, &end);
	if (errno || end == text || !isfinite(number))
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(end, units[i].name) && !(i == 0 && !*end))
			continue;
		result = number * units[i].factor;
		if (result >= 18446744073709549568.0)
			return -EINVAL;
		*value = (uint64_t)(result + 0.5);
		return 0;
	}
	return -EINVAL;
}

int opt_time(const char *text, uint64_t *nanoseconds)
{
	static const struct unit units[] = {
		{ "s", 1e9 },  { "ns", 1 },	{ "us", 1e3 },	  { "ms", 1e6 },
		{ "m", 6e10 }, { "h", 3.6e12 }, { "d", 8.64e13 },
	};

	if (scaled(text, units, ARRAY_SIZE(units), nanoseconds))
		return err_set(CHOP_USAGE, EINVAL,
			       "'%s' is not a time; use a number and ns, us, ms, s, m, h or d",
			       text);
	return 0;
}

int opt_size(const char *text, uint64_t *bytes)
{
	static const struct unit units[] = {
		{ "", 1 },
		{ "K", 1024 },
		{ "M", 1048576 },
		{ "G", 1073741824.0 },
		{ "T", 1099511627776.0 },
		{ "k", 1024 },
		{ "KB", 1024 },
		{ "MB", 1048576 },
		{ "GB", 1073741824.0 },
	};

	if (scaled(text, units, ARRAY_SIZE(units), bytes))
		return err_set(CHOP_USAGE, EINVAL,
			       "'%s' is not a size; use a number and K, M, G or T", text);
	return 0;
}

int opt_fraction(const char *text, double *value)
{
	double number;
	char *end;

	errno = 0;
	number = strtod(text, &end);
	if (end != text && !strcmp(end, "%")) {
		number /= 100;
		end++;
	}
	if (errno || end == text || *end || !(number >= 0 && number <= 1))
		return err_set(CHOP_USAGE, EINVAL,
			       "'%s' is not a fraction; use 0 to 1 or a percentage", text);
	*value = number;
	return 0;
}

unsigned int opt_distance(const char *a, const char *b)
{
	size_t width = strlen(b) + 1;
	cleanup_free unsigned int *row = xcalloc(width, sizeof(*row));

	for (size_t j = 0; j < width; j++)
		row[j] = (unsigned int)j;
	for (size_t i = 0; a[i]; i++) {
		unsigned int diagonal = row[0];

		row[0] = (unsigned int)i + 1;
		for (size_t j = 1; j < width; j++) {
			unsigned int best = diagonal + (a[i] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[width - 1];
}
