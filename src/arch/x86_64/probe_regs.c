// SPDX-License-Identifier: Apache-2.0
#include "arch/probe_regs.h"

#include <string.h>

#include <chop/arch.h>

#define AT(field) offsetof(struct chop_regs, field)

/* Names of 64, 32, 16 and 8 bits, and of bits 8 to 15; the kernel's tracing has one of its own. */
static const struct {
	const char *kernel, *names[5];
	uint16_t offset;
} registers[] = {
	{ "ax", { "rax", "eax", "ax", "al", "ah" }, AT(rax) },
	{ "dx", { "rdx", "edx", "dx", "dl", "dh" }, AT(rdx) },
	{ "cx", { "rcx", "ecx", "cx", "cl", "ch" }, AT(rcx) },
	{ "bx", { "rbx", "ebx", "bx", "bl", "bh" }, AT(rbx) },
	{ "si", { "rsi", "esi", "si", "sil", "" }, AT(rsi) },
	{ "di", { "rdi", "edi", "di", "dil", "" }, AT(rdi) },
	{ "bp", { "rbp", "ebp", "bp", "bpl", "" }, AT(rbp) },
	{ "sp", { "rsp", "esp", "sp", "spl", "" }, AT(rsp) },
	{ "r8", { "r8", "r8d", "r8w", "r8b", "" }, AT(r8) },
	{ "r9", { "r9", "r9d", "r9w", "r9b", "" }, AT(r9) },
	{ "r10", { "r10", "r10d", "r10w", "r10b", "" }, AT(r10) },
	{ "r11", { "r11", "r11d", "r11w", "r11b", "" }, AT(r11) },
	{ "r12", { "r12", "r12d", "r12w", "r12b", "" }, AT(r12) },
	{ "r13", { "r13", "r13d", "r13w", "r13b", "" }, AT(r13) },
	{ "r14", { "r14", "r14d", "r14w", "r14b", "" }, AT(r14) },
	{ "r15", { "r15", "r15d", "r15w", "r15b", "" }, AT(r15) },
	{ "ip", { "rip", "eip", "ip", "", "" }, AT(rip) },
	{ "flags", { "rflags", "eflags", "flags", "", "" }, AT(eflags) },
};
#define COUNT (sizeof(registers) / sizeof(registers[0]))

/* The first 16 in the order of the System V ABI's DWARF numbers. */
enum { AX, DX, CX, BX, SI, DI, BP, SP, R8, R9 };

const char *const arch_probe_call_symbols[] = { "__x64_sys_%s", "__se_sys_%s", "__do_sys_%s",
						"sys_%s", "SyS_%s" };
const size_t arch_probe_call_symbol_count =
	sizeof(arch_probe_call_symbols) / sizeof(arch_probe_call_symbols[0]);

static bool whole(unsigned int i, struct arch_probe_reg *reg)
{
	*reg = (struct arch_probe_reg){ registers[i].offset, 8, 0, registers[i].kernel };
	return true;
}

bool arch_probe_reg(const char *name, struct arch_probe_reg *reg)
{
	static const uint8_t sizes[] = { 8, 4, 2, 1, 1 };

	for (unsigned int i = 0; i < COUNT; i++) {
		/* "di" is the whole register to the kernel's tracing, and so it is here. */
		if (!strcmp(name, registers[i].kernel))
			return whole(i, reg);
		for (unsigned int k = 0; k < sizeof(sizes); k++) {
			if (!*registers[i].names[k] || strcmp(name, registers[i].names[k]))
				continue;
			whole(i, reg);
			reg->size = sizes[k];
			reg->shift = k == 4 ? 8 : 0;
			return true;
		}
	}
	return false;
}

const char *arch_probe_kernel_name(uint16_t offset)
{
	for (unsigned int i = 0; i < COUNT; i++) {
		if (registers[i].offset == offset)
			return registers[i].kernel;
	}
	return NULL;
}

bool arch_probe_dwarf(unsigned int number, struct arch_probe_reg *reg)
{
	return number < 16 && whole(number, reg);
}

bool arch_probe_argument(unsigned int n, struct arch_probe_reg *reg)
{
	static const uint8_t order[] = { DI, SI, DX, CX, R8, R9 };

	return n < sizeof(order) && whole(order[n], reg);
}

int arch_probe_stack_argument(unsigned int n)
{
	return 8 + 8 * (int)n;
}

void arch_probe_result(struct arch_probe_reg *reg)
{
	whole(AX, reg);
}

void arch_probe_sp(struct arch_probe_reg *reg)
{
	whole(SP, reg);
}

bool arch_probe_clobbers(const uint8_t *code, size_t size)
{
	static const uint8_t nop5[] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 };

	return size >= sizeof(nop5) && !memcmp(code, nop5, sizeof(nop5));
}
