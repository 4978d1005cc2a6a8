// SPDX-License-Identifier: Apache-2.0
#include "runtime.h"

#include <asm/unistd.h>
#include <linux/auxvec.h>
#include <linux/fcntl.h>

struct runtime rt;

void exit_with(enum chop_status status)
{
	for (;;)
		sys_call(__NR_exit_group, status, 0, 0, 0, 0, 0);
}

const void *table(enum snippet_table_id id, uint64_t *count)
{
	*count = rt.header->tables[id].count;
	return snippet_front + rt.header->tables[id].offset;
}

const char *string_at(uint32_t offset)
{
	return (const char *)snippet_front + rt.header->tables[SNIPPET_STRINGS].offset + offset;
}

/* The last part of argv[0]; the kernel's stack will go away. */
static void remember_name(const char *path)
{
	const char *name = path;
	size_t length = 0;

	for (; *path; path++) {
		if (*path == '/')
			name = path + 1;
	}
	for (; name[length] && length < sizeof(rt.name) - 1; length++)
		rt.name[length] = name[length];
}

struct auxiliary {
	uint64_t page_size;
	const char *path; /* AT_EXECFN */
};

static void read_auxiliary(const uint64_t *at, struct auxiliary *out)
{
	for (; at[0] != AT_NULL; at += 2) {
		if (at[0] == AT_PAGESZ)
			out->page_size = at[1];
		else if (at[0] == AT_EXECFN)
			out->path = (const char *)at[1];
		else if (at[0] == AT_HWCAP2)
			rt.hwcap2 = at[1];
	}
}

static bool is_this_file(void)
{
	struct snippet_header header;

	return read_self(&header, sizeof(header), SNIPPET_HEADER_OFFSET) &&
	       header.header_checksum == rt.header->header_checksum;
}

/* Never by argv[0]: it need not be a path. */
static void open_self(const char *path)
{
	rt.fd = (int)sys_call(__NR_openat, (uint64_t)AT_FDCWD, (uint64_t) "/proc/self/exe",
			      O_RDONLY | O_CLOEXEC, 0, 0, 0);
	if (rt.fd < 0 && path)
		rt.fd = (int)sys_call(__NR_openat, (uint64_t)AT_FDCWD, (uint64_t)path,
				      O_RDONLY | O_CLOEXEC, 0, 0, 0);
	if (rt.fd < 0)
		die(CHOP_MISSING, "cannot open /proc/self/exe, where the pages are; mount /proc");
	if (!is_this_file())
		die(CHOP_USAGE, "the file changed while it was started");
}

void runtime_start(uint64_t *stack)
{
	int argc = (int)stack[0];
	char **argv = (char **)(stack + 1);
	const uint64_t *after_env = stack + argc + 2;
	struct auxiliary auxiliary = { .page_size = CHOP_PAGE_SIZE };

	rt.header = (const void *)(snippet_front + SNIPPET_HEADER_OFFSET);
	while (*after_env++)
		continue;
	read_auxiliary(after_env, &auxiliary);
	if (argc)
		remember_name(argv[0]);
	install_handlers();
	check_file();
	parse_options(argc, argv);
	prepare_calls();
	if (auxiliary.page_size != CHOP_PAGE_SIZE)
		die(CHOP_MISSING, "needs pages of 4096 bytes, this machine has %u",
		    auxiliary.page_size);
	arch_check_cpu();
	open_self(auxiliary.path);
	check_code();
	check_limits();
	rt.phase = LOADING;
	rt.next = rt.header->work;
	make_room();
	map_pages();
	map_aliases();
	prepare_iterations();
	arch_prepare();
	trap_instructions();
	start_watchdog();
	filter_calls();
	enter_region();
}
