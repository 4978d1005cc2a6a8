// SPDX-License-Identifier: Apache-2.0
#include "store/tracedir.h"

#include "directory.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"

static void fill_thread(struct thread_state *thread, unsigned int seed)
{
	uint8_t *regs = (uint8_t *)&thread->regs;

	for (size_t i = 0; i < sizeof(thread->regs); i++)
		regs[i] = (uint8_t)(seed + i * 7);
	thread->xstate_size = 2696;
	thread->xstate = xmalloc(thread->xstate_size);
	for (size_t i = 0; i < thread->xstate_size; i++)
		thread->xstate[i] = (uint8_t)(seed + i * 3);
	thread->sigmask = 0x123456789abcdef0 + seed;
	thread->altstack_address = 0x7f0000000000 + seed;
	thread->altstack_size = 8192;
	thread->altstack_flags = 2;
}

static void add_call(struct capture *capture)
{
	struct chop_event event = { .kind = CHOP_EVENT_CALL,
				    .args = { 3, 0x10000, 5 },
				    .result = 5 };

	syslog_begin(&capture->calls, &event);
	syslog_write(&capture->calls, 0x10000, "hello", 5);
	syslog_end(&capture->calls);
}

static void add_mapping(struct capture *capture, uint64_t start, uint64_t end, const char *path)
{
	*vec_push(&capture->maps) = (struct capture_mapping){
		.start = start,
		.end = end,
		.offset = 0x3000,
		.inode = 4711,
		.device_major = 254,
		.device_minor = 1,
		.flags = PAGE_READ | PAGE_EXECUTE | (start & 0x1000 ? PAGE_SHARED : 0),
		.path = xstrdup(path),
	};
}

/* `stride` pages apart: 1 gives a single run, 2 a run for each page. */
static void make_capture(struct capture *capture, unsigned int id, size_t pages, size_t stride)
{
	uint8_t *memory;

	capture_init(capture);
	memory = capture_arena(capture, (2 * pages + 1) * CHOP_PAGE_SIZE);
	assert_non_null(memory);
	capture->id = id;
	capture->invocation = id * 10 + 3;
	capture->pid = 4000;
	capture->tid = 4001;
	capture->program = xstrdup("/usr/bin/a program");
	capture->function = xstrdup("lzma_code");
	capture->module = xstrdup("/usr/lib/liblzma\xff.so.5");
	capture->backend = xstrdup("uffd");
	capture->end_kind = END_AT_RETURN;
	capture->begin = 0x555555556000;
	*vec_push(&capture->ends) = 0x555555557123;
	*vec_push(&capture->ends) = 0x555555557456;
	capture->reached_end = 0x555555557456;
	capture->rseq_address = 0x7ffff7d80000;
	capture->rseq_size = 32;
	capture->duration_ns = 123456789;
	fill_thread(&capture->entry, 1);
	fill_thread(&capture->end, 2);
	capture->auxv_size = 320;
	capture->auxv = xcalloc(1, capture->auxv_size);
	capture->auxv[5] = 77;
	add_mapping(capture, 0x555555554000, 0x555555559000, "/usr/bin/a program");
	add_mapping(capture, 0x7ffff7001000, 0x7ffff7f00000, "");
	add_mapping(capture, 0x7ffffffde000, 0x7ffffffff000, "[stack]");
	add_call(capture);
	capture_warn(capture, "something was %s", "odd");
	for (size_t i = 0; i < pages; i++) {
		uint8_t *before = memory + 2 * i * CHOP_PAGE_SIZE;
		struct capture_page page = {
			.address = 0x10000 + i * stride * CHOP_PAGE_SIZE,
			.flags = PAGE_READ | (i % 7 == 3 ? PAGE_WRITE : 0) |
				 (i % 5 == 1 ? PAGE_SUPPORT : 0) | (i % 11 < 3 ? PAGE_SHARED : 0),
			.before = before,
			.order = (uint32_t)(pages - i),
		};

		memset(before, (int)(i * 13 + 1), CHOP_PAGE_SIZE);
		memcpy(before, &i, sizeof(i));
		if (page.flags & PAGE_WRITE) {
			page.after = before + CHOP_PAGE_SIZE;
			memset(before + CHOP_PAGE_SIZE, (int)(i * 17 + 2), CHOP_PAGE_SIZE);
		}
		*vec_push(&capture->pages) = page;
	}
}

static void same_thread(const struct thread_state *a, const struct thread_state *b)
{
	assert_memory_equal(&a->regs, &b->regs, sizeof(a->regs));
	assert_int_equal(a->xstate_size, b->xstate_size);
	assert_memory_equal(a->xstate, b->xstate, a->xstate_size);
	assert_int_equal(a->sigmask, b->sigmask);
	assert_int_equal(a->altstack_address, b->altstack_address);
	assert_int_equal(a->altstack_size, b->altstack_size);
	assert_int_equal(a->altstack_flags, b->altstack_flags);
}

static void same_calls(const struct syslog *a, const struct syslog *b)
{
	assert_int_equal(a->events, b->events);
	assert_int_equal(a->payload.length, b->payload.length);
	assert_memory_equal(a->payload.data, b->payload.data, a->payload.length);
}

static void same_pages(const struct capture *a, const struct capture *b)
{
	assert_int_equal(a->pages.length, b->pages.length);
	for (size_t i = 0; i < a->pages.length; i++) {
		const struct capture_page *p = &a->pages.items[i], *q = &b->pages.items[i];

		assert_int_equal(p->address, q->address);
		assert_int_equal(p->flags, q->flags);
		assert_int_equal(p->order, q->order);
		assert_memory_equal(p->before, q->before, CHOP_PAGE_SIZE);
		assert_int_equal(!p->after, !q->after);
		if (p->after)
			assert_memory_equal(p->after, q->after, CHOP_PAGE_SIZE);
	}
}

static void same_maps(const struct capture *a, const struct capture *b)
{
	assert_int_equal(a->maps.length, b->maps.length);
	for (size_t i = 0; i < a->maps.length; i++) {
		const struct capture_mapping *p = &a->maps.items[i], *q = &b->maps.items[i];

		assert_int_equal(p->start, q->start);
		assert_int_equal(p->end, q->end);
		assert_int_equal(p->offset, q->offset);
		assert_int_equal(p->inode, q->inode);
		assert_int_equal(p->device_major, q->device_major);
		assert_int_equal(p->device_minor, q->device_minor);
		assert_int_equal(p->flags, q->flags);
		assert_string_equal(p->path, q->path);
	}
}

static void same_capture(const struct capture *a, const struct capture *b)
{
	assert_int_equal(a->id, b->id);
	assert_int_equal(a->invocation, b->invocation);
	assert_int_equal(a->pid, b->pid);
	assert_int_equal(a->tid, b->tid);
	assert_string_equal(a->program, b->program);
	assert_string_equal(a->function, b->function);
	assert_string_equal(a->module, b->module);
	assert_string_equal(a->backend, b->backend);
	assert_int_equal(a->end_kind, b->end_kind);
	assert_int_equal(a->begin, b->begin);
	assert_int_equal(a->ends.length, b->ends.length);
	assert_memory_equal(a->ends.items, b->ends.items, a->ends.length * sizeof(uint64_t));
	assert_int_equal(a->reached_end, b->reached_end);
	assert_int_equal(a->rseq_address, b->rseq_address);
	assert_int_equal(a->rseq_size, b->rseq_size);
	assert_int_equal(a->duration_ns, b->duration_ns);
	assert_memory_equal(a->cpu, b->cpu, sizeof(a->cpu));
	assert_int_equal(a->auxv_size, b->auxv_size);
	assert_memory_equal(a->auxv, b->auxv, a->auxv_size);
	assert_int_equal(a->warnings.length, b->warnings.length);
	assert_string_equal(a->warnings.items[0], b->warnings.items[0]);
	same_thread(&a->entry, &b->entry);
	same_thread(&a->end, &b->end);
	same_pages(a, b);
	same_calls(&a->calls, &b->calls);
	same_maps(a, b);
}

static char *write_one(const char *name, const struct capture *capture, enum member_form form)
{
	const struct tracedir_options options = {
		.command_line = "chop trace x",
		.program = "/usr/bin/a program",
		.form = form,
	};
	char *path = xstrdup(name);
	struct tracedir *dir;

	assert_int_equal(tracedir_create(path, &options, &dir), 0);
	assert_int_equal(tracedir_add(dir, capture), 0);
	assert_int_equal(tracedir_add(dir, capture), -EEXIST);
	assert_int_equal(tracedir_finish(dir, true, "interrupted by a signal"), 0);
	return path;
}

/* Read it back and compare; 0 or the error. */
static int read_back(const char *path, const struct capture *expected)
{
	/* Nothing from the directory may survive but what is equal to the original. */
	struct tracedir_index index;
	struct capture capture;
	int err = tracedir_open(path, &index);

	if (err)
		return err;
	err = tracedir_read(&index, expected->id, &capture);
	if (!err) {
		same_capture(expected, &capture);
		capture_release(&capture);
	}
	tracedir_index_release(&index);
	return err;
}

static void round_trip(const char *name, size_t pages, size_t stride, enum member_form form)
{
	cleanup_free char *path = NULL;
	struct capture capture;

	make_capture(&capture, 7, pages, stride);
	path = write_one(name, &capture, form);
	assert_int_equal(read_back(path, &capture), 0);
	capture_release(&capture);
}

static void test_round_trip(void **state)
{
	(void)state;
	round_trip("plain", 100, 1, MEMBER_PLAIN);
	round_trip("scattered", 100, 2, MEMBER_PLAIN);
	round_trip("zstd", 100, 2, MEMBER_ZSTD);
	round_trip("gz", 100, 2, MEMBER_GZIP);
	round_trip("empty", 0, 1, MEMBER_PLAIN);
	round_trip("one", 1, 1, MEMBER_ZSTD);
}

static void test_index(void **state)
{
	cleanup_free char *path = NULL;
	struct tracedir_index index;
	struct capture capture, other;

	(void)state;
	make_capture(&capture, 7, 20, 1);
	path = write_one("index", &capture, MEMBER_PLAIN);
	assert_int_equal(tracedir_open(path, &index), 0);
	assert_string_equal(index.path, path);
	assert_string_equal(index.program, "/usr/bin/a program");
	assert_string_equal(index.interrupted, "interrupted by a signal");
	assert_int_equal(index.captures.length, 1);
	assert_int_equal(index.captures.items[0].id, 7);
	assert_int_equal(index.captures.items[0].invocation, 73);
	assert_int_equal(index.captures.items[0].pages, 16);
	assert_int_equal(index.captures.items[0].written, 3);
	assert_string_equal(index.captures.items[0].function, "lzma_code");
	assert_int_equal(tracedir_read(&index, 3, &other), -ENOENT);
	assert_non_null(strstr(err_message(), "has no capture 3; it has 1, from 7 to 7"));
	tracedir_index_release(&index);
	capture_release(&capture);
}

/* What gzip made of a member is read as well. */
static void test_gzip(void **state)
{
	cleanup_free char *path = NULL, *command = NULL;
	struct capture capture;

	(void)state;
	make_capture(&capture, 7, 50, 2);
	path = write_one("gzip", &capture, MEMBER_PLAIN);
	command = xasprintf("gzip '%s'/7.*", path);
	if (system(command))
		skip_because("gzip is not installed");
	assert_int_equal(read_back(path, &capture), 0);
	capture_release(&capture);
}

static void test_empty_is_removed(void **state)
{
	static const char path[] = "nothing";
	const struct tracedir_options options = { .program = "x" };
	struct tracedir_index index;
	struct tracedir *dir;

	(void)state;
	assert_int_equal(tracedir_create(path, &options, &dir), 0);
	assert_int_equal(tracedir_open(path, &index), -ENOENT);
	assert_non_null(strstr(err_message(), "has no trace.json"));
	assert_int_equal(tracedir_finish(dir, true, NULL), 0);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(tracedir_create(path, &options, &dir), 0);
	assert_int_equal(tracedir_finish(dir, false, NULL), 0);
	assert_int_equal(tracedir_open(path, &index), 0);
	assert_int_equal(index.captures.length, 0);
	assert_null(index.interrupted);
	tracedir_index_release(&index);
	assert_int_equal(tracedir_create(path, &options, &dir), -EEXIST);
	assert_non_null(strstr(err_message(), "exists already"));
}

static void test_foreign(void **state)
{
	static const char file[] = "file", missing[] = "missing";
	struct tracedir_index index;
	FILE *out = fopen(file, "w");

	(void)state;
	fclose(out);
	assert_int_equal(tracedir_open(file, &index), -ENOTDIR);
	assert_int_equal(tracedir_open(missing, &index), -ENOENT);
	assert_int_equal(tracedir_open(".", &index), -ENOENT);
	assert_non_null(strstr(err_message(), "has no trace.json"));
}

static void change_byte(const char *path, size_t at, uint8_t mask)
{
	int fd = open(path, O_RDWR);
	uint8_t byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= mask;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
	close(fd);
}

static size_t size_of(const char *path)
{
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	return (size_t)status.st_size;
}

static void refused(const char *dir, const char *path, const struct capture *capture)
{
	assert_int_equal(read_back(dir, capture), -EBADMSG);
	assert_non_null(strstr(err_message(), path));
}

/*
 * Any flipped bit of a member, any shorter or longer member is refused - or, when it is
 * compressed, the contents are what they were: some bits of zstd mean nothing.
 */
static void damage(const char *dir, const char *name, const struct capture *capture)
{
	cleanup_free char *path = xasprintf("%s/%s", dir, name);
	size_t size = size_of(path), step = size / 61 + 1;
	cleanup_buf struct buf bytes = { 0 };
	int fd;

	for (size_t at = 0; at < size; at += step) {
		change_byte(path, at, (uint8_t)(1 << at % 8));
		if (!strstr(name, ".zst") || read_back(dir, capture))
			refused(dir, path, capture);
		change_byte(path, at, (uint8_t)(1 << at % 8));
	}
	assert_int_equal(read_back(dir, capture), 0);
	assert_int_equal(io_read_file(path, &bytes), 0);
	for (size_t at = 0; at < size; at += step) {
		assert_int_equal(truncate(path, (off_t)at), 0);
		assert_int_equal(read_back(dir, capture), -EBADMSG);
	}
	fd = open(path, O_WRONLY | O_TRUNC);
	assert_int_equal(io_write(fd, bytes.data, bytes.length), 0);
	assert_int_equal(read_back(dir, capture), 0);
	assert_int_equal(io_write(fd, "x", 1), 0);
	assert_int_equal(read_back(dir, capture), -EBADMSG);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	close(fd);
}

static void test_damaged_members(void **state)
{
	static const char *const names[] = { "core", "end.core", "maps", "first", "sys" };
	struct capture capture;

	(void)state;
	make_capture(&capture, 7, 9, 2);
	for (int compress = 0; compress < 2; compress++) {
		cleanup_free char *path = write_one(compress ? "damaged.z" : "damaged", &capture,
						    compress ? MEMBER_ZSTD : MEMBER_PLAIN);

		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			cleanup_free char *name =
				xasprintf("7.%s%s", names[i], compress ? ".zst" : "");

			damage(path, name, &capture);
		}
	}
	capture_release(&capture);
}

static void test_missing_member(void **state)
{
	cleanup_free char *path = NULL, *member = NULL;
	struct capture capture;

	(void)state;
	make_capture(&capture, 7, 9, 2);
	path = write_one("without", &capture, MEMBER_PLAIN);
	member = tracedir_member_path(path, 7, MEMBER_END);
	assert_int_equal(unlink(member), 0);
	assert_int_equal(read_back(path, &capture), -ENOENT);
	assert_non_null(strstr(err_message(), "7.end.core is missing"));
	capture_release(&capture);
}

/* A flip in the index is refused, or it was in a text that nothing depends on. */
static void test_damaged_index(void **state)
{
	cleanup_free char *path = NULL, *index = NULL;
	struct capture capture;
	size_t size;

	(void)state;
	make_capture(&capture, 7, 9, 2);
	path = write_one("badindex", &capture, MEMBER_PLAIN);
	index = xasprintf("%s/trace.json", path);
	size = size_of(index);
	for (size_t at = 0; at < size; at++) {
		struct tracedir_index got;
		struct capture read;

		change_byte(index, at, 1);
		if (!tracedir_open(path, &got)) {
			if (got.captures.length &&
			    !tracedir_read(&got, got.captures.items[0].id, &read)) {
				same_pages(&capture, &read);
				capture_release(&read);
			}
			tracedir_index_release(&got);
		}
		change_byte(index, at, 1);
	}
	for (size_t at = 0; at < size - 2; at += 7) {
		struct tracedir_index got;

		assert_int_equal(truncate(index, (off_t)(size - 2 - at)), 0);
		assert_int_equal(tracedir_open(path, &got), -EBADMSG);
		assert_non_null(strstr(err_message(), "trace.json"));
	}
	capture_release(&capture);
}

/* Members of two captures mixed up, with the right sums. */
static void test_mixed(void **state)
{
	static const char path[] = "mixed";
	cleanup_free char *command = NULL;
	const struct tracedir_options options = { .program = "x" };
	struct capture a, b;
	struct tracedir *dir;

	(void)state;
	make_capture(&a, 7, 9, 2);
	make_capture(&b, 8, 9, 2);
	assert_int_equal(tracedir_create(path, &options, &dir), 0);
	assert_int_equal(tracedir_add(dir, &a), 0);
	assert_int_equal(tracedir_add(dir, &b), 0);
	assert_int_equal(tracedir_finish(dir, true, NULL), 0);
	assert_int_equal(read_back(path, &b), 0);
	/* Exchange the names under which the index knows the two. */
	command = xasprintf(
		"cd '%s' && sed -i 's/\"id\": 7/\"id\": 9/; s/\"id\": 8/\"id\": 7/; "
		"s/\"id\": 9/\"id\": 8/' trace.json && for f in core end.core maps first; do "
		"mv 7.$f x; mv 8.$f 7.$f; mv x 8.$f; done",
		path);
	assert_int_equal(system(command), 0);
	assert_int_equal(read_back(path, &b), -EBADMSG);
	assert_non_null(strstr(err_message(), "is not what the capture holds"));
	capture_release(&a);
	capture_release(&b);
}

/* The file size limit stands for a full disk: writing fails in the middle. */
static void test_disk_full(void **state)
{
	static const char path[] = "full";
	cleanup_free char *core = NULL;
	const struct tracedir_options options = { .program = "x" };
	struct rlimit was, limit;
	struct tracedir_index index;
	struct capture small, large;
	struct tracedir *dir;

	(void)state;
	make_capture(&small, 0, 9, 2);
	make_capture(&large, 1, 1000, 2);
	assert_int_equal(tracedir_create(path, &options, &dir), 0);
	assert_int_equal(tracedir_add(dir, &small), 0);
	getrlimit(RLIMIT_FSIZE, &was);
	limit = (struct rlimit){ .rlim_cur = 300000, .rlim_max = was.rlim_max };
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(tracedir_add(dir, &large), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	core = tracedir_member_path(path, 1, MEMBER_CORE);
	assert_non_null(strstr(err_message(), core));
	assert_int_equal(access(core, F_OK), -1);
	assert_int_equal(tracedir_finish(dir, true, "disk full"), 0);
	assert_int_equal(tracedir_open(path, &index), 0);
	assert_int_equal(index.captures.length, 1);
	tracedir_index_release(&index);
	assert_int_equal(read_back(path, &small), 0);
	capture_release(&small);
	capture_release(&large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_index),
		cmocka_unit_test(test_gzip),	       cmocka_unit_test(test_empty_is_removed),
		cmocka_unit_test(test_foreign),	       cmocka_unit_test(test_damaged_members),
		cmocka_unit_test(test_missing_member), cmocka_unit_test(test_damaged_index),
		cmocka_unit_test(test_mixed),	       cmocka_unit_test(test_disk_full),
	};

	return cmocka_run_group_tests(tests, enter_test_directory, leave_test_directory);
}
