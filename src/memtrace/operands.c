// SPDX-License-Identifier: Apache-2.0
/*
 * The memory operands of ordinary instructions, EVEX masks and gathers included. Within
 * an instruction reads come before writes, each in operand order; that is also the order
 * in which the processor can perform them.
 */
#include "memtrace/builder.h"

#include <errno.h>
#include <string.h>

#include <chop/mem_trace.h>

static unsigned int log2_of(unsigned int value)
{
	return value ? (unsigned int)__builtin_ctz(value) : 0;
}

/* push, call, enter: Zydis names the stack pointer as it was before the store. */
static bool is_stack_write(const ZydisDecodedOperand *op)
{
	return op->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN && insn_gpr(op->mem.base) == RSP &&
	       (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE);
}

void describe_address(struct builder *b, const struct insn *insn, const ZydisDecodedOperand *op,
		      struct mem_op *out)
{
	int64_t delta;

	memset(out, 0, sizeof(*out));
	out->displacement = op->mem.disp.has_displacement ? op->mem.disp.value : 0;
	out->size = op->size / 8;
	if (insn->z.address_width == 32)
		out->flags |= MEM_ADDR32;
	if (op->mem.segment == ZYDIS_REGISTER_FS)
		out->flags |= MEM_FS;
	if (op->mem.segment == ZYDIS_REGISTER_GS)
		out->flags |= MEM_GS;
	if (op->mem.base == ZYDIS_REGISTER_RIP) {
		out->displacement += (int64_t)insn->next;
	} else if (op->mem.base != ZYDIS_REGISTER_NONE) {
		out->base = (uint8_t)builder_need(b, insn_gpr(op->mem.base), &delta);
		out->displacement += delta;
	}
	if (op->mem.index != ZYDIS_REGISTER_NONE && op->mem.type != ZYDIS_MEMOP_TYPE_VSIB) {
		out->index = (uint8_t)builder_need(b, insn_gpr(op->mem.index), &delta);
		out->shift = (uint8_t)log2_of(op->mem.scale);
		out->displacement += (int64_t)((uint64_t)delta << out->shift);
	}
	if (is_stack_write(op))
		out->displacement -= out->size;
	/* pop computes the address of its operand after it has moved the stack pointer */
	if (insn->z.mnemonic == ZYDIS_MNEMONIC_POP && insn_gpr(op->mem.base) == RSP &&
	    op->visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT)
		out->displacement += out->size;
}

/* Classes whose masked-out elements still count as accessed: no fault suppression. */
static bool mask_suppresses(const struct insn *insn)
{
	switch (insn->z.meta.exception_class) {
	case ZYDIS_EXCEPTION_CLASS_E1NF:
	case ZYDIS_EXCEPTION_CLASS_E2NF:
	case ZYDIS_EXCEPTION_CLASS_E3NF:
	case ZYDIS_EXCEPTION_CLASS_E4NF:
	case ZYDIS_EXCEPTION_CLASS_E5NF:
	case ZYDIS_EXCEPTION_CLASS_E6NF:
	case ZYDIS_EXCEPTION_CLASS_E9NF:
	case ZYDIS_EXCEPTION_CLASS_E10NF:
	case ZYDIS_EXCEPTION_CLASS_E11NF:
		return false;
	default:
		return true;
	}
}

static bool has_mask(const struct insn *insn)
{
	return insn->z.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX &&
	       insn->z.avx.mask.reg > ZYDIS_REGISTER_K0 &&
	       insn->z.avx.mask.reg <= ZYDIS_REGISTER_K7;
}

static bool is_packing(ZydisMnemonic mnemonic)
{
	switch (mnemonic) {
	case ZYDIS_MNEMONIC_VCOMPRESSPD:
	case ZYDIS_MNEMONIC_VCOMPRESSPS:
	case ZYDIS_MNEMONIC_VPCOMPRESSB:
	case ZYDIS_MNEMONIC_VPCOMPRESSD:
	case ZYDIS_MNEMONIC_VPCOMPRESSQ:
	case ZYDIS_MNEMONIC_VPCOMPRESSW:
	case ZYDIS_MNEMONIC_VEXPANDPD:
	case ZYDIS_MNEMONIC_VEXPANDPS:
	case ZYDIS_MNEMONIC_VPEXPANDB:
	case ZYDIS_MNEMONIC_VPEXPANDD:
	case ZYDIS_MNEMONIC_VPEXPANDQ:
	case ZYDIS_MNEMONIC_VPEXPANDW:
		return true;
	default:
		return false;
	}
}

/* Elements of the operation, one mask bit each. */
static unsigned int mask_lanes(const struct insn *insn, const ZydisDecodedOperand *op)
{
	const ZydisDecodedOperand *first = &insn->op[0];
	unsigned int size = op->element_size;

	if (op->element_count == 1 && insn->z.avx.broadcast.mode == ZYDIS_BROADCAST_MODE_INVALID)
		return 1; /* scalar */
	if (first->type == ZYDIS_OPERAND_TYPE_MEMORY)
		return op->element_count;
	if (ZydisRegisterGetClass(first->reg.value) != ZYDIS_REGCLASS_MASK)
		size = first->element_size;
	return size ? insn->z.avx.vector_length / size : 1;
}

static int store_mask(struct builder *b, ZydisRegister reg, struct mem_op *op)
{
	unsigned int slot = builder_slots(b, 1);

	op->a = (uint8_t)slot;
	if (!b->wide_masks)
		emit_slot_zero(&b->e, slot);
	return emit_slot_register(&b->e, slot, reg, b->wide_masks);
}

/* The mask of an EVEX operand: which bytes count. */
static int describe_masked(struct builder *b, const struct insn *insn,
			   const ZydisDecodedOperand *source, struct mem_op *op)
{
	unsigned int lanes = mask_lanes(insn, source);
	unsigned int elements = source->element_count;

	if (elements > lanes) /* one mask bit covers several elements */
		elements = lanes;
	if (!elements || !lanes || lanes > 64)
		return -ENOTSUP;
	op->form = is_packing(insn->z.mnemonic) ? MEM_PACKED : MEM_MASKED;
	op->elements = (uint8_t)elements;
	op->lanes = (uint8_t)lanes;
	op->size = source->size / 8 / elements;
	return store_mask(b, insn->z.avx.mask.reg, op);
}

/* vmaskmov*, vpmaskmov*, maskmovdqu, maskmovq: a vector of masks; 0 for other instructions. */
static unsigned int vector_mask_element(const struct insn *insn)
{
	switch (insn->z.mnemonic) {
	case ZYDIS_MNEMONIC_VMASKMOVPS:
	case ZYDIS_MNEMONIC_VPMASKMOVD:
		return 4;
	case ZYDIS_MNEMONIC_VMASKMOVPD:
	case ZYDIS_MNEMONIC_VPMASKMOVQ:
		return 8;
	case ZYDIS_MNEMONIC_MASKMOVDQU:
	case ZYDIS_MNEMONIC_VMASKMOVDQU:
	case ZYDIS_MNEMONIC_MASKMOVQ:
		return 1;
	default:
		return 0;
	}
}

static int store_vector(struct builder *b, ZydisRegister reg, uint8_t *slot)
{
	unsigned int bytes = ZydisRegisterGetWidth(ZYDIS_MACHINE_MODE_LONG_64, reg) / 8;

	*slot = (uint8_t)builder_slots(b, bytes / 8);
	return emit_slot_register(&b->e, *slot, reg, b->wide_masks);
}

/* The mask is always the second operand. */
static int describe_vector_masked(struct builder *b, const struct insn *insn, unsigned int element,
				  struct mem_op *op)
{
	op->form = MEM_VMASKED;
	op->elements = (uint8_t)(op->size / element);
	op->size = element;
	return store_vector(b, insn->op[1].reg.value, &op->a);
}

/* Bytes of an index: the letter after "gather" or "scatter" in the name. */
static unsigned int index_bytes(ZydisMnemonic mnemonic)
{
	const char *name = ZydisMnemonicGetString(mnemonic);
	const char *verb = strstr(name, "gather");

	verb = verb ? verb + strlen("gather") : strstr(name, "scatter");
	if (!verb)
		return 0;
	if (!strncmp(verb, "scatter", strlen("scatter")))
		verb += strlen("scatter");
	return *verb == 'q' ? 8 : 4;
}

static int describe_gather(struct builder *b, const struct insn *insn,
			   const ZydisDecodedOperand *source, struct mem_op *op)
{
	unsigned int index = index_bytes(insn->z.mnemonic);
	unsigned int vector =
		ZydisRegisterGetWidth(ZYDIS_MACHINE_MODE_LONG_64, source->mem.index) / 8;
	unsigned int size = source->element_size / 8;
	bool evex = insn->z.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX;
	unsigned int elements;
	int error;

	if (!index || !size)
		return -ENOTSUP;
	elements = insn->z.avx.vector_length / 8 / size;
	if (vector / index < elements)
		elements = vector / index;
	op->form = evex ? MEM_GATHER : MEM_VGATHER;
	op->size = size;
	op->elements = (uint8_t)elements;
	op->lanes = (uint8_t)elements;
	op->unit = (uint8_t)index;
	op->shift = (uint8_t)log2_of(source->mem.scale);
	error = store_vector(b, source->mem.index, &op->index);
	if (error)
		return error;
	if (evex)
		return store_mask(b, insn->z.avx.mask.reg, op);
	return store_vector(b, insn->op[2].reg.value, &op->a);
}

static int describe(struct builder *b, const struct insn *insn, const ZydisDecodedOperand *source,
		    struct mem_op *op)
{
	unsigned int element = vector_mask_element(insn);

	describe_address(b, insn, source, op);
	if (source->mem.type == ZYDIS_MEMOP_TYPE_VSIB)
		return describe_gather(b, insn, source, op);
	if (element)
		return describe_vector_masked(b, insn, element, op);
	if (has_mask(insn) && mask_suppresses(insn))
		return describe_masked(b, insn, source, op);
	return op->size ? 0 : -ENOTSUP;
}

static bool is_access(const ZydisDecodedOperand *op)
{
	return op->type == ZYDIS_OPERAND_TYPE_MEMORY && op->mem.type != ZYDIS_MEMOP_TYPE_AGEN &&
	       op->mem.type != ZYDIS_MEMOP_TYPE_MIB && op->actions;
}

int record_operands(struct builder *b, const struct insn *insn)
{
	struct mem_op op[ZYDIS_MAX_OPERAND_COUNT];
	int error;

	for (unsigned int i = 0; i < insn->z.operand_count; i++) {
		if (!is_access(&insn->op[i]))
			continue;
		error = describe(b, insn, &insn->op[i], &op[i]);
		if (error)
			return error;
		if (!(insn->op[i].actions & ZYDIS_OPERAND_ACTION_MASK_READ))
			continue;
		op[i].kind = CHOP_MEM_READ;
		builder_op(b, &op[i]);
	}
	for (unsigned int i = 0; i < insn->z.operand_count; i++) {
		if (!is_access(&insn->op[i]) ||
		    !(insn->op[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
			continue;
		op[i].kind = CHOP_MEM_WRITE;
		builder_op(b, &op[i]);
	}
	return 0;
}
