/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Captures made by hand, to test snippets without the capture code: a child process gets
 * the pages and registers a test asks for, runs natively to the end address under ptrace,
 * and what it holds then is the recorded end.
 */
#ifndef SNIPPET_FIXTURE_H
#define SNIPPET_FIXTURE_H

#include <elf.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "snippet/snippet.h"
#include "test.h"

#define CODE   0x10000000ull
#define CALLER 0x10008000ull /* where the region returns to */
#define DATA   0x20000000ull /* two pages, read-write */
#define CONST  0x20010000ull /* one page, read-only */
#define TLS    0x30000000ull
#define STACK  0x7ffffffde000ull /* where kernels put stacks: two pages */

#define FIXTURE_OCCUPIED 99

struct fixture_page {
	uint64_t address;
	int protection;
	uint8_t content[CHOP_PAGE_SIZE];
};

struct fixture_map {
	uint64_t start, end;
	int protection;
};

struct fixture {
	VEC(struct fixture_page) pages;
	VEC(struct fixture_map) maps; /* mappings that pages lie in; others are made for them */
	struct chop_regs regs;	      /* cs, ss are filled in */
	uint64_t end;		      /* default: CALLER */
	enum end_kind end_kind;
	bool step;	 /* single-step instead of a breakpoint at the end */
	uint8_t *xstate; /* NT_X86_XSTATE to start with; NULL for what the child has */
	size_t xstate_size;
	void (*prepare)(void); /* in the child, before it stops; or NULL */
};

static inline uint8_t *fixture_page(struct fixture *f, uint64_t address, int protection)
{
	struct fixture_page *page = vec_push(&f->pages);

	memset(page->content, 0, sizeof(page->content));
	page->address = address;
	page->protection = protection;
	return page->content;
}

/* Code, stack, data and constants; the region is `code`, called with rdi = DATA. */
static inline void fixture_init(struct fixture *f, const void *code, const void *code_end)
{
	uint64_t caller = CALLER;

	*f = (struct fixture){ .end = CALLER, .end_kind = END_AT_RETURN };
	memcpy(fixture_page(f, CODE, PROT_READ | PROT_EXEC), code,
	       (size_t)((const uint8_t *)code_end - (const uint8_t *)code));
	memset(fixture_page(f, CALLER, PROT_READ | PROT_EXEC), 0x90, CHOP_PAGE_SIZE);
	for (uint64_t i = 0; i < 2; i++) {
		uint8_t *page = fixture_page(f, DATA + i * CHOP_PAGE_SIZE, PROT_READ | PROT_WRITE);

		for (int k = 0; k < CHOP_PAGE_SIZE; k++)
			page[k] = (uint8_t)(k * 7 + k / 256);
	}
	memset(fixture_page(f, CONST, PROT_READ), 0x5a, CHOP_PAGE_SIZE);
	fixture_page(f, STACK, PROT_READ | PROT_WRITE);
	memcpy(fixture_page(f, STACK + CHOP_PAGE_SIZE, PROT_READ | PROT_WRITE) + 0xf00, &caller, 8);
	f->regs.rip = CODE;
	f->regs.rsp = STACK + CHOP_PAGE_SIZE + 0xf00;
	f->regs.rdi = DATA;
	f->regs.rsi = CONST;
	f->regs.rbx = 0x1122334455667788;
}

static inline void fixture_release(struct fixture *f)
{
	vec_release(&f->pages);
	vec_release(&f->maps);
	free(f->xstate);
}

/* -- the child ------------------------------------------------------------------------- */

static inline long fixture_exit(int status)
{
	return syscall(SYS_exit_group, status);
}

static inline void fixture_mmap(uint64_t start, uint64_t size)
{
	void *got = mmap((void *)start, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0);

	if (got != (void *)start)
		fixture_exit(FIXTURE_OCCUPIED);
}

static inline void fixture_child(const struct fixture *f)
{
	for (size_t i = 0; i < f->maps.length; i++)
		fixture_mmap(f->maps.items[i].start, f->maps.items[i].end - f->maps.items[i].start);
	for (size_t i = 0; i < f->pages.length; i++)
		memcpy((void *)f->pages.items[i].address, f->pages.items[i].content,
		       CHOP_PAGE_SIZE);
	for (size_t i = 0; i < f->maps.length; i++) {
		if (mprotect((void *)f->maps.items[i].start,
			     f->maps.items[i].end - f->maps.items[i].start,
			     f->maps.items[i].protection))
			fixture_exit(97);
	}
	if (f->prepare)
		f->prepare();
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	kill(getpid(), SIGSTOP);
	fixture_exit(98);
}

static inline void fixture_get(pid_t pid, struct thread_state *state)
{
	struct iovec io = { .iov_base = xcalloc(1, CHOP_XSTATE_MAX), .iov_len = CHOP_XSTATE_MAX };

	assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, &state->regs), 0);
	assert_int_equal(ptrace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &io), 0);
	state->xstate = io.iov_base;
	state->xstate_size = io.iov_len;
}

static inline void fixture_set(pid_t pid, const struct fixture *f)
{
	struct chop_regs regs, wanted = f->regs;

	assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, &regs), 0);
	wanted.cs = regs.cs;
	wanted.ss = regs.ss;
	wanted.eflags |= 0x202;
	wanted.orig_rax = ~0ull;
	wanted.fs_base = f->regs.fs_base ? f->regs.fs_base : regs.fs_base;
	assert_int_equal(ptrace(PTRACE_SETREGS, pid, NULL, &wanted), 0);
	if (f->xstate) {
		struct iovec io = { .iov_base = f->xstate, .iov_len = f->xstate_size };

		assert_int_equal(ptrace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, &io), 0);
	}
}

static inline void fixture_peek(pid_t pid, uint64_t address, uint8_t *page)
{
	struct iovec to = { page, CHOP_PAGE_SIZE }, from = { (void *)address, CHOP_PAGE_SIZE };

	assert_int_equal(process_vm_readv(pid, &to, 1, &from, 1, 0), CHOP_PAGE_SIZE);
}

static inline void fixture_resume(pid_t pid, enum __ptrace_request request, struct chop_regs *regs)
{
	int status;

	assert_int_equal(ptrace(request, pid, NULL, NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(WSTOPSIG(status), SIGTRAP);
	assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, regs), 0);
}

/* pushf sees the trap flag of a single step: take it out again. */
static inline void fixture_one_step(pid_t pid, struct chop_regs *regs)
{
	bool pushf;

	assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, regs), 0);
	pushf = (ptrace(PTRACE_PEEKTEXT, pid, regs->rip, NULL) & 0xff) == 0x9c;
	fixture_resume(pid, PTRACE_SINGLESTEP, regs);
	if (pushf)
		ptrace(PTRACE_POKEDATA, pid, regs->rsp,
		       ptrace(PTRACE_PEEKDATA, pid, regs->rsp, NULL) & ~0x100l);
}

/* Step until the end address with the stack pointer above the entry's. */
static inline void fixture_step(pid_t pid, const struct fixture *f)
{
	struct chop_regs regs;

	do
		fixture_one_step(pid, &regs);
	while (regs.rip != f->end || (f->end_kind == END_AT_RETURN && regs.rsp <= f->regs.rsp));
}

static inline void fixture_run(pid_t pid, const struct fixture *f)
{
	struct chop_regs regs;
	long word;

	if (f->step) {
		fixture_step(pid, f);
		return;
	}
	word = ptrace(PTRACE_PEEKTEXT, pid, f->end, NULL);
	ptrace(PTRACE_POKETEXT, pid, f->end, (word & ~0xffl) | 0xcc);
	fixture_resume(pid, PTRACE_CONT, &regs);
	assert_int_equal(regs.rip, f->end + 1);
	regs.rip--;
	ptrace(PTRACE_SETREGS, pid, NULL, &regs);
	ptrace(PTRACE_POKETEXT, pid, f->end, word);
}

static inline void fixture_pages(pid_t pid, const struct fixture *f, struct capture *capture)
{
	uint8_t *memory = capture_arena(capture, f->pages.length * 2 * CHOP_PAGE_SIZE);

	for (size_t i = 0; i < f->pages.length; i++, memory += 2 * CHOP_PAGE_SIZE) {
		const struct fixture_page *page = &f->pages.items[i];

		memcpy(memory, page->content, CHOP_PAGE_SIZE);
		fixture_peek(pid, page->address, memory + CHOP_PAGE_SIZE);
		*vec_push(&capture->pages) = (struct capture_page){
			.address = page->address,
			.flags = (uint32_t)page->protection, /* PROT_ and PAGE_ agree */
			.before = memory,
			.after = memcmp(memory, memory + CHOP_PAGE_SIZE, CHOP_PAGE_SIZE)
					 ? memory + CHOP_PAGE_SIZE
					 : NULL,
		};
	}
	capture_sort(capture);
}

/* A mapping for each page that is not in one yet. */
static inline void fixture_add_maps(struct fixture *f)
{
	for (size_t i = 0; i < f->pages.length; i++) {
		const struct fixture_page *page = &f->pages.items[i];
		bool inside = false;

		for (size_t k = 0; k < f->maps.length && !inside; k++)
			inside = page->address >= f->maps.items[k].start &&
				 page->address < f->maps.items[k].end;
		if (!inside)
			*vec_push(&f->maps) =
				(struct fixture_map){ page->address, page->address + CHOP_PAGE_SIZE,
						      page->protection };
	}
}

static inline void fixture_maps(const struct fixture *f, struct capture *capture)
{
	for (size_t i = 0; i < f->maps.length; i++)
		*vec_push(&capture->maps) = (struct capture_mapping){
			.start = f->maps.items[i].start,
			.end = f->maps.items[i].end,
			.flags = (uint32_t)f->maps.items[i].protection,
			.path = xstrdup(f->maps.items[i].start >= STACK ? "[stack]" : ""),
		};
}

static inline int by_map(const void *a, const void *b)
{
	const struct fixture_map *left = a, *right = b;

	return (left->start > right->start) - (left->start < right->start);
}

static inline int by_page(const void *a, const void *b)
{
	const struct fixture_page *left = a, *right = b;

	return (left->address > right->address) - (left->address < right->address);
}

/* Run natively and record. */
static inline void fixture_capture(struct fixture *f, struct capture *capture)
{
	pid_t pid;
	int status;

	vec_sort(&f->pages, by_page);
	fixture_add_maps(f);
	vec_sort(&f->maps, by_map);
	pid = fork();
	if (!pid)
		fixture_child(f);
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == FIXTURE_OCCUPIED) {
		fixture_release(f);
		skip_because("an address the test needs is taken (by a sanitizer?)");
	}
	assert_true(WIFSTOPPED(status));
	capture_init(capture);
	fixture_set(pid, f);
	fixture_get(pid, &capture->entry);
	fixture_run(pid, f);
	fixture_get(pid, &capture->end);
	fixture_maps(f, capture);
	fixture_pages(pid, f, capture);
	capture->program = xstrdup("/fixture");
	capture->function = xstrdup("region");
	capture->begin = f->regs.rip;
	*vec_push(&capture->ends) = f->end;
	capture->reached_end = f->end;
	capture->end_kind = f->end_kind;
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

/* -- running ----------------------------------------------------------------------------- */

/* Build, run with arguments and compare status and the first line's beginning. */
static inline void expect_run(const struct capture *capture, const struct snippet_options *options,
			      const char *const *arguments, enum chop_status status,
			      const char *contains)
{
	struct snippet_result result = { 0 };
	int fd = snippet_in_memory(capture, options, NULL);

	assert_true(fd >= 0);
	assert_int_equal(snippet_run(fd, "region.0", arguments, &result), 0);
	close(fd);
	if (result.status != status || !strstr(buf_text(&result.output), contains)) {
		print_error("expected status %d and \"%s\", got %d:\n%s", status, contains,
			    result.status, buf_text(&result.output));
		fail();
	}
	snippet_result_release(&result);
}

#endif
