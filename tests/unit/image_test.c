// SPDX-License-Identifier: Apache-2.0
#include "elf/image.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"

/* Names for the test to find in its own executable. */
static __attribute__((noinline, used)) int image_test_local(int x)
{
	return x * 3 + 1;
}

__attribute__((noinline)) int image_test_global(int x);
int image_test_global(int x)
{
	return image_test_local(x) + 1;
}
int image_test_alias(int x) __attribute__((alias("image_test_global")));
int image_test_data = 42;
_Thread_local int image_test_tls = 1;

static int (*resolve(void))(int) __attribute__((used));
static int (*resolve(void))(int)
{
	return image_test_local;
}
int image_test_ifunc(int x) __attribute__((ifunc("resolve")));

struct place {
	const char *name;
	uintptr_t bias;
	char path[512];
};

static int visit(struct dl_phdr_info *info, size_t size, void *argument)
{
	struct place *place = argument;

	(void)size;
	if (!strstr(info->dlpi_name, place->name))
		return 0;
	place->bias = info->dlpi_addr;
	snprintf(place->path, sizeof(place->path), "%s", info->dlpi_name);
	return 1;
}

static uintptr_t own_bias(void)
{
	struct place place = { .name = "" };

	dl_iterate_phdr(visit, &place);
	return place.bias;
}

static void test_own_symbols(void **state)
{
	cleanup_image struct image image = { 0 };
	const struct symbol *symbol;
	size_t others = 9;

	(void)state;
	assert_int_equal(image_open("/proc/self/exe", &image), 0);
	symbol = image_find(&image, "image_test_local", &others);
	assert_non_null(symbol);
	assert_int_equal(others, 0);
	assert_int_equal(symbol->address + own_bias(), (uintptr_t)image_test_local);
	assert_int_equal(symbol->kind, SYMBOL_FUNCTION);
	assert_false(symbol->global);
	symbol = image_find(&image, "image_test_ifunc", NULL);
	assert_non_null(symbol);
	assert_int_equal(symbol->kind, SYMBOL_IFUNC);
	symbol = image_find(&image, "image_test_data", NULL);
	assert_non_null(symbol);
	assert_int_equal(symbol->kind, SYMBOL_DATA);
	assert_int_equal(symbol->address + own_bias(), (uintptr_t)&image_test_data);
	symbol = image_find(&image, "image_test_tls", NULL);
	assert_non_null(symbol);
	assert_int_equal(symbol->kind, SYMBOL_TLS);
	assert_null(image_find(&image, "image_test_nothing", NULL));
	assert_null(image_find(&image, "printf", NULL)); /* undefined here */
}

static void test_aliases(void **state)
{
	cleanup_image struct image image = { 0 };
	const struct symbol *global, *alias;

	(void)state;
	assert_int_equal(image_open("/proc/self/exe", &image), 0);
	global = image_find(&image, "image_test_global", NULL);
	alias = image_find(&image, "image_test_alias", NULL);
	assert_non_null(global);
	assert_non_null(alias);
	assert_ptr_not_equal(global, alias);
	assert_int_equal(global->address, alias->address);
	assert_true(image_function_end(&image, global) > global->address);
	for (uint64_t a = global->address; a < image_function_end(&image, global); a++)
		assert_int_equal(image_symbol_at(&image, a)->address, global->address);
}

static void test_bytes(void **state)
{
	cleanup_image struct image image = { 0 };
	const struct symbol *symbol;
	const uint8_t *bytes;

	(void)state;
	assert_int_equal(image_open("/proc/self/exe", &image), 0);
	symbol = image_find(&image, "image_test_global", NULL);
	bytes = image_bytes(&image, symbol->address, symbol->size);
	assert_non_null(bytes);
	assert_memory_equal(bytes, (void *)image_test_global, symbol->size);
	assert_null(image_bytes(&image, 1UL << 60, 1));
	assert_null(image_bytes(&image, symbol->address, SIZE_MAX));
	assert_string_equal(image.interpreter, "/lib64/ld-linux-x86-64.so.2");
}

/* Every function that dlsym() knows by version is where we say, old versions included. */
static void test_libc_versions(void **state)
{
	cleanup_image struct image image = { 0 };
	struct place place = { .name = "libc.so" };
	const struct symbol *old, *new;
	size_t checked = 0;
	void *libc; /* not RTLD_DEFAULT: a sanitizer or preloaded library may be before it */

	(void)state;
	assert_int_equal(dl_iterate_phdr(visit, &place), 1);
	libc = dlopen(place.path, RTLD_NOW | RTLD_NOLOAD);
	assert_non_null(libc);
	assert_int_equal(image_open(place.path, &image), 0);
	assert_true(image.build_id_size == 20);
	new = image_find(&image, "memcpy", NULL);
	old = image_find(&image, "memcpy@GLIBC_2.2.5", NULL);
	assert_non_null(new);
	assert_non_null(old);
	assert_string_equal(new->version, "GLIBC_2.14");
	assert_int_not_equal(new->address, old->address);
	for (size_t i = 0; i < image.symbols.length; i++) {
		const struct symbol *symbol = &image.symbols.items[i];
		void *address;

		if (symbol->kind != SYMBOL_FUNCTION || !symbol->dynamic || !symbol->version)
			continue;
		address = dlvsym(libc, symbol->name, symbol->version);
		if (!address) /* GLIBC_PRIVATE and the like */
			continue;
		assert_int_equal(symbol->address + place.bias, (uintptr_t)address);
		checked++;
	}
	assert_true(checked > 1000);
	dlclose(libc);
}

static void test_vdso(void **state)
{
	cleanup_image struct image image = { 0 };
	const void *vdso = (const void *)getauxval(AT_SYSINFO_EHDR);
	const struct symbol *symbol;

	(void)state;
	if (!vdso)
		skip();
	assert_int_equal(image_open_memory(vdso, 4096, "[vdso]", &image), -ENOEXEC);
	assert_non_null(strstr(err_message(), "[vdso] is truncated"));
	assert_int_equal(image_open_memory(vdso, 8192, "[vdso]", &image), 0);
	symbol = image_find(&image, "clock_gettime", NULL);
	assert_non_null(symbol);
	assert_int_equal(image_symbol_at(&image, symbol->address + 1)->address, symbol->address);
}

static void test_suggest(void **state)
{
	cleanup_image struct image image = { 0 };
	const char *names[3];

	(void)state;
	assert_int_equal(image_open("/proc/self/exe", &image), 0);
	assert_true(image_suggest(&image, "image_test_locl", names, 3) >= 1);
	assert_string_equal(names[0], "image_test_local");
	assert_int_equal(image_suggest(&image, "zzzzzzzzzzzzzzzz", names, 3), 0);
	assert_int_equal(image_suggest(&image, "image_test_locl", names, 0), 0);
}

/* Open the first `size` bytes of our own executable after `change`; the recorded message. */
static const char *open_changed(size_t size, size_t at, uint8_t value)
{
	static struct buf bytes;
	struct image image;

	buf_reset(&bytes);
	assert_int_equal(io_read_file("/proc/self/exe", &bytes), 0);
	if (at)
		bytes.data[at] = (char)value;
	err_clear();
	if (!image_open_memory(bytes.data, size < bytes.length ? size : bytes.length, "x", &image))
		image_close(&image);
	return err_message();
}

static void test_refused(void **state)
{
	struct image image;

	(void)state;
	assert_int_equal(image_open("/nonexistent/file", &image), -ENOENT);
	assert_string_equal(err_message(),
			    "cannot open /nonexistent/file: No such file or directory");
	assert_int_equal(image_open("/", &image), -EISDIR);
	assert_int_equal(image_open("/dev/null", &image), -ENOEXEC);
	assert_int_equal(image_open("/etc/passwd", &image), -ENOEXEC);
	assert_string_equal(err_message(), "/etc/passwd is not an ELF file");
	assert_int_equal(image_open_memory("#!/bin/sh", 9, "s", &image), -ENOEXEC);
	assert_non_null(strstr(err_message(), "is a script"));
	assert_string_equal(open_changed(SIZE_MAX, 0, 0), "");
	assert_non_null(strstr(open_changed(20, 0, 0), "ends inside the ELF header"));
	assert_non_null(strstr(open_changed(4096, 0, 0), "is truncated"));
	assert_non_null(strstr(open_changed(SIZE_MAX, EI_CLASS, ELFCLASS32), "32-bit ELF"));
	assert_non_null(strstr(open_changed(SIZE_MAX, EI_DATA, ELFDATA2MSB), "big-endian"));
	assert_non_null(
		strstr(open_changed(SIZE_MAX, 18, EM_AARCH64), "for AArch64 (machine 183)"));
	assert_non_null(strstr(open_changed(SIZE_MAX, 16, ET_REL), "link it first"));
	assert_non_null(strstr(open_changed(SIZE_MAX, 16, ET_CORE), "is a core file"));
}

/* No length and no changed byte of the file may do more than fail. */
static void test_damaged(void **state)
{
	static struct buf bytes;
	struct image image;
	uint64_t random = 1;

	(void)state;
	assert_int_equal(io_read_file("/proc/self/exe", &bytes), 0);
	for (size_t size = 0; size < bytes.length; size += bytes.length / 97) {
		if (!image_open_memory(bytes.data, size, "x", &image))
			image_close(&image);
	}
	for (int i = 0; i < 300; i++) {
		size_t at;
		char was;

		random = random * 6364136223846793005u + 1442695040888963407u;
		/* Half of the changes in the headers, half where the section headers are. */
		at = (random >> 33) % 1024;
		if (i & 1)
			at = bytes.length - 1 - (random >> 33) % 4096;
		was = bytes.data[at];
		bytes.data[at] = (char)(random >> 20);
		if (!image_open_memory(bytes.data, bytes.length, "x", &image)) {
			image_symbol_at(&image, image.entry);
			image_close(&image);
		}
		bytes.data[at] = was;
	}
	buf_release(&bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_symbols), cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_bytes),	    cmocka_unit_test(test_libc_versions),
		cmocka_unit_test(test_vdso),	    cmocka_unit_test(test_suggest),
		cmocka_unit_test(test_refused),	    cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
