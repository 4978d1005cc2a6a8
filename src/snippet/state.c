// SPDX-License-Identifier: Apache-2.0
/* Registers and extended state at entry and end. */
#include "snippet/builder.h"

#include <errno.h>
#include <string.h>

#include "arch/arch.h"
#include "base/alloc.h"
#include "base/err.h"

#define EFLAGS_TF 0x100ull   /* left by single-stepping */
#define EFLAGS_RF 0x10000ull /* left by breakpoints */
#define CS_64	  0x33

#define XSTATE_PKRU_BIT (1ull << XSTATE_PKRU)

static int check_selectors(const struct chop_regs *regs)
{
	if (regs->cs != CS_64)
		return err_set(CHOP_USAGE, ENOTSUP,
			       "the region runs 32-bit code (cs 0x%lx), which snippets cannot",
			       regs->cs);
	if (regs->ds || regs->es || regs->fs || regs->gs)
		return err_set(CHOP_USAGE, ENOTSUP,
			       "the region uses segment selectors (ds 0x%lx es 0x%lx fs 0x%lx gs "
			       "0x%lx), which snippets cannot",
			       regs->ds, regs->es, regs->fs, regs->gs);
	return 0;
}

static struct chop_regs cleaned(const struct chop_regs *regs)
{
	struct chop_regs copy = *regs;

	copy.eflags &= ~(EFLAGS_TF | EFLAGS_RF);
	return copy;
}

struct state {
	uint8_t *image; /* canonical; owned */
	size_t size;	/* bytes */
	uint64_t in_use;
	uint32_t pkru;
};

/* Where an image can be cut: after the last component that is not in its initial state. */
static size_t used_size(const struct state *state, const struct arch_xstate_layout *layout)
{
	size_t size = XSTATE_HEADER_END;

	for (size_t i = 0; i < layout->count; i++) {
		const struct chop_xstate_component *c = &layout->components[i];

		if ((state->in_use >> c->number & 1) && c->offset + c->size > size)
			size = c->offset + c->size;
	}
	return size;
}

static int load_state(const struct thread_state *thread, const struct arch_xstate_layout *layout,
		      struct state *state)
{
	size_t room =
		thread->xstate_size > XSTATE_HEADER_END ? thread->xstate_size : XSTATE_HEADER_END;

	if (thread->xstate_size < XSTATE_HEADER_END)
		return err_set(
			CHOP_USAGE, EINVAL,
			"the capture has no extended state (%zu bytes); it cannot be replayed",
			thread->xstate_size);
	state->image = xcalloc(1, room);
	state->size = room;
	memcpy(state->image, thread->xstate, thread->xstate_size);
	chop_xstate_canonical(state->image, room, layout->components, layout->count);
	state->in_use = chop_xstate_load(state->image + XSTATE_BV_OFFSET, 8);
	for (size_t i = 0; i < layout->count; i++) {
		if (layout->components[i].number == XSTATE_PKRU &&
		    layout->components[i].offset + 4 <= room)
			state->pkru = (uint32_t)chop_xstate_load(
				state->image + layout->components[i].offset, 4);
	}
	return 0;
}

/*
 * Every process gets the same protection-key rights; only other ones are part of the
 * region's state. Then a snippet also runs where there are no protection keys.
 */
static void drop_default_pkru(struct builder *b, struct arch_xstate_layout *layout,
			      struct state *entry, struct state *end)
{
	b->header.xrstor_mask = ~0ull;
	if (entry->pkru != XSTATE_PKRU_DEFAULT || end->pkru != XSTATE_PKRU_DEFAULT)
		return;
	b->header.xrstor_mask = ~XSTATE_PKRU_BIT;
	for (size_t i = 0; i < layout->count; i++) {
		struct chop_xstate_component *c = &layout->components[i];

		if (c->number != XSTATE_PKRU)
			continue;
		memset(entry->image + c->offset, 0, c->size);
		memset(end->image + c->offset, 0, c->size);
		vec_close_gap(layout->components, &layout->count, i, sizeof(*c));
		break;
	}
	entry->in_use &= ~XSTATE_PKRU_BIT;
	end->in_use &= ~XSTATE_PKRU_BIT;
	memcpy(entry->image + XSTATE_BV_OFFSET, &entry->in_use, 8);
}

/*
 * Components the region changed. What only held a value from before is loaded and compared
 * where there is such a component, but a processor without it will do: if the code works on
 * it, features_find() says so.
 */
static uint64_t changed_components(const struct state *entry, const struct state *end,
				   const struct arch_xstate_layout *layout)
{
	uint64_t changed = 0;

	for (size_t i = 0; i < layout->count; i++) {
		const struct chop_xstate_component *c = &layout->components[i];

		if (chop_xstate_range(entry->image, entry->size, end->image, end->size, c->offset,
				      c->size) >= 0)
			changed |= 1ull << c->number;
	}
	return changed;
}

static void store_state(struct builder *b, struct arch_xstate_layout *layout, struct state *entry,
			struct state *end)
{
	drop_default_pkru(b, layout, entry, end);
	b->header.xcr0 = layout->features;
	b->header.xcr0_needed |= changed_components(entry, end, layout);
	buf_add(&b->tables[SNIPPET_ENTRY_XSTATE], entry->image, used_size(entry, layout));
	buf_add(&b->tables[SNIPPET_END_XSTATE], end->image, used_size(end, layout));
	buf_add(&b->tables[SNIPPET_COMPONENTS], layout->components,
		layout->count * sizeof(*layout->components));
}

int state_fill(struct builder *b)
{
	const struct thread_state *from = &b->capture->entry, *to = &b->capture->end;
	struct state entry = { 0 }, end = { 0 };
	struct arch_xstate_layout layout;
	int error = check_selectors(&from->regs);

	if (error)
		return error;
	b->header.entry = cleaned(&from->regs);
	b->header.end = cleaned(&to->regs);
	if (!from->xstate || arch_xstate_layout(from->xstate, from->xstate_size, &layout))
		return err_set(CHOP_USAGE, EINVAL,
			       "the capture has no extended state; it cannot be replayed");
	error = load_state(from, &layout, &entry);
	if (!error)
		error = load_state(to, &layout, &end);
	if (!error)
		store_state(b, &layout, &entry, &end);
	free(entry.image);
	free(end.image);
	return error;
}
