// SPDX-License-Identifier: Apache-2.0
/* Where this process' own memory lies, and starting over when it is in the way. */
#include "memtrace/memtrace.h"

#include <errno.h>
#include <fcntl.h>
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

#define ATTEMPTS     "CHOP_MEM_ATTEMPT"	      /* environment: how often we have started over */
#define ATTEMPTS_MAX 40			      /* each succeeds with a probability of 99 % */
#define MAPS	     "/proc/thread-self/maps" /* also when the first thread has ended */
#define GUARD_GAP    (1UL << 20)	      /* the stack may grow while we work */
#define HEAP_ROOM    (1UL << 30)	      /* so may the heap */
#define NEW_ROOM     (4UL << 30) /* what we map later lies so far below what is mapped, at most */

enum layout_kind {
	LAYOUT_ALL,
	LAYOUT_EXECUTABLE,
	LAYOUT_CONSTANT, /* executable, and nobody can write it; also not under another address */
	LAYOUT_CHANGING, /* executable and writable, by this process alone */
};

static bool is_kind(const char flags[8], enum layout_kind kind)
{
	bool private = flags[3] == 'p', writable = flags[1] == 'w', executable = flags[2] == 'x';

	switch (kind) {
	case LAYOUT_CONSTANT:
		return executable && !writable && private;
	case LAYOUT_CHANGING:
		return executable && writable && private;
	case LAYOUT_EXECUTABLE:
		return executable;
	default:
		return true;
	}
}

static int read_maps(void (*each)(void *context, uint64_t start, uint64_t end, const char *name),
		     void *context, enum layout_kind kind)
{
	cleanup_buf struct buf text = { 0 };
	int error = io_read_file(MAPS, &text);
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
		if (is_kind(flags, kind))
			each(context, start, end, name ? line + name : "");
	}
	return 0;
}

int layout_read(void (*each)(void *context, uint64_t start, uint64_t end, const char *name),
		void *context)
{
	return read_maps(each, context, LAYOUT_ALL);
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
	return read_maps(each, context, LAYOUT_CONSTANT);
}

int layout_read_executable(void (*each)(void *context, uint64_t start, uint64_t end,
					const char *name),
			   void *context)
{
	return read_maps(each, context, LAYOUT_EXECUTABLE);
}

bool layout_file_byte(uint64_t address, uint8_t *byte)
{
	cleanup_buf struct buf text = { 0 };
	char *save, *line;

	if (io_read_file(MAPS, &text))
		return false;
	for (line = strtok_r(text.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		uint64_t start, end, offset;
		int name = 0;
		cleanup_close int fd = -1;

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %*s %*s %n", &start, &end,
			   &offset, &name) < 3 ||
		    address < start || address >= end)
			continue;
		if (!name || line[name] != '/')
			return false;
		fd = open(line + name, O_RDONLY | O_CLOEXEC);
		return fd >= 0 && !io_pread(fd, byte, 1, address - start + offset);
	}
	return false;
}

int layout_read_changing(void (*each)(void *context, uint64_t start, uint64_t end,
				      const char *name),
			 void *context)
{
	return read_maps(each, context, LAYOUT_CHANGING);
}

struct collision {
	const struct capture *capture;
	struct span_vec planned;
	uint64_t before; /* end of our mapping below */
	uint64_t start;	 /* of our mapping */
	uint64_t wanted; /* address of the capture's in it */
	char name[64];	 /* of ours, or "" */
	bool found;
};

static void note(struct collision *collision, uint64_t start, const char *name, uint64_t wanted)
{
	if (collision->found)
		return;
	collision->found = true;
	collision->start = start;
	collision->wanted = wanted;
	snprintf(collision->name, sizeof(collision->name), "%s", name);
}

/*
 * The buffers, the tables and what the C library asks for while the region runs are mapped when
 * the region's place is settled: in the gaps between our mappings, or below them.
 */
static void widen(struct collision *collision, uint64_t *start, uint64_t *end, const char *name)
{
	uint64_t room = *start - collision->before;

	if (!strcmp(name, "[stack]"))
		room = room < GUARD_GAP ? room : GUARD_GAP;
	else if (name[0] == '[')
		room = 0;
	*start -= room < NEW_ROOM ? room : NEW_ROOM;
	collision->before = *end;
	if (!strcmp(name, "[heap]"))
		*end += HEAP_ROOM;
}

static void look(void *context, uint64_t start, uint64_t end, const char *name)
{
	struct collision *collision = context;
	const struct capture *c = collision->capture;

	/*
	 * Somebody's uprobe in a file that we use too: a page of the kernel's at the top of every
	 * process that ever hit it, where others have their stack. It is not there in a child.
	 */
	if (!strcmp(name, "[vsyscall]") || !strcmp(name, "[uprobes]"))
		return;
	widen(collision, &start, &end, name);
	for (size_t i = 0; i < c->pages.length; i++) {
		uint64_t page = c->pages.items[i].address;

		if (page < end && page + CHOP_PAGE_SIZE > start)
			note(collision, start, name, page);
	}
	/* what the region maps while it runs must be free as well */
	for (size_t i = 0; i < c->maps.length; i++) {
		if (c->maps.items[i].start < end && c->maps.items[i].end > start)
			note(collision, start, name, c->maps.items[i].start);
	}
	for (size_t i = 0; i < collision->planned.length; i++) {
		const struct span *span = &collision->planned.items[i];

		if (span->start < end && span->end > start)
			note(collision, start, name, span->start);
	}
}

static bool find_collision(const struct capture *capture, struct collision *collision)
{
	int error;

	*collision = (struct collision){ .capture = capture };
	region_plan(capture, &collision->planned);
	error = layout_read(look, collision);
	vec_release(&collision->planned);
	return !error && collision->found;
}

bool memtrace_collides(const struct capture *capture)
{
	struct collision collision;

	return find_collision(capture, &collision);
}

/* ---- starting over */

/* Our own command line; `more`, options, goes before what is no option. */
static int read_arguments(struct buf *text, const char *const *more, char ***argv)
{
	int error = io_read_file("/proc/self/cmdline", text);
	size_t count = 0;
	bool added = false;

	if (error)
		return error;
	for (size_t i = 0; i < text->length; i++)
		count += !text->data[i];
	*argv = xcalloc(count + 8, sizeof(**argv));
	count = 0;
	for (size_t i = 0; i < text->length; i += strlen(text->data + i) + 1) {
		if (!strcmp(text->data + i, "--") && !added) {
			for (; *more; more++)
				(*argv)[count++] = (char *)*more;
			added = true;
		}
		(*argv)[count++] = text->data + i;
	}
	for (; *more && !added; more++)
		(*argv)[count++] = (char *)*more;
	return 0;
}

static bool is_randomised(void)
{
	cleanup_buf struct buf text = { 0 };

	return io_read_file("/proc/sys/kernel/randomize_va_space", &text) ||
	       buf_text(&text)[0] != '0';
}

static int give_up(const struct capture *capture, int attempt)
{
	struct collision c;

	if (!find_collision(capture, &c))
		return err_set(CHOP_MISSING, EADDRINUSE, "no place beside the capture's pages");
	if (!is_randomised())
		return err_set(CHOP_MISSING, EADDRINUSE,
			       "the capture has %#" PRIx64 ", where chop has %s: every program "
			       "begins at the same address here; set kernel.randomize_va_space=2",
			       c.wanted, c.name[0] ? c.name : "memory");
	return err_set(CHOP_MISSING, EADDRINUSE,
		       "the capture has %#" PRIx64 ", where chop has %s (from %#" PRIx64
		       "), wherever it is started (%d times): the captured program leaves too "
		       "little of the address space",
		       c.wanted, c.name[0] ? c.name : "memory", c.start, attempt);
}

int memtrace_start_over(const struct capture *capture, const char *const *more)
{
	static const char *const none[] = { NULL };
	const char *text = getenv(ATTEMPTS);
	int attempt = text ? atoi(text) : 0;
	cleanup_buf struct buf words = { 0 };
	char number[16], **argv;
	int error;

	if (attempt >= ATTEMPTS_MAX || !is_randomised())
		return give_up(capture, attempt);
	snprintf(number, sizeof(number), "%d", attempt + 1);
	setenv(ATTEMPTS, number, 1);
	/* under a debugger, or started by a tool that switched it off */
	personality((unsigned long)personality(0xffffffff) & ~(unsigned long)ADDR_NO_RANDOMIZE);
	error = read_arguments(&words, more ? more : none, &argv);
	if (error)
		return error;
	fflush(NULL);
	execv("/proc/self/exe", argv);
	error = err_sys(CHOP_MISSING, errno, "cannot start over at other addresses");
	free(argv);
	return error;
}
