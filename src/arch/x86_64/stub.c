// SPDX-License-Identifier: Apache-2.0
#include "arch/stub.h"

#include <cpuid.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <x86intrin.h>

#include "arch/arch.h"
#include "arch/x86_64/stub_holes.h"

/* stub_code.S */
struct hole {
	uint16_t offset, kind; /* offset in stub_code */
};
struct template
{
	uint16_t start, size; /* in stub_code */
	struct hole holes[];
};
extern const uint8_t stub_code[];
extern const struct template stub_count_entry, stub_count_place, stub_point_entry, stub_point_place,
	stub_over, stub_wait;

const uint8_t stub_lock[1] = { 0xf0 };
const uint8_t stub_no_lock[1] = { 0x3e }; /* the ds segment, which means nothing */

_Static_assert(STUB_ENTRY == EVENT_ENTRY && STUB_EXIT == EVENT_EXIT && STUB_TAIL == EVENT_TAIL,
	       "stub_code.S writes these numbers");
_Static_assert(offsetof(struct stub_lane, limit) == 64 && STUB_LANE_HEADER == 4096,
	       "stub_code.S uses these numbers");

/* What fills the holes of one stub. */
struct filling {
	const struct stub_clock *clock; /* NULL for those that count */
	uint64_t at, counter;
	unsigned int id;
	enum stub_event event;
	uint8_t *out;
	struct stub *stub;
	bool failed;
};

static const uint8_t thread_from_memory[9] = { 0x64, 0x48, 0x8b, 0x0c, 0x25 }; /* mov %fs:0, %rcx */
static const uint8_t thread_from_register[9] = {
	0xf3, 0x48, 0x0f, 0xae, 0xc1, /* rdfsbase %rcx */
	0x0f, 0x1f, 0x40, 0x00,	      /* nop */
};

/* The distance from the end of four bytes at `offset` to a target. */
static void fill_distance(struct filling *filling, size_t offset, uint64_t target)
{
	int64_t distance = (int64_t)(target - (filling->at + offset + 4));
	int32_t value = (int32_t)distance;

	filling->failed |= distance != value;
	memcpy(filling->out + offset, &value, sizeof(value));
}

static void fill_word(struct filling *filling, size_t offset, uint64_t value)
{
	memcpy(filling->out + offset, &value, sizeof(value));
}

static void fill_clock(struct filling *filling, size_t offset, unsigned int kind)
{
	const struct stub_clock *clock = filling->clock;
	uint64_t id = (uint64_t)filling->id << 48;
	uint32_t mask = clock->ring - 1;

	switch (kind) {
	case HOLE_THREAD:
		memcpy(filling->out + offset,
		       clock->thread_pointer_in_memory ? thread_from_memory : thread_from_register,
		       sizeof(thread_from_memory));
		break;
	case HOLE_TABLE:
		fill_distance(filling, offset, clock->table);
		break;
	case HOLE_MASK:
		memcpy(filling->out + offset, &mask, sizeof(mask));
		break;
	case HOLE_COMMON:
		fill_distance(filling, offset, clock->common);
		break;
	case HOLE_ID:
		fill_word(filling, offset, id);
		break;
	case HOLE_ID_EVENT:
		fill_word(filling, offset, id | filling->event);
		break;
	case HOLE_SHADOW_SHIFT:
		filling->out[offset] = (uint8_t)(64 - clock->shadow_bits);
		break;
	case HOLE_SHADOW:
		fill_word(filling, offset, clock->shadow);
		break;
	}
}

static void fill(struct filling *filling, size_t offset, unsigned int kind)
{
	switch (kind) {
	case HOLE_LOCK:
		filling->out[offset] = stub_no_lock[0];
		filling->stub->lock = filling->at + offset;
		break;
	case HOLE_COUNTER:
		fill_distance(filling, offset, filling->counter);
		break;
	case HOLE_TRAP:
		filling->stub->trap = filling->at + offset;
		break;
	case HOLE_BACK:
		filling->stub->back = filling->at + offset;
		break;
	default:
		fill_clock(filling, offset, kind);
	}
}

/* Template, then the copy of the displaced instructions. */
static size_t write_stub(const struct relocate_plan *plan, const struct template *template,
			 struct filling *filling)
{
	struct stub *stub = filling->stub;
	size_t copy;

	*stub = (struct stub){ .at = filling->at };
	memcpy(filling->out, stub_code + template->start, template->size);
	for (const struct hole *hole = template->holes; hole->kind != HOLE_END; hole++)
		fill(filling, hole->offset - template->start, hole->kind);
	stub->copy = filling->at + template->size;
	copy = relocate_emit(plan, stub->copy, filling->out + template->size, stub->places);
	stub->size = template->size + copy;
	return copy && !filling->failed ? stub->size : 0;
}

size_t stub_count(const struct relocate_plan *plan, uint64_t at, uint64_t counter, bool entry,
		  uint8_t out[STUB_MAX], struct stub *stub)
{
	struct filling filling = { .at = at, .counter = counter, .out = out, .stub = stub };

	return write_stub(plan, entry ? &stub_count_entry : &stub_count_place, &filling);
}

size_t stub_point(const struct relocate_plan *plan, uint64_t at, const struct stub_clock *clock,
		  unsigned int id, enum stub_event event, bool entry, uint8_t out[STUB_MAX],
		  struct stub *stub)
{
	struct filling filling = {
		.clock = clock, .at = at, .id = id, .event = event, .out = out, .stub = stub
	};

	return write_stub(plan, entry ? &stub_point_entry : &stub_point_place, &filling);
}

size_t stub_function(const struct relocate_plan *plan, uint64_t at, const struct stub_clock *clock,
		     unsigned int id, uint8_t out[STUB_MAX], struct stub *stub)
{
	struct filling filling = { .clock = clock, .at = at, .id = id, .out = out, .stub = stub };

	return write_stub(plan, &stub_over, &filling);
}

size_t stub_common(uint8_t out[STUB_COMMON_MAX], uint64_t *trap_offset)
{
	memcpy(out, stub_code + stub_wait.start, stub_wait.size);
	*trap_offset = (uint64_t)stub_wait.holes[0].offset - stub_wait.start;
	return stub_wait.size;
}

uint64_t stub_paused(const struct chop_regs *regs)
{
	return regs->rax;
}

void stub_set_unit(struct chop_regs *regs, uint64_t unit)
{
	regs->rcx = unit;
}

uint64_t stub_key(const struct chop_regs *regs)
{
	return regs->fs_base;
}

/* -- unwinding ------------------------------------------------------------------------------- */

uint64_t stub_shadow(const struct stub_clock *clock, uint64_t slot)
{
	return clock->shadow + (slot & ((1ULL << clock->shadow_bits) - 1));
}

static size_t put32(uint8_t *out, size_t at, uint32_t value)
{
	memcpy(out + at, &value, sizeof(value));
	return at + sizeof(value);
}

static size_t put64(uint8_t *out, size_t at, uint64_t value)
{
	memcpy(out + at, &value, sizeof(value));
	return at + sizeof(value);
}

/*
 * DWARF 5, 6.4. The unwinder comes to a stub where the called function would return to, when
 * the stack pointer is above the slot of the return address as after any return. CFA is that
 * plus 8: frames are known by it, and the stub's must not be taken for its neighbour's. The
 * caller's stack pointer is CFA - 8, its return address where the shadow has it.
 */
static size_t put_rules(uint8_t *out, size_t at, const struct stub_clock *clock)
{
	static const uint8_t rules[] = {
		1,    0,	/* version, no augmentation */
		1,    0x78, 16, /* alignment of code 1, of data -8; column of the return address */
		0x0c, 7,    8,	/* DW_CFA_def_cfa: rsp + 8 */
		0x14, 7,    1,	/* DW_CFA_val_offset: rsp is CFA - 8 */
		0x10, 16,   22, /* DW_CFA_expression: the return address is at */
		0x40, 0x1c,	/* CFA - 16, */
		0x0e,		/* and */
	};
	uint64_t mask = ((1ULL << clock->shadow_bits) - 1) & ~7ULL;

	memcpy(out + at, rules, sizeof(rules));
	at = put64(out, at + sizeof(rules), mask);
	out[at++] = 0x1a;
	out[at++] = 0x0e;
	at = put64(out, at, clock->shadow);
	out[at++] = 0x22; /* plus */
	return at;
}

size_t stub_unwind(const struct stub_clock *clock, uint64_t start, uint64_t end,
		   uint8_t out[STUB_UNWIND_MAX])
{
	size_t used, entry;

	memset(out, 0, STUB_UNWIND_MAX);
	used = put_rules(out, 8, clock); /* after the length and 0: a CIE */
	entry = (used + 7) & ~7UL;
	put32(out, 0, (uint32_t)entry - 4);
	used = put32(out, entry, 4 + 8 + 8);
	used = put32(out, used, (uint32_t)entry + 4); /* back to the CIE */
	used = put64(out, used, start);
	used = put64(out, used, end - start);
	return used + 4; /* a length of 0 ends the list */
}

/* -- clock ----------------------------------------------------------------------------------- */

uint64_t stub_time(void)
{
	return __rdtsc();
}

const char *stub_clock_unusable(void)
{
	unsigned int a, b, c, d;

	if (!__get_cpuid(0x80000007, &a, &b, &c, &d) || !(d & (1 << 8)))
		return "the time stamp counter does not run at one speed (no invariant TSC)";
	/* rdfsbase: stubs use it where there is no C library */
	if (!(getauxval(AT_HWCAP2) & 2))
		return "the kernel does not allow rdfsbase (Linux 5.9, CPU with FSGSBASE)";
	return NULL;
}
