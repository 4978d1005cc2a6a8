// SPDX-License-Identifier: Apache-2.0
/* Which places of a text branches lead to. */
#include "arch/relocate.h"

#include <Zydis/Zydis.h>
#include <string.h>

#include "base/alloc.h"

static enum flow_kind kind_of(const ZydisDecodedInstruction *instruction, bool direct)
{
	switch (instruction->meta.category) {
	case ZYDIS_CATEGORY_RET:
		return FLOW_RETURN;
	case ZYDIS_CATEGORY_UNCOND_BR:
		return direct ? FLOW_JUMP : FLOW_INDIRECT;
	case ZYDIS_CATEGORY_COND_BR:
		return FLOW_BRANCH;
	case ZYDIS_CATEGORY_CALL:
		return direct ? FLOW_CALL : FLOW_NEXT;
	default:
		break;
	}
	switch (instruction->mnemonic) {
	case ZYDIS_MNEMONIC_UD2:
	case ZYDIS_MNEMONIC_HLT:
	case ZYDIS_MNEMONIC_INT3:
		return FLOW_STOP;
	case ZYDIS_MNEMONIC_NOP:
		return FLOW_PADDING;
	default:
		return direct ? FLOW_BRANCH : FLOW_NEXT; /* xbegin */
	}
}

bool flow_decode(const uint8_t *code, size_t size, uint64_t address, struct flow *flow)
{
	ZydisDecodedInstruction instruction;
	ZydisDecoder decoder;
	bool direct;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, code, size, &instruction)))
		return false;
	direct = instruction.raw.imm[0].size && instruction.raw.imm[0].is_relative;
	*flow = (struct flow){ .kind = kind_of(&instruction, direct), .size = instruction.length };
	if (direct) {
		flow->target =
			address + instruction.length + (uint64_t)instruction.raw.imm[0].value.s;
	} else if (instruction.mnemonic == ZYDIS_MNEMONIC_LEA && instruction.raw.modrm.mod == 0 &&
		   instruction.raw.modrm.rm == 5) {
		flow->kind = FLOW_ADDRESS;
		flow->target = address + instruction.length + (uint64_t)instruction.raw.disp.value;
	}
	return true;
}

/* -- targets -------------------------------------------------------------------------------- */

static bool get(const uint8_t *bits, uint64_t n)
{
	return bits[n / 8] >> (n % 8) & 1;
}

static void set(uint8_t *bits, uint64_t n)
{
	bits[n / 8] |= (uint8_t)(1 << (n % 8));
}

void relocate_targets_init(struct relocate_targets *targets, uint64_t start, uint64_t end)
{
	size_t size = (end - start) / 8 + 1;

	*targets = (struct relocate_targets){
		.start = start,
		.end = end,
		.wanted = xcalloc(size, 1),
		.hit = xcalloc(size, 1),
	};
}

void relocate_targets_release(struct relocate_targets *targets)
{
	free(targets->wanted);
	free(targets->hit);
	*targets = (struct relocate_targets){ 0 };
}

void relocate_targets_add(struct relocate_targets *targets, uint64_t place)
{
	for (uint64_t at = place + 1; at < place + RELOCATE_JUMP; at++) {
		if (at > targets->start && at < targets->end)
			set(targets->wanted, at - targets->start);
	}
}

void relocate_targets_note(struct relocate_targets *targets, uint64_t target)
{
	uint64_t n = target - targets->start;

	if (target >= targets->start && target < targets->end && get(targets->wanted, n))
		set(targets->hit, n);
}

bool relocate_targets_inside(const struct relocate_targets *targets, uint64_t place)
{
	for (uint64_t at = place + 1; at < place + RELOCATE_JUMP; at++) {
		if (at > targets->start && at < targets->end &&
		    get(targets->hit, at - targets->start))
			return true;
	}
	return false;
}

/* The four bytes after `code[-1]` are the operand of a branch, or of an lea. */
static bool is_operand(const uint8_t *code, size_t before)
{
	uint8_t last = before > 0 ? code[-1] : 0, first = before > 1 ? code[-2] : 0;

	return (last & 0xfe) == 0xe8 ||			   /* call, jmp */
	       (first == 0x0f && (last & 0xf0) == 0x80) || /* jcc */
	       (first == 0xc7 && last == 0xf8) ||	   /* xbegin */
	       (first == 0x8d && (last & 0xc7) == 0x05);   /* lea disp32(%rip) */
}

void relocate_targets_scan(const struct relocate_targets *targets, const uint8_t *code, size_t size,
			   uint64_t address, relocate_targets_found found, void *context)
{
	uint64_t span = targets->end - targets->start;

	for (size_t i = 0; i + 4 <= size; i++) {
		int32_t value;
		uint64_t n;

		memcpy(&value, code + i, sizeof(value));
		n = address + i + 4 + (uint64_t)(int64_t)value - targets->start;
		if (n < span && get(targets->wanted, n) && is_operand(code + i, i))
			found(context, address + i);
	}
}
