// SPDX-License-Identifier: Apache-2.0
/* Which processor features a piece of code needs: found by decoding what it can reach. */
#include <string.h>

#include <Zydis/Zydis.h>

#include "arch/arch.h"
#include "base/map.h"
#include "base/vec.h"

#define XCR0_AVX    0x6
#define XCR0_OPMASK 0x20
#define XCR0_AVX512 0xe6
#define XCR0_AMX    0x60000

#define INSTRUCTION_MAX 15

/* Names as in /proc/cpuinfo; bits: Intel SDM volume 2A, CPUID; AMD APM volume 3, E. */
static const struct feature {
	const char *name;
	uint8_t word, bit; /* enum chop_cpu_word */
} features[] = {
	{ "sse3", CHOP_CPU_1_ECX, 0 },
	{ "pclmulqdq", CHOP_CPU_1_ECX, 1 },
	{ "ssse3", CHOP_CPU_1_ECX, 9 },
	{ "fma", CHOP_CPU_1_ECX, 12 },
	{ "cx16", CHOP_CPU_1_ECX, 13 },
	{ "sse4_1", CHOP_CPU_1_ECX, 19 },
	{ "sse4_2", CHOP_CPU_1_ECX, 20 },
	{ "movbe", CHOP_CPU_1_ECX, 22 },
	{ "popcnt", CHOP_CPU_1_ECX, 23 },
	{ "aes", CHOP_CPU_1_ECX, 25 },
	{ "avx", CHOP_CPU_1_ECX, 28 },
	{ "f16c", CHOP_CPU_1_ECX, 29 },
	{ "rdrand", CHOP_CPU_1_ECX, 30 },
	{ "fsgsbase", CHOP_CPU_7_EBX, 0 },
	{ "bmi1", CHOP_CPU_7_EBX, 3 },
	{ "avx2", CHOP_CPU_7_EBX, 5 },
	{ "bmi2", CHOP_CPU_7_EBX, 8 },
	{ "rtm", CHOP_CPU_7_EBX, 11 },
	{ "avx512f", CHOP_CPU_7_EBX, 16 },
	{ "avx512dq", CHOP_CPU_7_EBX, 17 },
	{ "rdseed", CHOP_CPU_7_EBX, 18 },
	{ "adx", CHOP_CPU_7_EBX, 19 },
	{ "avx512ifma", CHOP_CPU_7_EBX, 21 },
	{ "clflushopt", CHOP_CPU_7_EBX, 23 },
	{ "clwb", CHOP_CPU_7_EBX, 24 },
	{ "avx512cd", CHOP_CPU_7_EBX, 28 },
	{ "sha_ni", CHOP_CPU_7_EBX, 29 },
	{ "avx512bw", CHOP_CPU_7_EBX, 30 },
	{ "avx512vl", CHOP_CPU_7_EBX, 31 },
	{ "avx512vbmi", CHOP_CPU_7_ECX, 1 },
	{ "ospke", CHOP_CPU_7_ECX, 4 },
	{ "waitpkg", CHOP_CPU_7_ECX, 5 },
	{ "avx512_vbmi2", CHOP_CPU_7_ECX, 6 },
	{ "gfni", CHOP_CPU_7_ECX, 8 },
	{ "vaes", CHOP_CPU_7_ECX, 9 },
	{ "vpclmulqdq", CHOP_CPU_7_ECX, 10 },
	{ "avx512_vnni", CHOP_CPU_7_ECX, 11 },
	{ "avx512_bitalg", CHOP_CPU_7_ECX, 12 },
	{ "avx512_vpopcntdq", CHOP_CPU_7_ECX, 14 },
	{ "rdpid", CHOP_CPU_7_ECX, 22 },
	{ "movdiri", CHOP_CPU_7_ECX, 27 },
	{ "avx512_vp2intersect", CHOP_CPU_7_EDX, 8 },
	{ "serialize", CHOP_CPU_7_EDX, 14 },
	{ "amx_bf16", CHOP_CPU_7_EDX, 22 },
	{ "avx512_fp16", CHOP_CPU_7_EDX, 23 },
	{ "amx_tile", CHOP_CPU_7_EDX, 24 },
	{ "amx_int8", CHOP_CPU_7_EDX, 25 },
	{ "avx_vnni", CHOP_CPU_7_1_EAX, 4 },
	{ "avx512_bf16", CHOP_CPU_7_1_EAX, 5 },
	{ "xsaveopt", CHOP_CPU_D_1_EAX, 0 },
	{ "xsavec", CHOP_CPU_D_1_EAX, 1 },
	{ "lzcnt", CHOP_CPU_80000001_ECX, 5 },
	{ "sse4a", CHOP_CPU_80000001_ECX, 6 },
	{ "xop", CHOP_CPU_80000001_ECX, 11 },
	{ "fma4", CHOP_CPU_80000001_ECX, 16 },
	{ "tbm", CHOP_CPU_80000001_ECX, 21 },
	{ "rdtscp", CHOP_CPU_80000001_EDX, 27 },
};
#define FEATURE_COUNT (sizeof(features) / sizeof(*features))
_Static_assert(FEATURE_COUNT <= 64, "a bit each");

/* CPUID leaf, sub-leaf and register of each word. */
static const struct {
	uint32_t leaf, subleaf;
	uint8_t reg;
} words[CHOP_CPU_WORDS] = {
	[CHOP_CPU_1_ECX] = { 1, 0, 2 },
	[CHOP_CPU_7_EBX] = { 7, 0, 1 },
	[CHOP_CPU_7_ECX] = { 7, 0, 2 },
	[CHOP_CPU_7_EDX] = { 7, 0, 3 },
	[CHOP_CPU_7_1_EAX] = { 7, 1, 0 },
	[CHOP_CPU_D_1_EAX] = { 0xd, 1, 0 },
	[CHOP_CPU_80000001_ECX] = { 0x80000001, 0, 2 },
	[CHOP_CPU_80000001_EDX] = { 0x80000001, 0, 3 },
};

/* Zydis' names of instruction sets, as prefixes: the longest that fits counts. */
static const struct {
	const char *prefix, *feature;
} sets[] = {
	{ "SSE3", "sse3" },
	{ "SSSE3", "ssse3" },
	{ "SSE4", "sse4_1" },
	{ "SSE42", "sse4_2" },
	{ "SSE4A", "sse4a" },
	{ "PCLMULQDQ", "pclmulqdq" },
	{ "FMA", "fma" },
	{ "FMA4", "fma4" },
	{ "CMPXCHG16B", "cx16" },
	{ "MOVBE", "movbe" },
	{ "POPCNT", "popcnt" },
	{ "AES", "aes" },
	{ "AVX", "avx" },
	{ "AVXAES", "aes" },
	{ "AVX2", "avx2" },
	{ "AVX_GFNI", "gfni" },
	{ "AVX_VNNI", "avx_vnni" },
	{ "F16C", "f16c" },
	{ "RDRAND", "rdrand" },
	{ "RDSEED", "rdseed" },
	{ "RDPID", "rdpid" },
	{ "RDTSCP", "rdtscp" },
	{ "RDWRFSGS", "fsgsbase" },
	{ "BMI1", "bmi1" },
	{ "BMI2", "bmi2" },
	{ "LZCNT", "lzcnt" },
	{ "RTM", "rtm" },
	{ "ADOX_ADCX", "adx" },
	{ "CLFLUSHOPT", "clflushopt" },
	{ "CLWB", "clwb" },
	{ "SHA", "sha_ni" },
	{ "PKU", "ospke" },
	{ "WAITPKG", "waitpkg" },
	{ "GFNI", "gfni" },
	{ "VAES", "vaes" },
	{ "VPCLMULQDQ", "vpclmulqdq" },
	{ "MOVDIR", "movdiri" },
	{ "SERIALIZE", "serialize" },
	{ "XSAVEOPT", "xsaveopt" },
	{ "XSAVEC", "xsavec" },
	{ "XOP", "xop" },
	{ "TBM", "tbm" },
	{ "AMX_TILE", "amx_tile" },
	{ "AMX_INT8", "amx_int8" },
	{ "AMX_BF16", "amx_bf16" },
	{ "AVX512F", "avx512f" },
	{ "AVX512BW", "avx512bw" },
	{ "AVX512CD", "avx512cd" },
	{ "AVX512DQ", "avx512dq" },
	{ "AVX512_BF16", "avx512_bf16" },
	{ "AVX512_BITALG", "avx512_bitalg" },
	{ "AVX512_FP16", "avx512_fp16" },
	{ "AVX512_GFNI", "gfni" },
	{ "AVX512_IFMA", "avx512ifma" },
	{ "AVX512_VAES", "vaes" },
	{ "AVX512_VBMI", "avx512vbmi" },
	{ "AVX512_VBMI2", "avx512_vbmi2" },
	{ "AVX512_VNNI", "avx512_vnni" },
	{ "AVX512_VP2INTERSECT", "avx512_vp2intersect" },
	{ "AVX512_VPCLMULQDQ", "vpclmulqdq" },
	{ "AVX512_VPOPCNTDQ", "avx512_vpopcntdq" },
};

/* What an instruction set needs; worked out once per set from Zydis' name for it. */
struct need {
	uint64_t features, xcr0;
	bool known;
};

static uint64_t feature_bit(const char *name)
{
	for (size_t i = 0; i < FEATURE_COUNT; i++) {
		if (!strcmp(features[i].name, name))
			return 1ull << i;
	}
	return 0;
}

/* Vectors of 128 and 256 bits; scalars ("128N") and mask instructions need no VL. */
static bool needs_vl(const char *name)
{
	size_t length = strlen(name);

	return length > 4 &&
	       (!strcmp(name + length - 4, "_128") || !strcmp(name + length - 4, "_256"));
}

static struct need work_out(const char *name)
{
	struct need need = { .known = true };
	size_t best = 0;

	for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++) {
		size_t length = strlen(sets[i].prefix);

		if (length > best && !strncmp(name, sets[i].prefix, length)) {
			best = length;
			need.features = feature_bit(sets[i].feature);
		}
	}
	if (!strncmp(name, "AVX512", 6)) {
		need.features |= feature_bit("avx512f");
		need.features |= needs_vl(name) ? feature_bit("avx512vl") : 0;
		need.xcr0 = XCR0_AVX512;
	} else if (!strncmp(name, "AMX", 3)) {
		need.xcr0 = XCR0_AMX;
	} else if (!strncmp(name, "AVX", 3) || !strncmp(name, "FMA", 3) || name[0] == 'V' ||
		   !strcmp(name, "F16C") || !strcmp(name, "XOP")) {
		need.features |= feature_bit("avx");
		need.xcr0 = XCR0_AVX;
	}
	return need;
}

static const struct need *need_of(ZydisISASet set)
{
	static struct need table[ZYDIS_ISA_SET_MAX_VALUE + 1];

	if (!table[set].known)
		table[set] = work_out(ZydisISASetGetString(set));
	return &table[set];
}

/* -- what the region can reach ----------------------------------------------------------- */

struct scan {
	const struct arch_code *code;
	struct arch_isa *out;
	ZydisDecoder decoder;
	struct map seen;     /* addresses of decoded instructions */
	struct map pages;    /* pages some of them lie in */
	struct u64vec work;  /* addresses to go on at */
	struct u64vec later; /* addresses that are taken: somebody may go there */
	bool certain;	     /* reached from the beginning by branches and calls alone */
	uint64_t machine;    /* features the machine of the capture had */
};

/* Up to 15 bytes of code, across pages; returns how many. */
static size_t fetch(const struct arch_code *code, uint64_t address, uint8_t *bytes)
{
	size_t got = 0;

	while (got < INSTRUCTION_MAX) {
		uint64_t at = address + got;
		const uint8_t *page = code->page(code->context, at & -(uint64_t)CHOP_PAGE_SIZE);
		size_t offset = at % CHOP_PAGE_SIZE, size = CHOP_PAGE_SIZE - offset;

		if (!page)
			break;
		size = size < INSTRUCTION_MAX - got ? size : INSTRUCTION_MAX - got;
		memcpy(bytes + got, page + offset, size);
		got += size;
	}
	return got;
}

static const char *irreproducible(ZydisMnemonic mnemonic)
{
	switch (mnemonic) {
	case ZYDIS_MNEMONIC_RDTSC:
	case ZYDIS_MNEMONIC_RDTSCP:
	case ZYDIS_MNEMONIC_RDRAND:
	case ZYDIS_MNEMONIC_RDSEED:
	case ZYDIS_MNEMONIC_RDPID:
	case ZYDIS_MNEMONIC_CPUID:
	case ZYDIS_MNEMONIC_XBEGIN:
	case ZYDIS_MNEMONIC_XGETBV:
	case ZYDIS_MNEMONIC_UMWAIT:
	case ZYDIS_MNEMONIC_TPAUSE:
		return ZydisMnemonicGetString(mnemonic);
	default:
		return NULL;
	}
}

static void note(struct scan *scan, const ZydisDecodedInstruction *instruction, uint64_t address)
{
	const struct need *need = need_of(instruction->meta.isa_set);
	const char *name = irreproducible(instruction->mnemonic);

	/* What the machine of the capture did not have was data, not code. */
	if (need->features & ~scan->machine)
		return;
	scan->out->features |= need->features;
	scan->out->xcr0 |= need->xcr0;
	if (!scan->certain)
		return;
	if (instruction->meta.isa_ext == ZYDIS_ISA_EXT_XSAVE ||
	    instruction->meta.isa_ext == ZYDIS_ISA_EXT_XSAVEC ||
	    instruction->meta.isa_ext == ZYDIS_ISA_EXT_XSAVEOPT)
		scan->out->saves_xstate |= instruction->mnemonic != ZYDIS_MNEMONIC_XGETBV;
	if (name && scan->out->hint_count < ARCH_ISA_HINTS)
		scan->out->hints[scan->out->hint_count++] = (struct arch_isa_hint){ address, name };
}

/* The word a jump or call through memory at a fixed address goes by: GOT entries. */
static bool through_memory(const struct scan *scan, const ZydisDecodedInstruction *instruction,
			   const ZydisDecodedOperand *operand, uint64_t address, uint64_t *target)
{
	const uint8_t *page;
	uint64_t slot;

	if (operand->type != ZYDIS_OPERAND_TYPE_MEMORY || operand->mem.base != ZYDIS_REGISTER_RIP ||
	    !ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(instruction, operand, address, &slot)) ||
	    slot % 8)
		return false;
	page = scan->code->page(scan->code->context, slot & -(uint64_t)CHOP_PAGE_SIZE);
	if (!page)
		return false;
	memcpy(target, page + slot % CHOP_PAGE_SIZE, sizeof(*target));
	return true;
}

static void branch(struct scan *scan, const ZydisDecodedInstruction *instruction,
		   const ZydisDecodedOperand *operands, uint64_t address)
{
	uint64_t target;

	if (!instruction->operand_count_visible)
		return;
	if (operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
		if (ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(instruction, operands, address, &target)))
			*vec_push(&scan->work) = target;
	} else if (through_memory(scan, instruction, operands, address, &target)) {
		*vec_push(&scan->work) = target;
	}
}

/* `lea f(%rip)`: the address of code is taken, somebody will go there. */
static void address_taken(struct scan *scan, const ZydisDecodedInstruction *instruction,
			  const ZydisDecodedOperand *operands, uint64_t address)
{
	uint64_t target;

	if (instruction->mnemonic == ZYDIS_MNEMONIC_LEA &&
	    operands[1].mem.base == ZYDIS_REGISTER_RIP &&
	    ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(instruction, &operands[1], address, &target)) &&
	    scan->code->is_code(scan->code->context, target))
		*vec_push(&scan->later) = target;
}

/* Follow straight-line code until it ends or meets what was seen. */
static void follow(struct scan *scan, uint64_t address)
{
	ZydisDecodedInstruction instruction;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	uint8_t bytes[INSTRUCTION_MAX];

	while (map_put(&scan->seen, address, 1)) {
		size_t size = fetch(scan->code, address, bytes);

		if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&scan->decoder, bytes, size, &instruction,
							 operands)))
			return;
		map_put(&scan->pages, address & -(uint64_t)CHOP_PAGE_SIZE, 1);
		address_taken(scan, &instruction, operands, address);
		note(scan, &instruction, address);
		switch (instruction.meta.category) {
		case ZYDIS_CATEGORY_COND_BR:
		case ZYDIS_CATEGORY_CALL:
			branch(scan, &instruction, operands, address);
			break;
		case ZYDIS_CATEGORY_UNCOND_BR:
			branch(scan, &instruction, operands, address);
			return;
		case ZYDIS_CATEGORY_RET:
			return;
		default:
			break;
		}
		address += instruction.length;
	}
}

/* Everything that is reached from an address. */
static void follow_all(struct scan *scan, uint64_t address)
{
	*vec_push(&scan->work) = address;
	while (scan->work.length)
		follow(scan, scan->work.items[--scan->work.length]);
}

/* A page that was touched, but by a way that cannot be followed: all that is in it. */
static void sweep(struct scan *scan, uint64_t page)
{
	ZydisDecodedInstruction instruction;
	uint8_t bytes[INSTRUCTION_MAX];

	for (uint64_t at = page; at < page + CHOP_PAGE_SIZE;) {
		size_t size = fetch(scan->code, at, bytes);

		if (ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&scan->decoder, NULL, bytes, size,
							       &instruction))) {
			note(scan, &instruction, at);
			at += instruction.length;
		} else {
			at++;
		}
	}
}

static uint64_t machine_features(const uint32_t *cpu)
{
	uint64_t has = 0;

	if (!cpu[CHOP_CPU_SIGNATURE])
		return ~0ull;
	for (size_t i = 0; i < FEATURE_COUNT; i++)
		has |= (uint64_t)(cpu[features[i].word] >> features[i].bit & 1) << i;
	return has;
}

void arch_isa_scan(const struct arch_code *code, const uint64_t *starts, size_t start_count,
		   const uint64_t *pages, size_t page_count, struct arch_isa *out)
{
	struct scan scan = { .code = code, .out = out, .machine = machine_features(code->cpu) };

	*out = (struct arch_isa){ 0 };
	ZydisDecoderInit(&scan.decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	scan.certain = true;
	if (start_count)
		follow_all(&scan, starts[0]);
	scan.certain = false;
	for (size_t i = 1; i < start_count; i++)
		follow_all(&scan, starts[i]);
	while (scan.later.length)
		follow_all(&scan, scan.later.items[--scan.later.length]);
	for (size_t i = 0; i < page_count; i++) {
		if (!map_has(&scan.pages, pages[i]))
			sweep(&scan, pages[i]);
	}
	map_release(&scan.seen);
	map_release(&scan.pages);
	vec_release(&scan.work);
	vec_release(&scan.later);
}

bool arch_isa_feature(const struct arch_isa *isa, unsigned int n, struct arch_feature *feature)
{
	for (size_t i = 0; i < FEATURE_COUNT; i++) {
		if (!(isa->features >> i & 1) || n--)
			continue;
		*feature = (struct arch_feature){
			.name = features[i].name,
			.leaf = words[features[i].word].leaf,
			.subleaf = words[features[i].word].subleaf,
			.reg = words[features[i].word].reg,
			.bit = features[i].bit,
		};
		return true;
	}
	return false;
}
