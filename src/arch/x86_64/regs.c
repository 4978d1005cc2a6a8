// SPDX-License-Identifier: Apache-2.0
/* General registers, system calls in registers, and the few instructions we emulate. */
#include "arch/arch.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

/* Red zone of the System V ABI: leaf functions keep data below the stack pointer. */
#define RED_ZONE 128

/* What a system call leaves in rax when the kernel wants to run it again. */
#define ERESTARTSYS	      512
#define ERESTARTNOINTR	      513
#define ERESTARTNOHAND	      514
#define ERESTART_RESTARTBLOCK 516

#define CALL_SIZE 2 /* bytes of the syscall instruction */

const int arch_xstate_note = NT_X86_XSTATE;

const uint8_t arch_breakpoint[] = { 0xcc };
const size_t arch_breakpoint_size = sizeof(arch_breakpoint);
const size_t arch_breakpoint_advance = 1;

const uint8_t arch_wait_here[] = { 0xeb, 0xfe };
const size_t arch_wait_here_size = sizeof(arch_wait_here);

const uint8_t arch_call_instruction[] = { 0x0f, 0x05 };
const size_t arch_call_instruction_size = sizeof(arch_call_instruction);

uint64_t arch_pc(const struct chop_regs *regs)
{
	return regs->rip;
}

uint64_t arch_sp(const struct chop_regs *regs)
{
	return regs->rsp;
}

void arch_set_pc(struct chop_regs *regs, uint64_t pc)
{
	regs->rip = pc;
}

#define REG(name)                                       \
	{                                               \
#name, offsetof(struct chop_regs, name) \
	}
static const struct {
	const char *name;
	size_t offset;
} registers[] = {
	REG(rax), REG(rbx), REG(rcx), REG(rdx),	    REG(rsi),	  REG(rdi),	 REG(rbp),
	REG(rsp), REG(r8),  REG(r9),  REG(r10),	    REG(r11),	  REG(r12),	 REG(r13),
	REG(r14), REG(r15), REG(rip), REG(eflags),  REG(cs),	  REG(ss),	 REG(ds),
	REG(es),  REG(fs),  REG(gs),  REG(fs_base), REG(gs_base), REG(orig_rax),
};
_Static_assert(sizeof(registers) / sizeof(registers[0]) == sizeof(struct chop_regs) / 8,
	       "every register has a name");

const char *arch_reg(const struct chop_regs *regs, unsigned int n, uint64_t *value)
{
	if (n >= sizeof(registers) / sizeof(registers[0]))
		return NULL;
	memcpy(value, (const char *)regs + registers[n].offset, sizeof(*value));
	return registers[n].name;
}

void arch_set_reg(struct chop_regs *regs, unsigned int n, uint64_t value)
{
	if (n < sizeof(registers) / sizeof(registers[0]))
		memcpy((char *)regs + registers[n].offset, &value, sizeof(value));
}

void arch_usual_regs(struct chop_regs *regs)
{
	*regs = (struct chop_regs){
		.cs = 0x33, .ss = 0x2b, .eflags = 0x202, .orig_rax = (uint64_t)-1
	};
}

void arch_get_call(const struct chop_regs *regs, struct arch_call *call)
{
	*call = (struct arch_call){
		.number = (long)regs->orig_rax,
		.args = { regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9 },
		.result = (int64_t)regs->rax,
	};
}

void arch_set_result(struct chop_regs *regs, int64_t result)
{
	regs->rax = (uint64_t)result;
}

uint64_t arch_call_pc(const struct chop_regs *regs)
{
	return regs->rip - CALL_SIZE;
}

void arch_cancel_call(struct chop_regs *regs)
{
	regs->orig_rax = (uint64_t)-1;
}

uint64_t *arch_call_argument(struct chop_regs *regs, unsigned int index)
{
	uint64_t *const places[] = { &regs->rdi, &regs->rsi, &regs->rdx,
				     &regs->r10, &regs->r8,  &regs->r9 };

	return places[index];
}

void arch_rewind_call(struct chop_regs *regs)
{
	regs->rip -= CALL_SIZE;
	regs->rax = regs->orig_rax;
	regs->orig_rax = (uint64_t)-1;
}

void arch_restart_call(struct chop_regs *regs)
{
	if ((int64_t)regs->orig_rax < 0)
		return;
	switch (-(int64_t)regs->rax) {
	case ERESTARTSYS:
	case ERESTARTNOINTR:
	case ERESTARTNOHAND:
		arch_rewind_call(regs);
		break;
	case ERESTART_RESTARTBLOCK:
		arch_rewind_call(regs);
		regs->rax = SYS_restart_syscall;
		break;
	}
}

bool arch_resume_call(struct chop_regs *regs)
{
	if ((int64_t)regs->orig_rax < 0 || (int64_t)regs->rax != -EINTR)
		return false;
	switch (regs->orig_rax) {
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
	case SYS_epoll_pwait2:
	case SYS_semop:
	case SYS_semtimedop:
	case SYS_rt_sigtimedwait:
	case SYS_io_getevents:
	case SYS_io_uring_enter:
	/* with a time limit (SO_RCVTIMEO) */
	case SYS_accept:
	case SYS_accept4:
	case SYS_read:
	case SYS_readv:
	case SYS_recvfrom:
	case SYS_recvmsg:
		regs->rax = (uint64_t)-ERESTARTNOHAND;
		return true;
	default:
		return false;
	}
}

uint64_t arch_return_slot(const struct chop_regs *regs)
{
	return regs->rsp;
}

uint64_t arch_frame_floor(const struct chop_regs *regs)
{
	return regs->rsp;
}

uint64_t arch_thread_pointer(const struct chop_regs *regs)
{
	return regs->fs_base;
}

uint64_t arch_argument(const struct chop_regs *regs, unsigned int n)
{
	const uint64_t arguments[] = {
		regs->rdi, regs->rsi, regs->rdx, regs->rcx, regs->r8, regs->r9,
	};

	return arguments[n];
}

/* tcbhead_t.pointer_guard; jmp_buf: rbx, rbp, r12 to r15, rsp, pc. */
#define POINTER_GUARD 0x30
#define JUMP_SP	      6
#define JUMP_PC	      7
#define STACK_MAX     ((uint64_t)1 << 32)

uint64_t arch_pointer_guard(const struct chop_regs *regs)
{
	return regs->fs_base + POINTER_GUARD;
}

static uint64_t demangle(uint64_t value, uint64_t guard)
{
	return (value >> 17 | value << 47) ^ guard;
}

void arch_jump_target(const uint64_t buffer[ARCH_JUMP_WORDS], uint64_t guard, uint64_t now,
		      uint64_t *pc, uint64_t *sp)
{
	*sp = demangle(buffer[JUMP_SP], guard);
	*pc = demangle(buffer[JUMP_PC], guard);
	if (*sp - now < STACK_MAX)
		return;
	*sp = buffer[JUMP_SP];
	*pc = buffer[JUMP_PC];
}

uint64_t arch_return_value(const struct chop_regs *regs)
{
	return regs->rax;
}

/* Register number of an instruction's low three bits, plus 8 with REX.B. */
static uint64_t numbered(const struct chop_regs *regs, unsigned int number)
{
	const uint64_t values[] = {
		regs->rax, regs->rcx, regs->rdx, regs->rbx, regs->rsp, regs->rbp,
		regs->rsi, regs->rdi, regs->r8,	 regs->r9,  regs->r10, regs->r11,
		regs->r12, regs->r13, regs->r14, regs->r15,
	};

	return values[number & 15];
}

bool arch_emulate(struct chop_regs *regs, const uint8_t *code, size_t size,
		  struct arch_store *store)
{
	static const uint8_t endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	bool extended = size && code[0] == 0x41; /* REX.B alone */
	size_t at = extended;

	store->used = false;
	if (size >= sizeof(endbr64) && !memcmp(code, endbr64, sizeof(endbr64))) {
		regs->rip += sizeof(endbr64);
		return true;
	}
	if (size > at && (code[at] & 0xf8) == 0x50) { /* push reg */
		store->used = true;
		store->address = regs->rsp - 8;
		store->value = numbered(regs, (code[at] & 7) | (extended ? 8 : 0));
		regs->rsp -= 8;
		regs->rip += at + 1;
		return true;
	}
	if (size && code[0] == 0x90) { /* nop */
		regs->rip += 1;
		return true;
	}
	return false;
}

bool arch_is_call(const uint8_t *code, size_t size)
{
	if (size < 2)
		return false;
	/* syscall, sysenter, int $0x80 */
	return (code[0] == 0x0f && (code[1] == 0x05 || code[1] == 0x34)) ||
	       (code[0] == 0xcd && code[1] == 0x80);
}

static bool is_prefix(uint8_t byte)
{
	return byte == 0x66 || byte == 0x67 || byte == 0xf2 || byte == 0xf3 || byte == 0x26 ||
	       byte == 0x2e || byte == 0x36 || byte == 0x3e || byte == 0x64 || byte == 0x65 ||
	       (byte & 0xf0) == 0x40;
}

bool arch_repeats(const uint8_t *code, size_t size)
{
	bool repeated = false;

	while (size && is_prefix(*code)) {
		repeated |= *code == 0xf2 || *code == 0xf3;
		code++;
		size--;
	}
	/* ins, outs; movs, cmps; stos, lods, scas */
	return repeated && size &&
	       ((*code >= 0x6c && *code <= 0x6f) || (*code >= 0xa4 && *code <= 0xa7) ||
		(*code >= 0xaa && *code <= 0xaf));
}

void arch_run_table(struct chop_regs *regs, uint64_t runner, uint64_t table)
{
	regs->r12 = table;
	regs->rip = runner;
	regs->orig_rax = (uint64_t)-1;
	regs->eflags &= ~(uint64_t)0x400; /* DF, as the ABI has it */
}

bool arch_table_ended(const struct chop_regs *regs, uint64_t runner, uint64_t end_entry)
{
	return regs->rip >= runner && regs->rip < runner + arch_runner_size &&
	       regs->r12 == end_entry && regs->rax == 0;
}

void arch_set_call(struct chop_regs *regs, uint64_t pc, const struct arch_entry *call)
{
	regs->rax = (uint64_t)call->number;
	regs->rdi = call->args[0];
	regs->rsi = call->args[1];
	regs->rdx = call->args[2];
	regs->r10 = call->args[3];
	regs->r8 = call->args[4];
	regs->r9 = call->args[5];
	regs->rip = pc;
	regs->orig_rax = (uint64_t)-1;
}

void arch_set_function(struct chop_regs *regs, uint64_t function, uint64_t table)
{
	regs->r12 = table;
	regs->rsp = ((regs->rsp - RED_ZONE) & ~(uint64_t)15) - 8;
	regs->rip = function;
	regs->rax = 0;
	regs->orig_rax = (uint64_t)-1;
	regs->eflags &= ~(uint64_t)0x400;
}

void arch_set_arguments(struct chop_regs *regs, uint64_t first, uint64_t second)
{
	regs->rdi = first;
	regs->rsi = second;
}

unsigned int arch_dwarf_regs(const struct chop_regs *regs, uint64_t *values)
{
	const uint64_t order[ARCH_DWARF_REGS] = {
		regs->rax, regs->rdx, regs->rcx, regs->rbx, regs->rsi, regs->rdi,
		regs->rbp, regs->rsp, regs->r8,	 regs->r9,  regs->r10, regs->r11,
		regs->r12, regs->r13, regs->r14, regs->r15, regs->rip,
	};

	memcpy(values, order, sizeof(order));
	return ARCH_DWARF_REGS;
}

/* The same fields in the same order, without the segments at the end. */
void arch_regs_of_kernel(struct chop_regs *regs, const void *pt_regs, size_t size)
{
	memset(regs, 0, sizeof(*regs));
	memcpy(regs, pt_regs, size < sizeof(*regs) ? size : sizeof(*regs));
}
