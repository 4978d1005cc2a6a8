// SPDX-License-Identifier: Apache-2.0
#include "elf/needed.h"

#include "test.h"

#include <link.h>
#include <stdio.h>
#include <stdlib.h>

#include "arch/arch.h"
#include "elf/ldcache.h"

/* Our own modules, as the dynamic linker has them, are the ones we find, in that order. */
static int visit(struct dl_phdr_info *info, size_t size, void *argument)
{
	struct strvec *names = argument;

	(void)size;
	if (*info->dlpi_name && !strstr(info->dlpi_name, "vdso"))
		*vec_push(names) = info->dlpi_name;
	return 0;
}

static void test_own_libraries(void **state)
{
	cleanup_needed struct needed needed = { 0 };
	cleanup_image struct image image = { 0 };
	struct strvec names = { 0 };

	(void)state;
	assert_int_equal(image_open("/proc/self/exe", &image), 0);
	needed_find(&image, arch_library_levels(), &needed);
	dl_iterate_phdr(visit, &names);
	assert_true(names.length > 1);
	assert_int_equal(needed.modules.length, names.length);
	for (size_t i = 0; i < names.length; i++)
		assert_string_equal(needed.modules.items[i].path, names.items[i]);
	vec_release(&names);
}

/* The same for programs of the system, against ldd. */
static void compare_with_ldd(const char *path)
{
	cleanup_needed struct needed needed = { 0 };
	cleanup_image struct image image = { 0 };
	char command[256], line[1024];
	size_t count = 0;
	FILE *pipe;

	if (image_open(path, &image))
		return;
	needed_find(&image, arch_library_levels(), &needed);
	snprintf(command, sizeof(command), "ldd %s | grep -v -e vdso | sed 's/ (0x.*//; s/.*=> //'",
		 path);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	while (fgets(line, sizeof(line), pipe)) {
		char *start = line + strspn(line, " \t");

		start[strcspn(start, "\n")] = '\0';
		assert_true(count < needed.modules.length);
		assert_string_equal(needed.modules.items[count++].path, start);
	}
	pclose(pipe);
	assert_int_equal(count, needed.modules.length);
}

static void test_ldd(void **state)
{
	static const char *const paths[] = { "/usr/bin/gdb", "/usr/bin/xz", "/usr/bin/git",
					     "/usr/bin/eu-readelf", "/usr/bin/apt-get" };

	(void)state;
	if (system("command -v ldd >/dev/null"))
		skip_because("ldd is not installed");
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		compare_with_ldd(paths[i]);
}

static void test_cache(void **state)
{
	struct buf empty = { 0 };

	(void)state;
	assert_null(ldcache_find(&empty, "libc.so.6", NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_libraries),
		cmocka_unit_test(test_ldd),
		cmocka_unit_test(test_cache),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
