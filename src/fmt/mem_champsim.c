// SPDX-License-Identifier: Apache-2.0
/*
 * ChampSim's input_instr (inc/trace_instruction.h): 64 bytes for each instruction. What
 * kind of branch one is, ChampSim derives from the special registers read and written
 * (inc/instruction.h); this writes them as its Pin tracer does. Compared with both files of
 * ChampSim's repository (commits 06a434b5ac92, 01306d45df6e; the former is of a branch that
 * adds a field at the end). An iteration of a repeated string instruction is an instruction, as
 * for Pin.
 */
#include "fmt/mem_format.h"

#include <errno.h>
#include <string.h>

#include "fmt/mem_insns.h"

#define CHAMPSIM_SP    6
#define CHAMPSIM_FLAGS 25
#define CHAMPSIM_IP    26
#define CHAMPSIM_OTHER 63 /* stands for a branch target that comes from memory */
#define TARGETS	       2
#define SOURCES	       4

struct input_instr {
	uint64_t ip;
	uint8_t is_branch, branch_taken;
	uint8_t target_regs[TARGETS], source_regs[SOURCES];
	uint64_t target_memory[TARGETS], source_memory[SOURCES];
};
_Static_assert(sizeof(struct input_instr) == 64, "ChampSim's format");

static uint8_t reg_number(uint8_t fact)
{
	switch (fact) {
	case FACT_STACK_POINTER:
		return CHAMPSIM_SP;
	case FACT_FLAGS:
		return CHAMPSIM_FLAGS;
	case FACT_IP:
		return CHAMPSIM_IP;
	default:
		/* any number but the special ones: general registers from 40 on */
		return fact < FACT_X87 ? (uint8_t)(fact + 40) : (uint8_t)(fact + 64);
	}
}

static void add_reg(uint8_t *regs, unsigned int room, uint8_t number)
{
	for (unsigned int i = 0; i < room; i++) {
		if (regs[i] == number)
			return;
		if (regs[i])
			continue;
		regs[i] = number;
		return;
	}
}

/* The special registers come first: they must not be crowded out. */
static void mark_branch(struct input_instr *out, const struct insn_facts *facts)
{
	uint8_t *from = out->source_regs, *to = out->target_regs;

	switch (facts->branch) {
	case BRANCH_CONDITIONAL:
		add_reg(from, SOURCES, CHAMPSIM_IP);
		add_reg(from, SOURCES, CHAMPSIM_FLAGS);
		break;
	case BRANCH_JUMP:
		add_reg(from, SOURCES, CHAMPSIM_IP);
		break;
	case BRANCH_CALL:
	case BRANCH_CALL_INDIRECT:
		add_reg(from, SOURCES, CHAMPSIM_IP);
		add_reg(from, SOURCES, CHAMPSIM_SP);
		add_reg(to, TARGETS, CHAMPSIM_SP);
		break;
	case BRANCH_RETURN:
		add_reg(from, SOURCES, CHAMPSIM_SP);
		add_reg(to, TARGETS, CHAMPSIM_SP);
		break;
	default:
		break;
	}
	if (facts->branch != BRANCH_NONE)
		add_reg(to, TARGETS, CHAMPSIM_IP);
}

/* Registers an indirect branch takes its target from; those that decide its kind are set. */
static void add_target_regs(struct input_instr *out, const struct insn_facts *facts)
{
	if (facts->memory_target)
		add_reg(out->source_regs, SOURCES, CHAMPSIM_OTHER);
	for (unsigned int i = 0; facts->reads[i]; i++) {
		uint8_t number = reg_number(facts->reads[i]);

		if (number != CHAMPSIM_SP && number != CHAMPSIM_IP && number != CHAMPSIM_FLAGS)
			add_reg(out->source_regs, SOURCES, number);
	}
}

static void add_registers(struct input_instr *out, const struct insn_facts *facts)
{
	if (facts->branch == BRANCH_JUMP_INDIRECT || facts->branch == BRANCH_CALL_INDIRECT)
		add_target_regs(out, facts);
	if (facts->branch != BRANCH_NONE && facts->branch != BRANCH_SYSTEM_CALL)
		return;
	for (unsigned int i = 0; facts->reads[i]; i++)
		add_reg(out->source_regs, SOURCES, reg_number(facts->reads[i]));
	for (unsigned int i = 0; facts->writes[i]; i++) {
		if (facts->writes[i] != FACT_IP)
			add_reg(out->target_regs, TARGETS, reg_number(facts->writes[i]));
	}
}

static void add_access(struct mem_convert *c, struct input_instr *out,
		       const struct chop_mem_record *r)
{
	bool write = r->kind == CHOP_MEM_WRITE;
	uint64_t *places = write ? out->target_memory : out->source_memory;
	unsigned int room = write ? TARGETS : SOURCES;

	for (unsigned int i = 0; i < room; i++) {
		if (places[i])
			continue;
		places[i] = r->address;
		return;
	}
	c->left_out++;
}

static void put(struct mem_convert *c, const struct input_instr *record)
{
	mem_out_add(&c->out, record, sizeof(*record));
}

static void put_iterations(struct mem_convert *c, struct gathered *g, struct input_instr *record,
			   size_t each)
{
	const struct chop_mem_record *r = g->accesses.items;

	for (size_t i = 0; i < g->accesses.length; i += each) {
		memset(record->target_memory, 0, sizeof(record->target_memory));
		memset(record->source_memory, 0, sizeof(record->source_memory));
		for (size_t j = i; j < i + each && j < g->accesses.length; j++)
			add_access(c, record, &r[j]);
		put(c, record);
	}
	if (!g->accesses.length)
		put(c, record);
}

static int champsim_emit(struct mem_convert *c, struct gathered *g, uint64_t next)
{
	struct input_instr record = { .ip = g->fetch.address };
	const struct insn_facts *facts;
	bool first;

	facts = gathered_facts(c, g, &first);
	if (!facts)
		return -EINVAL;
	if (facts->branch != BRANCH_NONE && facts->branch != BRANCH_SYSTEM_CALL) {
		record.is_branch = 1;
		record.branch_taken = facts->branch != BRANCH_CONDITIONAL ||
				      next != g->fetch.address + g->fetch.size;
		mark_branch(&record, facts);
	}
	add_registers(&record, facts);
	if (facts->repeated) {
		put_iterations(c, g, &record, facts->repeated);
		return 0;
	}
	for (size_t i = 0; i < g->accesses.length; i++)
		add_access(c, &record, &g->accesses.items[i]);
	put(c, &record);
	return 0;
}

static int champsim_add(struct mem_convert *c, const struct chop_mem_record *r)
{
	return gather(c, c->state, r, champsim_emit);
}

static int champsim_end(struct mem_convert *c)
{
	return gather_end(c, c->state, champsim_emit);
}

const struct mem_format mem_format_champsim = {
	.name = "champsim",
	.about = "ChampSim input_instr, 64 bytes an instruction (name it .gz)",
	.binary = true,
	.needs_fetch = true,
	.kinds = 1U << CHOP_MEM_READ | 1U << CHOP_MEM_WRITE | 1U << CHOP_MEM_FETCH,
	.state_size = sizeof(struct gathered),
	.add = champsim_add,
	.end = champsim_end,
};
