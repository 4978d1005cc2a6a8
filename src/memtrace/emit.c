// SPDX-License-Identifier: Apache-2.0
#include "memtrace/emit.h"

#include <errno.h>
#include <string.h>

#include "memtrace/state.h"

#define REX_W 0x48

static void byte(struct emitter *e, unsigned int value)
{
	*e->at++ = (uint8_t)value;
}

static void word(struct emitter *e, uint32_t value)
{
	memcpy(e->at, &value, 4);
	e->at += 4;
}

void emit_bytes(struct emitter *e, const void *bytes, unsigned int count)
{
	memcpy(e->at, bytes, count);
	e->at += count;
}

/* ModRM and SIB for [disp32], and the displacement of a field of the state. */
static void state_operand(struct emitter *e, int reg, unsigned int offset)
{
	byte(e, 0x04 | (reg & 7) << 3);
	byte(e, 0x25);
	word(e, (uint32_t)(uintptr_t)e->state + offset);
}

void emit_save(struct emitter *e, int reg, unsigned int offset)
{
	byte(e, REX_W | (reg >> 3) << 2);
	byte(e, 0x89);
	state_operand(e, reg, offset);
}

void emit_load(struct emitter *e, int reg, unsigned int offset)
{
	byte(e, REX_W | (reg >> 3) << 2);
	byte(e, 0x8b);
	state_operand(e, reg, offset);
}

void emit_set(struct emitter *e, unsigned int offset, uint32_t value)
{
	byte(e, REX_W);
	byte(e, 0xc7);
	state_operand(e, 0, offset);
	word(e, value);
}

void emit_jump_state(struct emitter *e, unsigned int offset)
{
	byte(e, 0xff);
	state_operand(e, 4, offset);
}

/* ModRM and displacement for [r11 + 8 * slot]. */
static void ring_operand(struct emitter *e, int reg, unsigned int slot)
{
	if (slot < 16) {
		byte(e, 0x40 | (reg & 7) << 3 | (STOLEN & 7));
		byte(e, slot * 8);
	} else {
		byte(e, 0x80 | (reg & 7) << 3 | (STOLEN & 7));
		word(e, slot * 8);
	}
}

void emit_block_number(struct emitter *e, uint32_t number, bool whole_word)
{
	byte(e, (whole_word ? REX_W : 0x40) | 1);
	byte(e, 0xc7);
	byte(e, STOLEN & 7);
	word(e, number);
}

void emit_slot(struct emitter *e, unsigned int slot, int reg)
{
	byte(e, REX_W | (reg >> 3) << 2 | 1);
	byte(e, 0x89);
	ring_operand(e, reg, slot);
}

void emit_slot_zero(struct emitter *e, unsigned int slot)
{
	byte(e, REX_W | 1);
	byte(e, 0xc7);
	ring_operand(e, 0, slot);
	word(e, 0);
}

static int encode(struct emitter *e, const ZydisEncoderRequest *request)
{
	ZyanUSize length = ZYDIS_MAX_INSTRUCTION_LENGTH;

	if (ZYAN_FAILED(ZydisEncoderEncodeInstruction(request, e->at, &length)))
		return -ENOTSUP;
	e->at += length;
	return 0;
}

static void ring_request(ZydisEncoderRequest *request, unsigned int slot, unsigned int bytes)
{
	memset(request, 0, sizeof(*request));
	request->machine_mode = ZYDIS_MACHINE_MODE_LONG_64;
	request->operands[0].type = ZYDIS_OPERAND_TYPE_MEMORY;
	request->operands[0].mem.base = ZYDIS_REGISTER_R11;
	request->operands[0].mem.displacement = slot * 8;
	request->operands[0].mem.size = (ZyanU16)bytes;
	request->operand_count = 1;
}

static void add_register(ZydisEncoderRequest *request, ZydisRegister reg)
{
	ZydisEncoderOperand *operand = &request->operands[request->operand_count++];

	operand->type = ZYDIS_OPERAND_TYPE_REGISTER;
	operand->reg.value = reg;
}

int emit_slot_register(struct emitter *e, unsigned int slot, ZydisRegister reg, bool wide_masks)
{
	ZydisEncoderRequest request;
	bool high = false;

	switch (ZydisRegisterGetClass(reg)) {
	case ZYDIS_REGCLASS_MASK:
		ring_request(&request, slot, wide_masks ? 8 : 2);
		request.mnemonic = wide_masks ? ZYDIS_MNEMONIC_KMOVQ : ZYDIS_MNEMONIC_KMOVW;
		break;
	case ZYDIS_REGCLASS_MMX:
		ring_request(&request, slot, 8);
		request.mnemonic = ZYDIS_MNEMONIC_MOVQ;
		break;
	case ZYDIS_REGCLASS_XMM:
		high = reg > ZYDIS_REGISTER_XMM15;
		ring_request(&request, slot, 16);
		request.mnemonic = high ? ZYDIS_MNEMONIC_VMOVDQU64 : ZYDIS_MNEMONIC_MOVDQU;
		break;
	case ZYDIS_REGCLASS_YMM:
		high = reg > ZYDIS_REGISTER_YMM15;
		ring_request(&request, slot, 32);
		request.mnemonic = high ? ZYDIS_MNEMONIC_VMOVDQU64 : ZYDIS_MNEMONIC_VMOVDQU;
		break;
	case ZYDIS_REGCLASS_ZMM:
		high = true;
		ring_request(&request, slot, 64);
		request.mnemonic = ZYDIS_MNEMONIC_VMOVDQU64;
		break;
	default:
		return -ENOTSUP;
	}
	if (high)
		add_register(&request, ZYDIS_REGISTER_K0);
	add_register(&request, reg);
	return encode(e, &request);
}

int emit_slot_tile_config(struct emitter *e, unsigned int slot)
{
	ZydisEncoderRequest request;

	ring_request(&request, slot, 64);
	request.mnemonic = ZYDIS_MNEMONIC_STTILECFG;
	return encode(e, &request);
}

void emit_advance(struct emitter *e, unsigned int slots)
{
	byte(e, REX_W | 4 | 1);
	byte(e, 0x8d);
	ring_operand(e, STOLEN, slots);
}

uint8_t *emit_branch(struct emitter *e, uint8_t opcode, uint8_t opcode2)
{
	byte(e, opcode);
	if (opcode2)
		byte(e, opcode2);
	word(e, 0);
	return e->at - 4;
}

void emit_link(uint8_t *displacement, const uint8_t *target)
{
	int32_t distance = (int32_t)(target - (displacement + 4));

	memcpy(displacement, &distance, 4);
}

uint8_t *emit_push_constant(struct emitter *e, uint64_t value)
{
	if ((int64_t)value == (int32_t)value) {
		byte(e, 0x68); /* push imm32, sign-extended */
		word(e, (uint32_t)value);
		return NULL;
	}
	return emit_branch(e, 0xff, 0x35); /* push qword [rip + displacement] */
}

void emit_constant(struct emitter *e, uint8_t *displacement, uint64_t value)
{
	emit_link(displacement, e->at);
	emit_bytes(e, &value, sizeof(value));
}

void emit_move(struct emitter *e, int to, int from)
{
	byte(e, REX_W | (from >> 3) << 2 | to >> 3);
	byte(e, 0x89);
	byte(e, 0xc0 | (from & 7) << 3 | (to & 7));
}

void emit_drop_stack(struct emitter *e, uint32_t count)
{
	static const uint8_t lea[] = { 0x48, 0x8d, 0xa4, 0x24 };

	emit_bytes(e, lea, sizeof(lea));
	word(e, count);
}

/* [rcx * 8 + field of the state] as the operand of `reg`. */
static void indexed_operand(struct emitter *e, int reg, unsigned int offset)
{
	byte(e, 0x04 | (reg & 7) << 3);
	byte(e, 0xcd);
	word(e, (uint32_t)(uintptr_t)e->state + offset);
}

void emit_indirect(struct emitter *e)
{
	static const uint8_t low_bits[] = { 0x41, 0x0f, 0xb7, 0xcb }; /* movzx ecx, r11w */
	static const uint8_t sum[] = { 0x4a, 0x8d, 0x0c, 0x19 };      /* lea rcx, [rcx + r11] */
	uint8_t *hit;

	emit_save(e, RCX, STATE_RCX);
	emit_bytes(e, low_bits, sizeof(low_bits));
	byte(e, REX_W);
	byte(e, 0x8b);
	indexed_operand(e, RCX, STATE_KEYS);
	emit_bytes(e, sum, sizeof(sum));
	byte(e, 0xe3); /* jrcxz */
	hit = e->at;
	byte(e, 0);
	emit_jump_state(e, STATE_GATE_MISS);
	*hit = (uint8_t)(e->at - hit - 1);
	emit_bytes(e, low_bits, sizeof(low_bits));
	byte(e, 0xff);
	indexed_operand(e, 4, STATE_VALUES);
}

void emit_entry(struct emitter *e)
{
	emit_load(e, RCX, STATE_RCX);
	emit_load(e, STOLEN, STATE_PTR);
}

/* Save rax, point it at the state, go to the routine whose address is in `field`. */
static void emit_gate(struct emitter *e, unsigned int field)
{
	emit_save(e, RAX, STATE_RAX);
	byte(e, 0xb8); /* mov eax, imm32 */
	word(e, (uint32_t)(uintptr_t)e->state);
	emit_jump_state(e, field);
}

void emit_gates(struct emitter *e, struct state *state)
{
	state->gate_exit = (uintptr_t)e->at;
	emit_gate(e, STATE_ASM_EXIT);
	state->gate_miss = (uintptr_t)e->at;
	emit_gate(e, STATE_ASM_MISS);
	state->found = (uintptr_t)e->at;
	emit_load(e, RDX, STATE_RDX);
	state->resume = (uintptr_t)e->at;
	emit_load(e, RAX, STATE_RAX);
	emit_jump_state(e, STATE_JUMP);
	state->asm_exit = (uintptr_t)memtrace_exit;
	state->asm_miss = (uintptr_t)memtrace_miss;
}
