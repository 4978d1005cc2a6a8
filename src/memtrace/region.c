// SPDX-License-Identifier: Apache-2.0
#include "memtrace/region.h"

#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"

#define ARCH_REQ_XCOMP_PERM 0x1023
#define XFEATURE_TILEDATA   18
#define XSTATE_BV	    512
#define BREAKPOINT	    0xcc

void region_say(struct region *region, const char *fmt, ...)
{
	va_list args;

	if (region->report->text[0])
		return;
	va_start(args, fmt);
	vsnprintf(region->report->text, REGION_TEXT, fmt, args);
	va_end(args);
}

/* ---- pages */

/*
 * Where the kernel would put a page of its own as soon as this process hits somebody's uprobe,
 * and where programs without randomisation have their stack. Held from the first moment on;
 * no function of the C library before that, it may have the uprobe in it.
 */
#define TOP_PAGE (CHOP_TASK_END - CHOP_PAGE_SIZE)

static void hold_top_page(void)
{
	register long flags __asm__("r10") = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
	register long fd __asm__("r8") = -1;
	register long offset __asm__("r9") = 0;
	uint64_t result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(SYS_mmap), "D"(TOP_PAGE), "S"(CHOP_PAGE_SIZE), "d"(PROT_NONE),
			   "r"(flags), "r"(fd), "r"(offset)
			 : "rcx", "r11", "memory");
	(void)result; /* if it is taken, mapping the region tells */
}

static bool in_one_mapping(const struct capture_page *a, const struct capture_page *b)
{
	return a->address + CHOP_PAGE_SIZE == b->address &&
	       !((a->flags ^ b->flags) & (PAGE_READ | PAGE_WRITE | PAGE_EXECUTE));
}

/* Adjacent pages of one protection. Never executable: only their translation runs. */
static int map_run(const struct capture_page *first, const struct capture_page *end)
{
	size_t size = (size_t)(end - first) * CHOP_PAGE_SIZE;
	void *at = (void *)(uintptr_t)first->address;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE;
	int protection = PROT_READ;

	if (end[-1].address == TOP_PAGE) /* held for it */
		flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
	if (mmap(at, size, PROT_READ | PROT_WRITE, flags, -1, 0) != at)
		return err_sys(CHOP_MISSING, errno, "cannot map %zu KB at %#lx", size / 1024,
			       first->address);
	for (const struct capture_page *page = first; page < end; page++)
		memcpy((void *)(uintptr_t)page->address, page->before, CHOP_PAGE_SIZE);
	/* what can be executed only is read by the translator */
	if (!(first->flags & (PAGE_READ | PAGE_EXECUTE)))
		protection = PROT_NONE;
	if (!(first->flags & PAGE_WRITE) && mprotect(at, size, protection))
		return err_sys(CHOP_MISSING, errno, "cannot protect %#lx", first->address);
	return 0;
}

static int map_pages(const struct capture *capture)
{
	const struct capture_page *pages = capture->pages.items;
	const struct capture_page *end = pages + capture->pages.length;
	int error = 0;

	while (pages < end && !error) {
		const struct capture_page *next = pages + 1;

		while (next < end && in_one_mapping(next - 1, next))
			next++;
		error = map_run(pages, next);
		pages = next;
	}
	return error;
}

/* ---- code */

/*
 * A breakpoint that is not the program's: of another process' uprobe, say, on a page of a
 * file that everybody maps. The file knows better.
 */
static void restore_breakpoint(const struct capture *capture, uint64_t pc, uint8_t *code)
{
	const struct capture_mapping *mapping = capture_mapping_at(capture, pc);
	cleanup_close int fd = -1;
	uint8_t byte;

	if (code[0] != BREAKPOINT || !mapping || !mapping->path || mapping->path[0] != '/')
		return;
	fd = open(mapping->path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && !io_pread(fd, &byte, 1, pc - mapping->start + mapping->offset))
		code[0] = byte;
}

/* process_vm_readv: what is not mapped is an error, not a fault. Bytes that are there. */
static size_t read_memory(uint64_t address, uint8_t *bytes, size_t size)
{
	size_t in_page = CHOP_PAGE_SIZE - address % CHOP_PAGE_SIZE;
	struct iovec local = { bytes, size };
	struct iovec remote[2] = { { (void *)(uintptr_t)address, size },
				   { (void *)(uintptr_t)(address + in_page), 0 } };
	ssize_t got;

	if (in_page < size) {
		remote[0].iov_len = in_page;
		remote[1].iov_len = size - in_page;
	}
	got = process_vm_readv(getpid(), &local, 1, remote, in_page < size ? 2 : 1, 0);
	return got > 0 ? (size_t)got : 0;
}

/* While a block is translated its code cannot change: several instructions are read at once. */
static size_t read_code(void *context, uint64_t pc, uint8_t *code, size_t size)
{
	struct region *region = context;
	struct code_ahead *ahead = &region->ahead;

	if (ahead->block != region->tables->nblocks || pc < ahead->address ||
	    pc + size > ahead->address + ahead->size) {
		ahead->block = region->tables->nblocks;
		ahead->address = pc;
		ahead->size = read_memory(pc, ahead->bytes, sizeof(ahead->bytes));
	}
	if (size > ahead->address + ahead->size - pc)
		size = ahead->address + ahead->size - pc;
	memcpy(code, ahead->bytes + (pc - ahead->address), size);
	if (size)
		restore_breakpoint(region->capture, pc, code);
	return size;
}

/* ---- running */

static bool same_registers(const struct chop_regs *end, const uint64_t regs[16])
{
	const uint64_t wanted[16] = {
		end->rax, end->rcx, end->rdx, end->rbx, end->rsp, end->rbp, end->rsi, end->rdi,
		end->r8,  end->r9,  end->r10, end->r11, end->r12, end->r13, end->r14, end->r15,
	};

	return !memcmp(regs, wanted, sizeof(wanted));
}

static bool is_end(void *context, uint64_t pc, const uint64_t regs[16])
{
	const struct region *region = context;
	const struct capture *c = region->capture;
	const struct chop_event *event;
	struct chop_event_parts parts;

	switch (c->end_kind) {
	case END_AT_RETURN:
		return regs[4] > arch_sp(&c->entry.regs);
	case END_AT_STATE:
		/* A loop of calls may come by with the same registers: the last call tells. */
		event = region_next_event(region, &parts);
		return pc == c->reached_end && (!event || event->kind == CHOP_EVENT_MEMORY) &&
		       same_registers(&c->end.regs, regs);
	case END_AT_ADDRESS:
		break;
	}
	return true;
}

/* Leave free what the program had mapped, touched or not: it may map there again. */
static bool in_use(void *context, uint64_t start, uint64_t end)
{
	const struct region *region = context;
	const struct capture_mapping_vec *maps = &region->capture->maps;

	for (size_t i = 0; i < maps->length; i++) {
		if (maps->items[i].start < end + (64UL << 20) &&
		    maps->items[i].end + (1UL << 20) > start)
			return true;
	}
	for (size_t i = 0; i < region->planned.length; i++) {
		if (region->planned.items[i].start < end && region->planned.items[i].end > start)
			return true;
	}
	return false;
}

static void add_span(void *context, uint64_t start, uint64_t end, const char *name)
{
	struct region *region = context;

	(void)name;
	if (start == TOP_PAGE)
		return; /* held for the region */
	*vec_push(&region->ours) = (struct span){ start, end };
}

/* The entry's extended state, 64-byte aligned; tiles need the kernel's permission. */
static uint8_t *entry_xstate(const struct capture *capture)
{
	size_t size = capture->entry.xstate_size;
	uint8_t *copy = page_alloc(CHOP_XSTATE_MAX);
	uint64_t components;

	if (!copy || size < XSTATE_BV + 64 || size > CHOP_XSTATE_MAX)
		return NULL;
	memcpy(copy, capture->entry.xstate, size);
	memcpy(&components, copy + XSTATE_BV, sizeof(components));
	if (components >> XFEATURE_TILEDATA & 1)
		syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_TILEDATA);
	return copy;
}

/* None but what the code causes: the thread pointer is the region's while it runs. */
static void block_signals(void)
{
	sigset_t mask;

	sigfillset(&mask);
	sigdelset(&mask, SIGSEGV);
	sigdelset(&mask, SIGBUS);
	sigdelset(&mask, SIGILL);
	sigdelset(&mask, SIGFPE);
	sigdelset(&mask, SIGTRAP);
	sigdelset(&mask, SIGSYS);
	sigprocmask(SIG_SETMASK, &mask, NULL);
}

static uint64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void run(struct region *region, struct engine *engine)
{
	const struct capture *c = region->capture;
	uint8_t *xstate = entry_xstate(c);
	uint64_t cpu;

	if (!xstate) {
		region_say(region, "the capture has no extended state");
		return;
	}
	region->report->started = true;
	region->engine = engine;
	block_signals();
	region->report->begin_ns = now(CLOCK_MONOTONIC);
	cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	engine_run(engine, &c->entry.regs, xstate, c->entry.xstate_size, &region->report->stop);
	region->report->cpu_ns = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	if (region->report->stop.result == ENGINE_END)
		region_judge(region, engine);
	else
		region_say(region, "%s", region->report->stop.reason);
}

void region_run(const struct capture *capture, struct ring *ring, struct mem_tables *tables,
		struct region_report *report)
{
	struct region region = {
		.capture = capture, .tables = tables, .report = report, .ring = ring
	};
	struct engine_config config = { .ring = ring,
					.tables = tables,
					.ends = capture->ends.items,
					.nends = capture->ends.length,
					.context = &region,
					.read_code = read_code,
					.is_end = is_end,
					.system_call = region_system_call,
					.trapped = region_trapped,
					.trap_tsc = region_has(capture, CHOP_EVENT_TSC),
					.trap_cpuid = region_has(capture, CHOP_EVENT_CPUID),
					.refused = region_refused,
					.parked = region_parked,
					.fault = region_fault,
					.in_use = in_use };
	struct engine *engine;
	int error;

	hold_top_page();
	region_plan(capture, &region.planned);
	error = layout_read(add_span, &region);
	if (!error)
		error = map_pages(capture);
	if (!error)
		error = region_map_shared(capture);
	if (!error)
		error = engine_create(&config, &engine);
	if (error) {
		region_say(&region, "%s", err_message());
		ring_finish(ring);
		return;
	}
	run(&region, engine);
	if (!report->started)
		ring_finish(ring);
}
