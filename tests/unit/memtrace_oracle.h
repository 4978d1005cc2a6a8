/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The oracle: runs code of this process one instruction at a time with the trap flag and
 * computes each instruction's accesses from the registers the kernel saved. Slow, simple,
 * and sharing nothing with the translator but the decoder library.
 */
#ifndef MEMTRACE_ORACLE_H
#define MEMTRACE_ORACLE_H

#include <asm/prctl.h>
#include <cpuid.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <Zydis/Zydis.h>

#include <chop/arch.h>
#include <chop/mem_trace.h>

#define ORACLE_RECORDS 4000000

struct oracle {
	size_t count;
	bool full, failed;
	char reason[128];
	struct chop_regs regs; /* at the end */
	struct chop_mem_record records[ORACLE_RECORDS];
};

static struct oracle *oracle; /* shared with the process that compares */
static ZydisDecoder oracle_decoder;
static uint64_t oracle_end, oracle_fs, oracle_gs, oracle_last_ip;
static struct chop_regs oracle_start;
static greg_t oracle_home[NGREG];
static unsigned int oracle_component[16]; /* offsets in the xsave image */

static const int oracle_greg[] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
				   REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
				   REG_R12, REG_R13, REG_R14, REG_R15 };

struct oracle_step {
	const greg_t *g;
	const uint8_t *xsave;
	ZydisDecodedInstruction in;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
};

static inline void oracle_add(uint64_t ip, int kind, uint64_t address, uint64_t size)
{
	if (oracle->count == ORACLE_RECORDS) {
		oracle->full = true;
		return;
	}
	oracle->records[oracle->count++] = (struct chop_mem_record){
		.ip = ip, .address = address, .size = (uint32_t)size, .kind = (uint8_t)kind
	};
}

static inline uint64_t oracle_reg(const struct oracle_step *s, ZydisRegister reg)
{
	ZydisRegister whole;

	if (reg == ZYDIS_REGISTER_NONE)
		return 0;
	whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
	return (uint64_t)s->g[oracle_greg[whole - ZYDIS_REGISTER_RAX]];
}

/* Byte `at` of a vector register, from wherever xsave put it. */
static inline uint8_t oracle_vector_byte(const struct oracle_step *s, ZydisRegister reg,
					 unsigned int at)
{
	unsigned int id = (unsigned int)ZydisRegisterGetId(reg);

	if (ZydisRegisterGetClass(reg) == ZYDIS_REGCLASS_MMX)
		return s->xsave[32 + 16 * id + at];
	if (id > 15)
		return s->xsave[oracle_component[7] + 64 * (id - 16) + at];
	if (at < 16)
		return s->xsave[160 + 16 * id + at];
	if (at < 32)
		return s->xsave[oracle_component[2] + 16 * id + at - 16];
	return s->xsave[oracle_component[6] + 32 * id + at - 32];
}

/* Components that are in their initial state are not in the image. */
static inline bool oracle_in_use(const struct oracle_step *s, unsigned int component)
{
	return *(const uint64_t *)(s->xsave + 512) >> component & 1;
}

static inline uint64_t oracle_mask(const struct oracle_step *s, ZydisRegister reg)
{
	unsigned int id = (unsigned int)ZydisRegisterGetId(reg);

	return oracle_in_use(s, 5) ? *(const uint64_t *)(s->xsave + oracle_component[5] + 8 * id)
				   : 0;
}

static inline uint64_t oracle_address(const struct oracle_step *s, const ZydisDecodedOperand *op)
{
	uint64_t ip = (uint64_t)s->g[REG_RIP], address;

	if (op->mem.base == ZYDIS_REGISTER_RIP)
		address = ip + s->in.length;
	else
		address = oracle_reg(s, op->mem.base);
	if (op->mem.type != ZYDIS_MEMOP_TYPE_VSIB)
		address += oracle_reg(s, op->mem.index) * op->mem.scale;
	if (op->mem.disp.has_displacement)
		address += (uint64_t)op->mem.disp.value;
	return address;
}

static inline uint64_t oracle_segment(const struct oracle_step *s, const ZydisDecodedOperand *op,
				      uint64_t address)
{
	if (s->in.address_width == 32)
		address = (uint32_t)address;
	if (op->mem.segment == ZYDIS_REGISTER_GS)
		return address + oracle_gs;
	return op->mem.segment == ZYDIS_REGISTER_FS ? address + oracle_fs : address;
}

#define NAME_HAS(text) (strstr(name, text) != NULL)

static inline unsigned int oracle_element(const char *name)
{
	size_t length = strlen(name);

	if (NAME_HAS("maskmovdqu") || !strcmp(name, "maskmovq"))
		return 1;
	return name[length - 1] == 'd' && name[length - 2] == 'p' ? 8 : /* pd */
		       name[length - 1] == 's' ? 4
	       : name[length - 1] == 'q'       ? 8
					       : 4;
}

static inline void oracle_gather(const struct oracle_step *s, const ZydisDecodedOperand *op,
				 const char *name, int kind)
{
	unsigned int element = oracle_element(name);
	bool wide = NAME_HAS("gatherq") || NAME_HAS("scatterq");
	unsigned int index_size = wide ? 8 : 4, count, index_bytes;
	bool evex = s->in.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX;
	uint64_t mask = evex ? oracle_mask(s, s->in.avx.mask.reg) : 0;

	index_bytes = ZydisRegisterGetWidth(ZYDIS_MACHINE_MODE_LONG_64, op->mem.index) / 8;
	count = index_bytes / index_size;
	if (s->in.avx.vector_length / 8 / element < count)
		count = s->in.avx.vector_length / 8 / element;
	for (unsigned int i = 0; i < count; i++) {
		int64_t index = 0;
		bool on = evex ? mask >> i & 1
			       : oracle_vector_byte(s, s->op[2].reg.value,
						    i * element + element - 1) >>
					  7;

		if (!on)
			continue;
		for (unsigned int j = index_size; j-- > 0;)
			index = (int64_t)((uint64_t)index << 8 |
					  oracle_vector_byte(s, op->mem.index, i * index_size + j));
		if (!wide)
			index = (int32_t)index;
		oracle_add((uint64_t)s->g[REG_RIP], kind,
			   oracle_segment(s, op,
					  oracle_address(s, op) + (uint64_t)index * op->mem.scale),
			   element);
	}
}

/* Runs of set bits, `size` bytes each. */
static inline void oracle_runs(const struct oracle_step *s, uint64_t base, uint64_t mask,
			       unsigned int count, unsigned int size, int kind)
{
	for (unsigned int i = 0; i < count; i++) {
		unsigned int first = i;

		if (!(mask >> i & 1))
			continue;
		while (i < count && mask >> i & 1)
			i++;
		oracle_add((uint64_t)s->g[REG_RIP], kind, base + first * size, (i - first) * size);
	}
}

static inline void oracle_masked(const struct oracle_step *s, const ZydisDecodedOperand *op,
				 const char *name, int kind)
{
	uint64_t address = oracle_segment(s, op, oracle_address(s, op)), mask, any;
	unsigned int count = op->element_count, size = op->element_size / 8, lanes;

	mask = oracle_mask(s, s->in.avx.mask.reg);
	if (NAME_HAS("compress") || NAME_HAS("expand")) {
		mask &= count < 64 ? (1ULL << count) - 1 : ~0ULL;
		if (mask)
			oracle_add((uint64_t)s->g[REG_RIP], kind, address,
				   size * (unsigned int)__builtin_popcountll(mask));
		return;
	}
	if (s->in.avx.broadcast.mode) {
		lanes = s->in.avx.vector_length / s->op[0].element_size;
		if (ZydisRegisterGetClass(s->op[0].reg.value) == ZYDIS_REGCLASS_MASK)
			lanes = s->in.avx.vector_length / op->element_size;
		any = 0;
		for (unsigned int i = 0; i < lanes; i++)
			any |= (mask >> i & 1) << i % count;
		mask = any;
	}
	oracle_runs(s, address, mask, count, size, kind);
}

static inline void oracle_vector_masked(const struct oracle_step *s, const ZydisDecodedOperand *op,
					const char *name, int kind)
{
	unsigned int size = oracle_element(name), count = op->size / 8 / size;
	uint64_t mask = 0;

	for (unsigned int i = 0; i < count; i++)
		mask |= (uint64_t)(oracle_vector_byte(s, s->op[1].reg.value, (i + 1) * size - 1) >>
				   7)
			<< i;
	oracle_runs(s, oracle_segment(s, op, oracle_address(s, op)), mask, count, size, kind);
}

static inline uint64_t oracle_xsave_size(const struct oracle_step *s, const char *name,
					 uint64_t address)
{
	uint64_t wanted = (uint32_t)s->g[REG_RAX] | (uint64_t)s->g[REG_RDX] << 32;
	uint64_t compact = NAME_HAS("xsavec"), end = 576;
	unsigned int a, b, c, d;

	if (!strncmp(name, "xrstor", 6) && *(uint64_t *)(address + 520) >> 63) {
		compact = 1;
		wanted = *(uint64_t *)(address + 520);
	}
	__cpuid_count(0xd, 0, a, b, c, d);
	wanted &= a | (uint64_t)d << 32;
	for (unsigned int i = 2; i < 32; i++) {
		if (!(wanted >> i & 1))
			continue;
		__cpuid_count(0xd, i, a, b, c, d);
		if (compact && c & 2)
			end = (end + 63) & ~63UL;
		end = compact ? end + a : b + a > end ? b + a : end;
	}
	return end;
}

static inline void oracle_tile(const struct oracle_step *s, const ZydisDecodedOperand *op, int kind)
{
	const ZydisDecodedOperand *tile = op == &s->op[0] ? &s->op[1] : &s->op[0];
	unsigned int id = (unsigned int)(tile->reg.value - ZYDIS_REGISTER_TMM0);
	unsigned int a, b, c, d;
	const uint8_t *config;

	__cpuid_count(0xd, 17, a, b, c, d);
	config = s->xsave + b;
	for (unsigned int i = 0; i < config[48 + id]; i++)
		oracle_add((uint64_t)s->g[REG_RIP], kind,
			   oracle_reg(s, op->mem.base) + (uint64_t)op->mem.disp.value +
				   i * oracle_reg(s, op->mem.index) * op->mem.scale,
			   *(const uint16_t *)(config + 16 + 2 * id));
}

static inline void oracle_plain(const struct oracle_step *s, const ZydisDecodedOperand *op,
				const char *name, int kind)
{
	uint64_t address = oracle_address(s, op), size = op->size / 8;
	bool bits = !strncmp(name, "bt", 2) && s->op[1].type == ZYDIS_OPERAND_TYPE_REGISTER;

	if (!strcmp(name, "xlat"))
		address += (uint8_t)s->g[REG_RAX];
	if (bits) {
		int64_t bit = (int64_t)oracle_reg(s, s->op[1].reg.value);

		bit = size == 2 ? (int16_t)bit : size == 4 ? (int32_t)bit : bit;
		address += (uint64_t)((bit - (bit & (int64_t)(size * 8 - 1))) / 8);
	}
	if (op->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN &&
	    op->mem.base == ZYDIS_REGISTER_RSP && kind == CHOP_MEM_WRITE)
		address -= size;
	if (!strcmp(name, "pop") && op->visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN &&
	    op->mem.base == ZYDIS_REGISTER_RSP)
		address += size;
	if (!strncmp(name, "xsave", 5) || !strncmp(name, "xrstor", 6))
		size = oracle_xsave_size(s, name, address);
	if (NAME_HAS("prefetch") || !strncmp(name, "cl", 2))
		size = 64;
	oracle_add((uint64_t)s->g[REG_RIP], kind, oracle_segment(s, op, address), size);
}

static inline void oracle_enter_op(const struct oracle_step *s)
{
	uint64_t sp = (uint64_t)s->g[REG_RSP], bp = (uint64_t)s->g[REG_RBP];
	uint64_t ip = (uint64_t)s->g[REG_RIP], level = s->op[1].imm.value.u & 31;

	oracle_add(ip, CHOP_MEM_WRITE, sp -= 8, 8);
	for (uint64_t i = 1; i < level; i++) {
		oracle_add(ip, CHOP_MEM_READ, bp -= 8, 8);
		oracle_add(ip, CHOP_MEM_WRITE, sp -= 8, 8);
	}
	if (level)
		oracle_add(ip, CHOP_MEM_WRITE, sp - 8, 8);
}

static inline void oracle_operand(const struct oracle_step *s, const ZydisDecodedOperand *op,
				  const char *name, int kind)
{
	bool evex = s->in.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX;
	const char *class = ZydisISAExtGetString(s->in.meta.isa_ext);
	bool no_suppression = NAME_HAS("vpermt") || NAME_HAS("vpermi") || NAME_HAS("vpsll") ||
			      NAME_HAS("vpshufb");

	(void)class;
	if (op->mem.type == ZYDIS_MEMOP_TYPE_VSIB)
		oracle_gather(s, op, name, kind);
	else if (NAME_HAS("maskmov"))
		oracle_vector_masked(s, op, name, kind);
	else if (!strncmp(name, "tileload", 8) || !strcmp(name, "tilestored"))
		oracle_tile(s, op, kind);
	else if (evex && s->in.avx.mask.reg > ZYDIS_REGISTER_K0 && !no_suppression)
		oracle_masked(s, op, name, kind);
	else
		oracle_plain(s, op, name, kind);
}

static inline void oracle_accesses(const struct oracle_step *s)
{
	const char *name = ZydisMnemonicGetString(s->in.mnemonic);
	bool string = s->in.meta.category == ZYDIS_CATEGORY_STRINGOP;
	bool repeated = s->in.attributes &
			(ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE);
	uint64_t count = (uint64_t)s->g[REG_RCX];

	if (s->in.address_width == 32)
		count = (uint32_t)count;
	if (NAME_HAS("nop") || !strcmp(name, "lea") || !strcmp(name, "cldemote") ||
	    (string && repeated && !count))
		return;
	if (!strcmp(name, "enter")) {
		oracle_enter_op(s);
		return;
	}
	for (int write = 0; write < 2; write++) {
		for (unsigned int i = 0; i < s->in.operand_count; i++) {
			const ZydisDecodedOperand *op = &s->op[i];
			unsigned int wanted = write ? ZYDIS_OPERAND_ACTION_MASK_WRITE
						    : ZYDIS_OPERAND_ACTION_MASK_READ;
			int kind = write ? CHOP_MEM_WRITE : CHOP_MEM_READ;

			if (op->type != ZYDIS_OPERAND_TYPE_MEMORY ||
			    op->mem.type == ZYDIS_MEMOP_TYPE_AGEN || !(op->actions & wanted) ||
			    (!write && !strncmp(name, "xsave", 5)))
				continue;
			if (NAME_HAS("prefetch"))
				kind = CHOP_MEM_PREFETCH;
			if (!strncmp(name, "clflush", 7) || !strcmp(name, "clwb"))
				kind = CHOP_MEM_FLUSH;
			oracle_operand(s, op, name, kind);
		}
	}
}

static inline void oracle_finish(greg_t *g)
{
	struct chop_regs *r = &oracle->regs;

	r->rax = (uint64_t)g[REG_RAX], r->rcx = (uint64_t)g[REG_RCX];
	r->rdx = (uint64_t)g[REG_RDX], r->rbx = (uint64_t)g[REG_RBX];
	r->rsp = (uint64_t)g[REG_RSP], r->rbp = (uint64_t)g[REG_RBP];
	r->rsi = (uint64_t)g[REG_RSI], r->rdi = (uint64_t)g[REG_RDI];
	r->r8 = (uint64_t)g[REG_R8], r->r9 = (uint64_t)g[REG_R9];
	r->r10 = (uint64_t)g[REG_R10], r->r11 = (uint64_t)g[REG_R11];
	r->r12 = (uint64_t)g[REG_R12], r->r13 = (uint64_t)g[REG_R13];
	r->r14 = (uint64_t)g[REG_R14], r->r15 = (uint64_t)g[REG_R15];
	r->rip = (uint64_t)g[REG_RIP], r->eflags = (uint64_t)g[REG_EFL] & ~0x100UL;
	memcpy(g, oracle_home, sizeof(oracle_home));
}

static void oracle_trap(int signal, siginfo_t *info, void *context)
{
	struct ucontext_t *uc = context;
	greg_t *g = uc->uc_mcontext.gregs;
	struct oracle_step s = { .g = g, .xsave = (const uint8_t *)uc->uc_mcontext.fpregs };
	uint64_t ip = (uint64_t)g[REG_RIP];
	bool again = ip == oracle_last_ip;

	if (signal != SIGTRAP) {
		snprintf(oracle->reason, sizeof(oracle->reason), "signal %d at %#lx for %p", signal,
			 ip, info->si_addr);
		oracle->failed = true;
		oracle_finish(g);
		return;
	}
	oracle_last_ip = ip;
	if (getauxval(AT_HWCAP2) & 2) /* the code may have changed them */
		__asm__ volatile("rdfsbase %0\n rdgsbase %1" : "=r"(oracle_fs), "=r"(oracle_gs));
	if (ip == oracle_end || oracle->full) {
		oracle_finish(g);
		return;
	}
	if (ZYAN_FAILED(ZydisDecoderDecodeFull(&oracle_decoder, (void *)ip, 15, &s.in, s.op))) {
		oracle->failed = true;
		oracle_finish(g);
		return;
	}
	/* each iteration of a repeated string instruction traps */
	if (!again || s.in.meta.category != ZYDIS_CATEGORY_STRINGOP)
		oracle_add(ip, CHOP_MEM_FETCH, ip, s.in.length);
	oracle_accesses(&s);
	if (s.in.mnemonic == ZYDIS_MNEMONIC_POPFQ) /* go on stepping */
		*(uint64_t *)g[REG_RSP] |= 0x100;
}

/* Jump into the code, from a signal so that leaving is restoring its context. */
static void oracle_begin(int signal, siginfo_t *info, void *context)
{
	struct ucontext_t *uc = context;
	greg_t *g = uc->uc_mcontext.gregs;
	const struct chop_regs *r = &oracle_start;

	(void)signal;
	(void)info;
	memcpy(oracle_home, g, sizeof(oracle_home));
	g[REG_RIP] = (greg_t)r->rip;
	g[REG_RSP] = (greg_t)r->rsp;
	g[REG_RDI] = (greg_t)r->rdi;
	g[REG_RSI] = (greg_t)r->rsi;
	g[REG_RAX] = g[REG_RBX] = g[REG_RCX] = g[REG_RDX] = g[REG_RBP] = 0;
	g[REG_R8] = g[REG_R9] = g[REG_R10] = g[REG_R11] = 0;
	g[REG_R12] = g[REG_R13] = g[REG_R14] = g[REG_R15] = 0;
	g[REG_EFL] = 0x302;
	/* extended state as after exec */
	*(uint64_t *)((uint8_t *)uc->uc_mcontext.fpregs + 512) = 0;
	uc->uc_mcontext.fpregs->mxcsr = 0x1f80;
	/* the first instruction has no trap before it */
	oracle_last_ip = 0;
	oracle_trap(SIGTRAP, NULL, context);
}

/* Run from regs (rip, rsp, rdi and rsi; the others are 0) to the end address. */
static inline void oracle_run(const struct chop_regs *regs, uint64_t end)
{
	struct sigaction action = { .sa_sigaction = oracle_trap,
				    .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t stack = { .ss_sp = malloc(1 << 18), .ss_size = 1 << 18 };
	static const unsigned int wanted[] = { 2, 5, 6, 7 };
	unsigned int a, b, c, d;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		__cpuid_count(0xd, wanted[i], a, b, c, d);
		oracle_component[wanted[i]] = b;
	}
	syscall(SYS_arch_prctl, ARCH_GET_FS, &oracle_fs);
	ZydisDecoderInit(&oracle_decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	oracle_start = *regs;
	oracle_end = end;
	sigaltstack(&stack, NULL);
	sigaction(SIGTRAP, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGILL, &action, NULL);
	action.sa_sigaction = oracle_begin;
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
}

#endif
