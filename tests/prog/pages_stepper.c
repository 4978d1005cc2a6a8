// flags: -O1 -lZydis
// SPDX-License-Identifier: Apache-2.0
/*
 * Oracle: runs a program one instruction at a time and prints every page it refers to, in
 * order: the pages of each instruction, then of what it reads, then of what it writes. For
 * programs whose only system calls have no buffers.
 *
 *	pages_stepper PROGRAM	one hexadecimal page number a line
 *	pages_stepper -f K PROGRAM	only the misses of a FIFO memory of K pages
 */
#define _GNU_SOURCE
#include <Zydis/Zydis.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t window, *fifo, fifo_length, fifo_next;

static void refer(uint64_t page)
{
	if (window) {
		for (uint64_t i = 0; i < fifo_length; i++) {
			if (fifo[i] == page)
				return;
		}
		if (fifo_length < window) {
			fifo[fifo_length++] = page;
		} else {
			fifo[fifo_next] = page;
			fifo_next = (fifo_next + 1) % window;
		}
	}
	printf("%lx\n", page);
}

static void refer_bytes(uint64_t address, uint64_t size)
{
	uint64_t last = (address + (size ? size - 1 : 0)) >> 12;

	for (uint64_t page = address >> 12; page <= last; page++)
		refer(page);
}

static uint64_t reg(const struct user_regs_struct *r, ZydisRegister name)
{
	switch (ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, name)) {
	case ZYDIS_REGISTER_RAX: return r->rax;
	case ZYDIS_REGISTER_RBX: return r->rbx;
	case ZYDIS_REGISTER_RCX: return r->rcx;
	case ZYDIS_REGISTER_RDX: return r->rdx;
	case ZYDIS_REGISTER_RSI: return r->rsi;
	case ZYDIS_REGISTER_RDI: return r->rdi;
	case ZYDIS_REGISTER_RBP: return r->rbp;
	case ZYDIS_REGISTER_RSP: return r->rsp;
	case ZYDIS_REGISTER_R8: return r->r8;
	case ZYDIS_REGISTER_R9: return r->r9;
	case ZYDIS_REGISTER_R10: return r->r10;
	case ZYDIS_REGISTER_R11: return r->r11;
	case ZYDIS_REGISTER_R12: return r->r12;
	case ZYDIS_REGISTER_R13: return r->r13;
	case ZYDIS_REGISTER_R14: return r->r14;
	case ZYDIS_REGISTER_R15: return r->r15;
	default: return 0;
	}
}

static void operand(const struct user_regs_struct *r, const ZydisDecodedInstruction *instruction,
		    const ZydisDecodedOperand *o, int writes)
{
	int is_write = (o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
	uint64_t address, size = o->size / 8;

	if (o->type != ZYDIS_OPERAND_TYPE_MEMORY || o->mem.type == ZYDIS_MEMOP_TYPE_AGEN)
		return;
	/* What is read and written faults once, as a write. */
	if (is_write != writes)
		return;
	address = reg(r, o->mem.base) + reg(r, o->mem.index) * o->mem.scale +
		  (o->mem.disp.has_displacement ? (uint64_t)o->mem.disp.value : 0);
	if (o->mem.base == ZYDIS_REGISTER_RIP)
		address += r->rip + instruction->length;
	/* Pushes write below the stack pointer. */
	if (o->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN && o->mem.base == ZYDIS_REGISTER_RSP &&
	    is_write)
		address -= size;
	refer_bytes(address, size);
}

static void instruction(pid_t pid, const struct user_regs_struct *r)
{
	static ZydisDecoder decoder;
	static int ready;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction decoded;
	uint8_t code[16] = { 0 };
	struct iovec to = { code, sizeof(code) }, from = { (void *)r->rip, sizeof(code) };
	int ends;

	if (!ready++)
		ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	if (process_vm_readv(pid, &to, 1, &from, 1, 0) <= 0)
		exit(3);
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, sizeof(code), &decoded, operands)))
		exit(4);
	refer_bytes(r->rip, decoded.length);
	/* Operands that are never used. */
	if (decoded.mnemonic == ZYDIS_MNEMONIC_NOP || decoded.meta.category == ZYDIS_CATEGORY_PREFETCH)
		return;
	ends = (decoded.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE |
				      ZYDIS_ATTRIB_HAS_REPNE)) && !r->rcx;
	for (int writes = 0; writes < 2 && !ends; writes++) {
		for (int i = 0; i < decoded.operand_count; i++)
			operand(r, &decoded, &operands[i], writes);
	}
}

int main(int argc, char **argv)
{
	struct user_regs_struct registers;
	cpu_set_t here;
	int status;
	pid_t pid;

	if (argc > 3 && !strcmp(argv[1], "-f")) {
		window = strtoull(argv[2], NULL, 10);
		fifo = calloc(window, sizeof(*fifo));
		argv += 2;
		argc -= 2;
	}
	if (argc < 2)
		return 2;
	/* A step costs many times more when the two are on different processors. */
	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	sched_setaffinity(0, sizeof(here), &here);
	pid = fork();
	if (!pid) {
		personality(ADDR_NO_RANDOMIZE);
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		execv(argv[1], argv + 1);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return 1;
	do {
		if (ptrace(PTRACE_GETREGS, pid, 0, &registers))
			return 1;
		instruction(pid, &registers);
		ptrace(PTRACE_SINGLESTEP, pid, 0, 0);
	} while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) &&
		 WSTOPSIG(status) == SIGTRAP);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
