// SPDX-License-Identifier: Apache-2.0
/* Where this process' own memory lies, and starting over when it is in the way. */
#include "memtrace/memtrace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "memtrace/region.h"

#define ATTEMPTS     "CHOP_MEM_ATTEMPT" /* environment: how often we have started over */
#define ATTEMPTS_MAX 8
#define GUARD_GAP    (1UL << 20) /* the stack may grow while we work */

static int read_maps(void (*each)(void *context, uint64_t start, uint64_t end, const char *name),
		     void *context, bool code_only)
{
	cleanup_buf struct buf text = { 0 };
	int error = io_read_file("/proc/self/maps", &text);
	char *save, *line;

	if (error)
		return error;
	for (line = strtok_r(text.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		uint64_t start, end;
		int name = 0;
		char flags[8];

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %*s %*s %*s %n", &start, &end, flags,
			   &name) < 3)
			continue;
		if (!code_only || (flags[1] != 'w' && flags[2] == 'x'))
			each(context, start, end, name ? line + name : "");
	}
	return 0;
}

int layout_read(void (*each)(void *context, uint64_t start, uint64_t end, const char *name),
		void *context)
{
	return read_maps(each, context, false);
}

struct search {
	uint64_t address;
	bool found;
};

static void find(void *context, uint64_t start, uint64_t end, const char *name)
{
	struct search *search = context;

	(void)name;
	search->found |= search->address >= start && search->address < end;
}

bool layout_holds(uint64_t address)
{
	struct search search = { address, false };

	return !layout_read(find, &search) && search.found;
}

int layout_read_code(void (*each)(void *context, uint64_t start, uint64_t end, const char *name),
		     void *context)
{
	return read_maps(each, context, true);
}

struct collision {
	const struct capture *capture;
	bool found;
};

static void look(void *context, uint64_t start, uint64_t end, const char *name)
{
	struct collision *collision = context;
	const struct capture *c = collision->capture;

	if (!strcmp(name, "[vsyscall]"))
		return;
	if (!strcmp(name, "[stack]"))
		start -= GUARD_GAP;
	for (size_t i = 0; i < c->pages.length; i++) {
		uint64_t page = c->pages.items[i].address;

		if (page < end && page + CHOP_PAGE_SIZE > start)
			collision->found = true;
	}
	/* what the region maps while it runs must be free as well */
	for (size_t i = 0; i < c->maps.length; i++) {
		if (c->maps.items[i].start < end && c->maps.items[i].end > start)
			collision->found = true;
	}
}

bool memtrace_collides(const struct capture *capture)
{
	struct collision collision = { capture, false };

	return layout_read(look, &collision) || collision.found;
}

static int read_arguments(struct buf *text, char ***argv)
{
	int error = io_read_file("/proc/self/cmdline", text);
	size_t count = 0;

	if (error)
		return error;
	for (size_t i = 0; i < text->length; i++)
		count += !text->data[i];
	*argv = xcalloc(count + 1, sizeof(**argv));
	count = 0;
	for (size_t i = 0; i < text->length; i += strlen(text->data + i) + 1)
		(*argv)[count++] = text->data + i;
	return 0;
}

int memtrace_start_over(void)
{
	const char *text = getenv(ATTEMPTS);
	int attempt = text ? atoi(text) : 0;
	cleanup_buf struct buf words = { 0 };
	char number[16], **argv;
	int error;

	if (attempt >= ATTEMPTS_MAX)
		return err_set(CHOP_MISSING, EADDRINUSE,
			       "the capture's addresses are ours too, %d times over; "
			       "set kernel.randomize_va_space=2",
			       attempt);
	snprintf(number, sizeof(number), "%d", attempt + 1);
	setenv(ATTEMPTS, number, 1);
	/* under a debugger, or started by a tool that switched it off */
	personality((unsigned long)personality(0xffffffff) & ~(unsigned long)ADDR_NO_RANDOMIZE);
	error = read_arguments(&words, &argv);
	if (error)
		return error;
	fflush(NULL);
	execv("/proc/self/exe", argv);
	error = err_sys(CHOP_MISSING, errno, "cannot start over at other addresses");
	free(argv);
	return error;
}
