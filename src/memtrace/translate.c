// SPDX-License-Identifier: Apache-2.0
#include "memtrace/translate.h"

#include <cpuid.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <chop/arch.h>

#include "base/err.h"

/* Room left in a cache before a block is begun: more than any block takes. */
#define BLOCK_ROOM 65536
/* A block ends before it has more of these; one instruction takes at most 40 slots. */
#define BLOCK_INSNS 64
#define BLOCK_SLOTS 120
#define BLOCK_OPS   256
/* Branches in a block, each leaving it to the side when taken. */
#define BLOCK_SIDES 16
/* A loop that fits is repeated so often in its block. */
#define BLOCK_LAPS 8

struct side {
	uint8_t *branch; /* displacement of the conditional branch */
	uint64_t target;
	struct mem_block block; /* the part of the block before it */
};

/* What one round of a loop takes that begins and ends where the block does. */
struct lap {
	unsigned int count; /* rounds begun after the first */
	unsigned int ninsns, nslots, nops, nsides;
};

/* The return address of a call, which lies behind the block's code. */
struct constant {
	uint8_t *displacement;
	uint64_t value;
};

struct work {
	struct translator *t;
	struct builder b;
	uint64_t pc;		    /* next instruction */
	uint64_t seen[BLOCK_INSNS]; /* targets followed, not to be followed again */
	unsigned int nseen, nsides, nconstants;
	struct lap lap;
	bool ring_saved; /* the ring pointer is in the state */
	struct side sides[BLOCK_SIDES];
	struct constant constants[BLOCK_INSNS];
};

static bool has_wide_masks(void)
{
	unsigned int a, b, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & 1U << 30);
}

int translator_init(struct translator *t)
{
	size_t size = sizeof(*t->table) << TABLE_BITS;
	struct emitter e;

	ZydisDecoderInit(&t->decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	t->wide_masks = has_wide_masks();
	t->table = mmap((void *)(uintptr_t)t->far, size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->table == MAP_FAILED)
		return err_sys(CHOP_MISSING, errno, "memory for the table of blocks");
	t->state = cache_low_memory(&t->caches, sizeof(*t->state));
	if (!t->state) {
		munmap(t->table, size);
		return err_set(CHOP_MISSING, ENOMEM,
			       "no free memory below 2 GB beside the program's");
	}
	t->origins = mmap((void *)(uintptr_t)(t->far ? t->far + size : 0),
			  t->tables->max_insns * sizeof(*t->origins), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->origins == MAP_FAILED)
		t->origins = NULL; /* faults are less precise then */
	t->state->table = t->table;
	if (!t->tables->nblocks)
		t->tables->nblocks = 1; /* number 0 stands for no block */
	for (size_t i = 0; i < STATE_FAST; i++)
		t->state->keys[i] = 1; /* address -1: none */
	e.at = t->state->code;
	e.state = t->state;
	emit_gates(&e, t->state);
	*vec_push(&t->exits) = (struct block_exit){ 0 }; /* number 0 is an indirect branch */
	return 0;
}

void translator_release(struct translator *t)
{
	munmap(t->table, sizeof(*t->table) << TABLE_BITS);
	munmap(t->state, sizeof(*t->state));
	if (t->origins)
		munmap(t->origins, t->tables->max_insns * sizeof(*t->origins));
	cache_release(&t->caches);
	vec_release(&t->exits);
	map_release(&t->past_ends);
	map_release(&t->pages);
	map_release(&t->parts);
	vec_release(&t->part_list);
	vec_release(&t->page_list);
}

static struct table_entry *table_slot(const struct translator *t, uint64_t pc)
{
	uint64_t at = pc * TABLE_MULTIPLIER >> (64 - TABLE_BITS);

	while (t->table[at].address && t->table[at].address != pc)
		at = (at + 1) & ((1UL << TABLE_BITS) - 1);
	return &t->table[at];
}

uint8_t *translator_find(const struct translator *t, uint64_t pc)
{
	const struct table_entry *entry = table_slot(t, pc);

	return entry->address ? entry->entry + BLOCK_ENTRY : NULL;
}

int translator_decode(const struct translator *t, uint64_t pc, struct insn *insn)
{
	uint8_t code[ZYDIS_MAX_INSTRUCTION_LENGTH];
	size_t available = t->read_code(t->context, pc, code, sizeof(code));

	return insn_decode(&t->decoder, pc, code, available, insn);
}

static bool is_end(const struct translator *t, uint64_t pc)
{
	for (size_t i = 0; i < t->nends; i++) {
		if (t->ends[i] == pc)
			return true;
	}
	return false;
}

/* Leave for C by exit number `exits.length`. */
static void emit_exit(struct work *w, enum exit_kind kind, uint64_t target, uint8_t *branch)
{
	struct emitter *e = &w->b.e;

	if (branch)
		emit_link(branch, e->at);
	*vec_push(&w->t->exits) = (struct block_exit){ kind, target, branch, e->at };
	emit_save(e, STOLEN, STATE_PTR);
	emit_set(e, STATE_EXIT, (uint32_t)(w->t->exits.length - 1));
	emit_jump_state(e, STATE_GATE_EXIT);
}

static bool reaches(const uint8_t *from, const uint8_t *to)
{
	int64_t distance = to - from;

	return distance == (int32_t)distance;
}

/* A branch whose displacement is at `branch` shall go to the program's `target`. */
static void link_or_exit(struct work *w, uint8_t *branch, uint64_t target)
{
	uint8_t *code = translator_find(w->t, target);

	if (code && reaches(branch + 4, code))
		emit_link(branch, code);
	else
		emit_exit(w, EXIT_LINK, target, branch);
}

static uint32_t add_block(struct work *w, const struct mem_block *block)
{
	uint32_t number = w->t->tables->nblocks++;

	w->t->tables->blocks[number] = *block;
	w->t->tables->blocks[number].whole = w->b.block.nslots;
	return number;
}

/* The places where the block is left to the side: correct its number, then go. */
static void emit_sides(struct work *w)
{
	struct emitter *e = &w->b.e;

	for (unsigned int i = 0; i < w->nsides; i++) {
		const struct side *side = &w->sides[i];

		emit_link(side->branch, e->at);
		emit_block_number(e, add_block(w, &side->block), false);
		emit_advance(e, side->block.nslots);
		link_or_exit(w, emit_branch(e, 0xe9, 0), side->target);
	}
}

static void push_constant(struct work *w, uint64_t value)
{
	uint8_t *displacement = emit_push_constant(&w->b.e, value);

	if (displacement)
		w->constants[w->nconstants++] = (struct constant){ displacement, value };
}

static void emit_constants(struct work *w)
{
	for (unsigned int i = 0; i < w->nconstants; i++)
		emit_constant(&w->b.e, w->constants[i].displacement, w->constants[i].value);
}

static void copy_insn(struct work *w, const struct insn *insn)
{
	struct emitter *e = &w->b.e;
	uint8_t *at;

	if (insn->uses_stolen) {
		/* within a block it stays what it is; a fault that moves it tells the state */
		if (!w->ring_saved)
			emit_save(e, STOLEN, STATE_PTR);
		w->ring_saved = true;
		emit_load(e, STOLEN, STATE_R11);
	}
	at = e->at;
	emit_bytes(e, insn->code, insn->z.length);
	if (insn->rip_relative) {
		int64_t disp = insn->z.raw.disp.value + (int64_t)(insn->ip - (uintptr_t)at);
		int32_t disp32 = (int32_t)disp;

		memcpy(at + insn->z.raw.disp.offset, &disp32, 4);
	}
	if (insn->uses_stolen) {
		if (insn->writes_stolen)
			emit_save(e, STOLEN, STATE_R11);
		emit_load(e, STOLEN, STATE_PTR);
	}
}

/* Whether the moved copy can still express its rip-relative operand. */
static bool can_move(const struct work *w, const struct insn *insn)
{
	int64_t disp = insn->z.raw.disp.value + (int64_t)(insn->ip - (uintptr_t)w->b.e.at);

	if (!insn->rip_relative)
		return true;
	return insn->z.raw.disp.size == 32 && disp > INT32_MIN + 65536 && disp < INT32_MAX - 65536;
}

/* R11 = the operand of an indirect branch; the ring pointer is saved already. */
static void load_target(struct work *w, const struct insn *insn)
{
	struct emitter *e = &w->b.e;
	uint8_t code[ZYDIS_MAX_INSTRUCTION_LENGTH + 1];
	unsigned int in, out = 0, opcode = insn->z.raw.modrm.offset - 1U;
	uint8_t rex = 0x4c;

	if (insn->uses_stolen)
		emit_load(e, STOLEN, STATE_R11);
	if (insn->op[0].type == ZYDIS_OPERAND_TYPE_REGISTER) {
		int reg = insn_gpr(insn->op[0].reg.value);

		if (reg != STOLEN)
			emit_move(e, STOLEN, reg);
		return;
	}
	/* ff /2 and ff /4 become 8b /r with r11: the operand's bytes stay as they are */
	for (in = 0; in < opcode; in++) {
		uint8_t prefix = insn->code[in];

		if ((prefix & 0xf0) == 0x40)
			rex |= prefix & 3;
		else if (prefix == 0x64 || prefix == 0x65 || prefix == 0x67)
			code[out++] = prefix;
	}
	code[out++] = rex;
	code[out++] = 0x8b;
	code[out++] = (uint8_t)((insn->code[opcode + 1] & 0xc7) | (STOLEN & 7) << 3);
	in = opcode + 2;
	memcpy(code + out, insn->code + in, insn->z.length - in);
	if (insn->rip_relative) {
		int64_t place = (int64_t)(uintptr_t)e->at + out + insn->z.length - in;
		int32_t disp = (int32_t)((int64_t)insn->next + insn->z.raw.disp.value - place);

		memcpy(code + out, &disp, 4);
	}
	emit_bytes(e, code, out + insn->z.length - in);
}

/* The last instruction of a block is an indirect branch. */
static void emit_indirect_end(struct work *w, const struct insn *insn)
{
	static const uint8_t pop_r11[] = { 0x41, 0x5b };
	struct emitter *e = &w->b.e;

	emit_advance(e, w->b.block.nslots);
	emit_save(e, STOLEN, STATE_PTR);
	if (insn->class == INSN_RETURN) {
		emit_bytes(e, pop_r11, sizeof(pop_r11));
		if (insn->z.raw.imm[0].size)
			emit_drop_stack(e, (uint32_t)insn->z.raw.imm[0].value.u);
	} else {
		load_target(w, insn);
		if (insn->class == INSN_CALL_INDIRECT)
			push_constant(w, insn->next);
	}
	emit_indirect(e);
}

/* Go on at `pc`, which is another block's business. */
static void emit_jump_end(struct work *w, uint64_t pc)
{
	emit_advance(&w->b.e, w->b.block.nslots);
	link_or_exit(w, emit_branch(&w->b.e, 0xe9, 0), pc);
}

static void emit_exit_end(struct work *w, enum exit_kind kind, uint64_t target)
{
	emit_advance(&w->b.e, w->b.block.nslots);
	emit_exit(w, kind, target, NULL);
}

/* A conditional branch at the end of a block. */
static void emit_branch_end(struct work *w, const struct insn *insn)
{
	struct emitter *e = &w->b.e;
	uint8_t *taken, *next;

	emit_advance(e, w->b.block.nslots);
	if (insn->class == INSN_LOOP) {
		/* their displacement has 8 bits: over a jump to a jump */
		emit_bytes(e, insn->code, insn->z.length);
		e->at[-1] = 5;
		next = emit_branch(e, 0xe9, 0);
		taken = emit_branch(e, 0xe9, 0);
	} else {
		taken = emit_branch(e, 0x0f, 0x80 | (insn->z.opcode & 15));
		next = emit_branch(e, 0xe9, 0);
	}
	link_or_exit(w, taken, insn->target);
	link_or_exit(w, next, insn->next);
}

/*
 * Back at the block's begin: whether another round of this loop goes into the block, whole.
 * What does not change in the loop is then recorded once for several rounds.
 */
static bool begin_lap(struct work *w)
{
	const struct mem_block *block = &w->b.block;
	struct lap *lap = &w->lap;

	if (!lap->count)
		*lap = (struct lap){ 0, block->ninsns, block->nslots, block->nops, w->nsides + 1 };
	if (lap->count == BLOCK_LAPS || block->ninsns + lap->ninsns > BLOCK_INSNS ||
	    block->nslots + lap->nslots > BLOCK_SLOTS || block->nops + lap->nops > BLOCK_OPS ||
	    w->nsides + lap->nsides > BLOCK_SIDES)
		return false;
	lap->count++;
	w->nseen = 1;
	w->pc = w->seen[0];
	return true;
}

/* Follow a direct branch within the block, once per target and within reach. */
static bool follow(struct work *w, uint64_t target)
{
	if (target == w->seen[0] && !is_end(w->t, target))
		return begin_lap(w);
	if (w->nseen == BLOCK_INSNS || is_end(w->t, target) ||
	    cache_near(&w->t->caches, target, BLOCK_ROOM) !=
		    cache_near(&w->t->caches, w->seen[0], BLOCK_ROOM))
		return false;
	for (unsigned int i = 0; i < w->nseen; i++) {
		if (w->seen[i] == target)
			return false;
	}
	w->seen[w->nseen++] = target;
	w->pc = target;
	return true;
}

/*
 * A forward branch is expected to fall through, one that closes a loop to be taken.
 * Otherwise it leaves the block to the side.
 */
static bool continue_after_branch(struct work *w, const struct insn *insn)
{
	struct side *side = &w->sides[w->nsides];
	bool loops = insn->target == w->seen[0] && !is_end(w->t, insn->target);

	if (insn->class != INSN_BRANCH || w->nsides == BLOCK_SIDES ||
	    (insn->target <= insn->ip && !loops) || (loops && !begin_lap(w)))
		return false;
	side->branch = emit_branch(&w->b.e, 0x0f, 0x80 | ((insn->z.opcode & 15) ^ loops));
	side->target = loops ? insn->next : insn->target;
	side->block = w->b.block;
	w->nsides++;
	w->pc = loops ? w->pc : insn->next;
	return true;
}

static bool is_full(const struct work *w)
{
	const struct mem_block *block = &w->b.block;

	return block->ninsns >= BLOCK_INSNS || block->nslots >= BLOCK_SLOTS ||
	       block->nops >= BLOCK_OPS;
}

static void note_page(struct translator *t, uint64_t page)
{
	if (map_put(&t->pages, page, 0))
		*vec_push(&t->page_list) = page;
}

/* For faults, and for changes of the program's code. */
static void note_origin(struct work *w, const struct insn *insn)
{
	const struct mem_block *block = &w->b.block;
	struct translator *t = w->t;

	if (!t->origins)
		return;
	t->origins[block->insn0 + block->ninsns] =
		(struct insn_origin){ .code = w->b.e.at,
				      .nslots = block->nslots,
				      .nops = block->nops,
				      .advanced = insn->class == INSN_RETURN ||
						  insn->class == INSN_JUMP_INDIRECT ||
						  insn->class == INSN_CALL_INDIRECT };
	note_page(t, insn->ip / CHOP_PAGE_SIZE);
	note_page(t, (insn->next - 1) / CHOP_PAGE_SIZE);
}

/* One recorded instruction; true when the block goes on at w->pc. */
static bool translate_insn(struct work *w, const struct insn *insn)
{
	switch (insn->class) {
	case INSN_BRANCH:
	case INSN_LOOP:
		if (continue_after_branch(w, insn))
			return true;
		emit_branch_end(w, insn);
		return false;
	case INSN_CALL:
		push_constant(w, insn->next);
		builder_after(&w->b, insn);
		/* fall through */
	case INSN_JUMP:
		if (follow(w, insn->target))
			return true;
		emit_jump_end(w, insn->target);
		return false;
	case INSN_CALL_INDIRECT:
	case INSN_JUMP_INDIRECT:
	case INSN_RETURN:
		emit_indirect_end(w, insn);
		return false;
	case INSN_SYSTEM_CALL:
		emit_exit_end(w, EXIT_SYSTEM_CALL, insn->next);
		return false;
	case INSN_SET_BASE:
		emit_exit_end(w, EXIT_SET_BASE, insn->ip);
		return false;
	case INSN_READ_TSC:
	case INSN_CPUID:
		if (insn->class == INSN_CPUID ? w->t->trap_cpuid : w->t->trap_tsc) {
			emit_exit_end(w, EXIT_TRAPPED, insn->next);
			return false;
		}
		/* fall through */
	default:
		copy_insn(w, insn);
		builder_after(&w->b, insn);
		w->pc = insn->next;
		return true;
	}
}

static void translate(struct work *w, bool ignore_end)
{
	for (;;) {
		struct mem_block before = w->b.block;
		struct insn insn;
		bool refused;

		if (is_end(w->t, w->pc) && !ignore_end) {
			emit_jump_end(w, w->pc);
			return;
		}
		ignore_end = false;
		refused = translator_decode(w->t, w->pc, &insn) || insn.class == INSN_REFUSED ||
			  !can_move(w, &insn);
		if (!refused)
			note_origin(w, &insn);
		if (!refused && builder_record(&w->b, &insn)) {
			w->b.block = before;
			refused = true;
		}
		if (refused) {
			emit_exit_end(w, EXIT_REFUSED, w->pc);
			return;
		}
		if (!translate_insn(w, &insn))
			return;
		if (is_full(w)) {
			emit_jump_end(w, w->pc);
			return;
		}
	}
}

static bool has_room(const struct mem_tables *tables)
{
	return tables->ninsns + MEM_INSN_MAX < tables->max_insns &&
	       tables->nops + MEM_OP_MAX < tables->max_ops &&
	       tables->nblocks + BLOCK_SIDES + 1 < tables->max_blocks;
}

static void begin(struct work *w, struct translator *t, struct code_cache *cache, uint64_t pc)
{
	w->t = t;
	w->pc = w->seen[0] = pc;
	w->nseen = 1;
	w->nsides = w->nconstants = 0;
	w->lap = (struct lap){ 0 };
	w->ring_saved = false;
	w->b.e = (struct emitter){ cache->at, t->state };
	w->b.tables = t->tables;
	w->b.wide_masks = t->wide_masks;
	w->b.no_values = t->no_values;
	builder_start(&w->b);
}

static uint8_t *new_block(struct translator *t, struct code_cache *cache, uint64_t pc,
			  bool ignore_end)
{
	struct work w;
	uint32_t number;
	uint8_t *code;

	begin(&w, t, cache, pc);
	number = add_block(&w, &w.b.block);
	emit_entry(&w.b.e);
	code = w.b.e.at;
	if (ignore_end) {
		map_put(&t->past_ends, pc, (uintptr_t)code);
	} else {
		/* known from now on, so that a loop links to itself */
		*table_slot(t, pc) = (struct table_entry){ pc, code - BLOCK_ENTRY };
		t->used++;
	}
	if (is_end(t, pc) && !ignore_end) {
		emit_exit(&w, EXIT_END, pc, NULL);
	} else {
		emit_block_number(&w.b.e, number, true);
		translate(&w, ignore_end);
		emit_sides(&w);
		emit_constants(&w);
	}
	w.b.block.whole = w.b.block.nslots;
	t->tables->blocks[number] = w.b.block;
	t->tables->ninsns += w.b.block.ninsns;
	t->tables->nops += w.b.block.nops;
	t->tables->nslots += w.b.block.nslots;
	cache->at = (uint8_t *)(((uintptr_t)w.b.e.at + 15) & ~(uintptr_t)15);
	return code;
}

uint8_t *translator_block(struct translator *t, uint64_t pc, bool ignore_end)
{
	struct code_cache *cache;
	uint64_t past_end;
	uint8_t *code;

	if (ignore_end)
		code = map_get(&t->past_ends, pc, &past_end) ? (uint8_t *)past_end : NULL;
	else
		code = translator_find(t, pc);
	if (code)
		return code;
	cache = cache_near(&t->caches, pc, BLOCK_ROOM);
	if (!cache || !has_room(t->tables) || t->used * 4 > 3UL << TABLE_BITS)
		return NULL;
	return new_block(t, cache, pc, ignore_end);
}

void translator_link(struct translator *t, uint32_t number, uint8_t *code)
{
	const struct block_exit *out = &t->exits.items[number];
	static const uint8_t jump[] = { 0xff, 0x25, 0, 0, 0, 0 };

	if (reaches(out->branch + 4, code)) {
		emit_link(out->branch, code);
		return;
	}
	/* another neighbourhood: the stub itself becomes the way there */
	memcpy(out->stub, jump, sizeof(jump));
	memcpy(out->stub + sizeof(jump), &code, sizeof(code));
}
