// SPDX-License-Identifier: Apache-2.0
/*
 * `mem_oracle DIR ID INSTRUCTIONS`: is the memory trace of a capture what the processor did?
 * Steps through the captured region, natively and one instruction at a time under ptrace, and
 * computes every access from the registers before it, as the unit tests' oracle does; compares
 * record for record with what chop mem wrote for the same capture (DIR/ID.mem). System calls
 * give what was recorded. Not a timed figure: it is here as it needs the library, and minutes.
 */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "../tests/unit/memtrace_oracle.h"

#include "base/alloc.h"
#include "base/err.h"
#include "memtrace/memtrace.h"
#include "store/tracedir.h"

#define XSAVE_MAX 16384

struct stepping {
	struct capture *capture;
	pid_t pid;
	uint64_t log; /* offset of the next recorded call */
	uint64_t instructions;
	greg_t g[NGREG];
	uint8_t xsave[XSAVE_MAX];
	const char *end; /* why it ended */
};

static int map_run(const struct capture_page *page)
{
	void *at = (void *)(uintptr_t)page->address;
	int prot = PROT_READ | (page->flags & PAGE_WRITE ? PROT_WRITE : 0) |
		   (page->flags & PAGE_EXECUTE ? PROT_EXEC : 0);

	if (mmap(at, CHOP_PAGE_SIZE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != at)
		return -errno;
	memcpy(at, page->before, CHOP_PAGE_SIZE);
	return mprotect(at, CHOP_PAGE_SIZE, prot) ? -errno : 0;
}

/* Pages, then stop: the rest is set from outside. */
static void become_region(const struct capture *capture)
{
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	for (size_t i = 0; i < capture->pages.length; i++) {
		if (map_run(&capture->pages.items[i]))
			_exit(1);
	}
	raise(SIGSTOP);
	_exit(2);
}

static int start(struct stepping *s)
{
	struct chop_regs regs = s->capture->entry.regs;
	struct iovec xstate = { s->capture->entry.xstate, s->capture->entry.xstate_size };
	int status;

	s->pid = fork();
	if (!s->pid)
		become_region(s->capture);
	if (waitpid(s->pid, &status, 0) != s->pid || !WIFSTOPPED(status))
		return -EFAULT;
	regs.orig_rax = UINT64_MAX;
	if (ptrace(PTRACE_SETREGS, s->pid, NULL, &regs) ||
	    ptrace(PTRACE_SETREGSET, s->pid, (void *)NT_X86_XSTATE, &xstate))
		return -errno;
	return 0;
}

static bool copy(pid_t pid, uint64_t address, void *to, size_t size)
{
	struct iovec local = { to, size }, remote = { (void *)(uintptr_t)address, size };

	return process_vm_readv(pid, &local, 1, &remote, 1, 0) == (ssize_t)size;
}

static bool put(pid_t pid, uint64_t address, const void *from, size_t size)
{
	struct iovec local = { (void *)(uintptr_t)from, size };
	struct iovec remote = { (void *)(uintptr_t)address, size };

	return process_vm_writev(pid, &local, 1, &remote, 1, 0) == (ssize_t)size;
}

static void convert(struct stepping *s, const struct chop_regs *r)
{
	const uint64_t values[] = {
		r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp, r->rsi, r->rdi,
		r->r8,	r->r9,	r->r10, r->r11, r->r12, r->r13, r->r14, r->r15
	};

	for (size_t i = 0; i < 16; i++)
		s->g[oracle_greg[i]] = (greg_t)values[i];
	s->g[REG_RIP] = (greg_t)r->rip;
	s->g[REG_EFL] = (greg_t)r->eflags;
	oracle_fs = r->fs_base;
	oracle_gs = r->gs_base;
}

/* Have the stopped region make a call: rip is at a syscall instruction. */
static bool inject(struct stepping *s, const struct chop_regs *regs, long number,
		   const uint64_t args[6])
{
	struct chop_regs call = *regs;
	int status;

	call.rax = (uint64_t)number;
	call.rdi = args[0];
	call.rsi = args[1];
	call.rdx = args[2];
	call.r10 = args[3];
	call.r8 = args[4];
	call.r9 = args[5];
	return !ptrace(PTRACE_SETREGS, s->pid, NULL, &call) &&
	       !ptrace(PTRACE_SINGLESTEP, s->pid, NULL, NULL) &&
	       waitpid(s->pid, &status, 0) == s->pid && WIFSTOPPED(status);
}

static bool map_fresh(struct stepping *s, const struct chop_regs *regs, uint64_t start,
		      uint64_t size, uint64_t prot)
{
	const uint64_t args[6] = { start,      size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				   UINT64_MAX, 0 };

	return !size || inject(s, regs, SYS_mmap, args);
}

/* Calls that arrange memory are made again, where they were. */
static bool arrange(struct stepping *s, const struct chop_regs *regs,
		    const struct chop_event *event)
{
	const uint64_t *a = event->args;
	uint64_t before = event->extra[0], after = event->extra[1];
	uint64_t result = (uint64_t)event->result;
	uint64_t move[6] = { a[0], a[1], a[2], MREMAP_MAYMOVE | MREMAP_FIXED, result, 0 };

	if (event->result < 0 && event->result >= -4095)
		return true;
	switch (event->number) {
	case SYS_mmap:
		return map_fresh(s, regs, result, a[1], a[2] | PROT_WRITE);
	case SYS_brk:
		if (after > before)
			return map_fresh(s, regs, before, after - before, PROT_READ | PROT_WRITE);
		return true;
	case SYS_mremap:
		if (result == a[0])
			move[3] = move[4] = 0;
		return inject(s, regs, SYS_mremap, move);
	case SYS_munmap:
	case SYS_madvise:
	case SYS_mprotect:
		return inject(s, regs, event->number, a);
	default:
		s->end = "a call that cannot be made again";
		return false;
	}
}

/* The call is not made; its recorded effects are. */
static bool give_recorded(struct stepping *s, struct chop_regs *regs)
{
	const struct syslog *log = &s->capture->calls;
	struct chop_event_parts parts;
	const struct chop_event *event = chop_event_next((const uint8_t *)log->payload.data,
							 log->payload.length, &s->log, &parts);
	const struct chop_event_range *range;

	if (!event || event->kind != CHOP_EVENT_CALL || event->flags & CHOP_EVENT_LAST) {
		s->end = "the last call, or a signal";
		return false;
	}
	if (event->flags & CHOP_EVENT_EXECUTE && !arrange(s, regs, event))
		return false;
	range = (const void *)parts.writes;
	for (uint32_t i = 0; i < event->writes; i++) {
		put(s->pid, range->address, range + 1, range->size);
		range = chop_event_write_after(range);
	}
	regs->rip += 2;
	regs->rcx = regs->rip;
	regs->r11 = regs->eflags & ~0x100UL;
	regs->rax = (uint64_t)event->result;
	regs->orig_rax = UINT64_MAX;
	return !ptrace(PTRACE_SETREGS, s->pid, NULL, regs);
}

static bool needs_xstate(const struct oracle_step *step)
{
	return step->in.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX ||
	       step->in.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX ||
	       step->in.mnemonic == ZYDIS_MNEMONIC_MASKMOVDQU ||
	       step->in.mnemonic == ZYDIS_MNEMONIC_MASKMOVQ;
}

/* xrstor looks into its operand, which is in the other process. */
static void restore_area(struct stepping *s, const struct oracle_step *step)
{
	uint64_t address = oracle_segment(step, &step->op[0], oracle_address(step, &step->op[0]));
	uint8_t area[576];

	if (copy(s->pid, address, area, sizeof(area)))
		oracle_add((uint64_t)s->g[REG_RIP], CHOP_MEM_READ, address,
			   oracle_xsave_size(step, "xrstor", (uintptr_t)area));
}

static bool one(struct stepping *s)
{
	struct oracle_step step = { .g = s->g, .xsave = s->xsave };
	struct iovec xstate = { s->xsave, sizeof(s->xsave) };
	struct chop_regs regs;
	uint8_t code[15];
	uint64_t ip;
	int status;

	if (ptrace(PTRACE_GETREGS, s->pid, NULL, &regs))
		return false;
	convert(s, &regs);
	ip = regs.rip;
	memset(code, 0x90, sizeof(code));
	if (!copy(s->pid, ip, code, sizeof(code)))
		copy(s->pid, ip, code, CHOP_PAGE_SIZE - ip % CHOP_PAGE_SIZE);
	if (ZYAN_FAILED(ZydisDecoderDecodeFull(&oracle_decoder, code, 15, &step.in, step.op))) {
		s->end = "code that is none";
		return false;
	}
	if (needs_xstate(&step))
		ptrace(PTRACE_GETREGSET, s->pid, (void *)NT_X86_XSTATE, &xstate);
	if (ip != oracle_last_ip || step.in.meta.category != ZYDIS_CATEGORY_STRINGOP) {
		oracle_add(ip, CHOP_MEM_FETCH, ip, step.in.length);
		s->instructions++;
	}
	oracle_last_ip = ip;
	if (!strncmp(ZydisMnemonicGetString(step.in.mnemonic), "xrstor", 6))
		restore_area(s, &step);
	else
		oracle_accesses(&step);
	if (step.in.mnemonic == ZYDIS_MNEMONIC_SYSCALL)
		return give_recorded(s, &regs);
	ptrace(PTRACE_SINGLESTEP, s->pid, NULL, NULL);
	if (waitpid(s->pid, &status, 0) != s->pid || !WIFSTOPPED(status) ||
	    WSTOPSIG(status) != SIGTRAP) {
		s->end = "a fault";
		return false;
	}
	return true;
}

static void describe(const char *who, const struct chop_mem_record *r)
{
	printf("  %s: ip %#" PRIx64 " kind %u address %#" PRIx64 " size %u\n", who, r->ip, r->kind,
	       r->address, r->size);
}

static int compare(const char *path)
{
	struct chop_mem_reader *reader;
	struct chop_mem_record record;

	if (chop_mem_open(path, 0, &reader)) {
		printf("%s\n", chop_mem_error(reader));
		return 2;
	}
	chop_mem_select(reader, ~0U);
	for (size_t i = 0; i < oracle->count; i++) {
		const struct chop_mem_record *want = &oracle->records[i];

		if (chop_mem_read(reader, &record, 1) != 1) {
			printf("differs: the trace ends at record %zu of %zu\n", i, oracle->count);
			return 1;
		}
		if (record.ip == want->ip && record.address == want->address &&
		    record.size == want->size && record.kind == want->kind)
			continue;
		printf("differs: record %zu\n", i);
		describe("oracle", want);
		describe("trace ", &record);
		return 1;
	}
	chop_mem_close(reader);
	return 0;
}

static int step(struct capture *capture, const char *path, uint64_t limit)
{
	static const unsigned int wanted[] = { 2, 5, 6, 7 };
	static struct stepping s;
	unsigned int a, b, c, d;
	int status;

	s.capture = capture;
	for (size_t i = 0; i < 4; i++) {
		__cpuid_count(0xd, wanted[i], a, b, c, d);
		oracle_component[wanted[i]] = b;
	}
	ZydisDecoderInit(&oracle_decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	oracle = xcalloc(1, sizeof(*oracle));
	if (start(&s)) {
		printf("cannot start the region\n");
		return 2;
	}
	while (s.instructions < limit && !oracle->full && one(&s)) {
		struct chop_regs regs;

		ptrace(PTRACE_GETREGS, s.pid, NULL, &regs);
		if (regs.rip == capture->reached_end &&
		    (capture->end_kind != END_AT_RETURN || regs.rsp > capture->entry.regs.rsp)) {
			s.end = "the region's end";
			break;
		}
	}
	kill(s.pid, SIGKILL);
	waitpid(s.pid, &status, 0);
	status = compare(path);
	if (!status)
		printf("equal: %" PRIu64 " instructions, %zu records, up to %s\n", s.instructions,
		       oracle->count, s.end ? s.end : "the limit");
	return status;
}

int main(int argc, char **argv)
{
	struct tracedir_index index = { 0 };
	struct capture capture;
	char *path;

	if (argc != 4) {
		fprintf(stderr, "mem_oracle DIR ID INSTRUCTIONS\n");
		return 2;
	}
	capture_init(&capture);
	if (tracedir_open(argv[1], &index) ||
	    tracedir_read(&index, (unsigned int)atoi(argv[2]), &capture)) {
		fprintf(stderr, "%s\n", err_message());
		return 2;
	}
	if (memtrace_collides(&capture))
		return memtrace_start_over(&capture, NULL) ? 2 : 0;
	path = xasprintf("%s/%s.mem", argv[1], argv[2]);
	return step(&capture, path, strtoull(argv[3], NULL, 10));
}
