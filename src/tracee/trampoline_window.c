// SPDX-License-Identifier: Apache-2.0
#include "tracee/trampoline_window.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "tracee/inject.h"
#include "tracee/memory.h"
#include "tracee/trampoline.h"

#define BLOCK	16UL	    /* stubs take whole blocks */
#define REACH	(1UL << 24) /* what the bytes of a jump that are not its last can say */
#define LOWEST	0x10000UL   /* vm.mmap_min_addr */
#define HIGHEST (1UL << 47)
#define APART	4096UL /* of a place and its stub, modulo 16 MB */
#define TRIES	(1U << 20)

/* -- making one ------------------------------------------------------------------------------- */

/* What jumps from [from, to) whose last byte is `trap` reach, in whole pages. */
static bool lay_out(struct trampoline_window *window, uint64_t from, uint64_t to, uint8_t trap,
		    uint64_t extra)
{
	int64_t distance = (int32_t)((uint32_t)trap << 24);
	uint64_t first = from + RELOCATE_JUMP + (uint64_t)distance;
	uint64_t last = to + RELOCATE_JUMP + (uint64_t)distance + REACH;

	if (distance < 0 && from < (uint64_t)-distance + LOWEST)
		return false;
	*window = (struct trampoline_window){
		.start = first & ~4095UL,
		.end = (last + 4095) & ~4095UL,
		.from = from,
		.to = to,
		.trap = trap,
	};
	window->size = window->end + 4096 + extra - window->start;
	window->cursor = window->start + WINDOW_RESERVED;
	return window->start + window->size <= HIGHEST;
}

static bool find_room(const struct tracee *tracee, struct trampoline_window *window, uint64_t from,
		      uint64_t to, uint64_t extra)
{
	struct capture_mapping_vec maps = { 0 };
	bool found = false;

	if (mappings_read(tracee, &maps))
		return false;
	for (size_t i = 0; i < relocate_traps_count && !found; i++)
		found = lay_out(window, from, to, relocate_traps[i], extra) &&
			mappings_free(&maps, window->start, window->start + window->size);
	mappings_release(&maps);
	return found;
}

/* All of it without access, so that nothing else comes there; then what is used. */
static int map(struct tracee *tracee, struct thread *thread, struct trampoline_window *window)
{
	struct trampoline_shared *shared = &tracee->trampolines->shared;
	struct arch_entry calls[] = {
		{ .number = SYS_mmap,
		  .skip = 1,
		  .args = { window->start, window->size, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE,
			    (uint64_t)-1 } },
		{ .number = SYS_mprotect,
		  .args = { window->start, window->end - window->start, PROT_READ | PROT_EXEC } },
	};
	int error = inject_run(tracee, thread, calls, ARRAY_SIZE(calls));

	if (error)
		return error;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		if (calls[i].result < 0 && calls[i].result > -4096)
			return err_sys(CHOP_MISSING, (int)-calls[i].result,
				       "cannot map memory for trampolines in the program");
	}
	if (!shared->memory)
		error = shared_open(tracee, thread, shared,
				    tracee->trampolines->shared_size ?: SHARED_WORDS);
	if (!error && shared->used + 4096 > SHARED_WORDS)
		error = err_set(CHOP_MISSING, ENOSPC, "too many modules with trampolines");
	if (error)
		return error;
	window->words_at = shared->used;
	shared->used += 4096;
	return shared_map(tracee, thread, window->words_at, 4096, window_words(window));
}

static struct trampoline_window *make(struct tracee *tracee, struct thread *thread, uint64_t from,
				      uint64_t to, uint64_t extra)
{
	struct trampoline_window *window = xcalloc(1, sizeof(*window));

	if (!find_room(tracee, window, from, to, extra)) {
		err_set(CHOP_MISSING, ENOMEM,
			"the program's address space has no room for trampolines");
		free(window);
		return NULL;
	}
	if (map(tracee, thread, window)) {
		free(window);
		return NULL;
	}
	window->used = xcalloc((window->end - window->start) / BLOCK / 8 + 1, 1);
	window_take(window, window->start, WINDOW_RESERVED);
	log_debug("trampolines at 0x%" PRIx64 " to 0x%" PRIx64, window->start, window->end);
	return window;
}

struct trampoline_window *window_for(struct tracee *tracee, struct thread *thread, uint64_t from,
				     uint64_t to, uint64_t extra)
{
	struct trampoline_windows *windows = &tracee->trampolines->windows;
	struct trampoline_window *window;

	for (size_t i = 0; i < windows->length; i++) {
		window = windows->items[i];
		if (from >= window->from && to <= window->to)
			return window;
	}
	window = make(tracee, thread, from, to, extra);
	if (window)
		*vec_push(windows) = window;
	return window;
}

void window_free(struct trampoline_window *window)
{
	free(window->used);
	free(window);
}

/* -- room in it ---------------------------------------------------------------------------------- */

static bool is_free(const struct trampoline_window *window, uint64_t at, size_t size)
{
	uint64_t last = (at + size - 1 - window->start) / BLOCK;

	if (at < window->start || at + size > window->end)
		return false;
	for (uint64_t block = (at - window->start) / BLOCK; block <= last; block++) {
		if (window->used[block / 8] >> (block % 8) & 1)
			return false;
	}
	return true;
}

void window_take(struct trampoline_window *window, uint64_t at, size_t size)
{
	uint64_t last = (at + size - 1 - window->start) / BLOCK;

	for (uint64_t block = (at - window->start) / BLOCK; block <= last; block++)
		window->used[block / 8] |= (uint8_t)(1 << (block % 8));
}

/* The next larger distance that meets the constraint; carries go through its fixed bits. */
static uint32_t next(uint32_t distance, const struct relocate_constraint *constraint)
{
	return (((distance | constraint->mask) + 1) & ~constraint->mask) | constraint->value;
}

static uint32_t first(uint32_t least, const struct relocate_constraint *constraint)
{
	uint32_t distance = (least & ~constraint->mask) | constraint->value;

	return distance < least ? next(distance, constraint) : distance;
}

/*
 * Predictors of indirect and direct branches of current processors tell places by their low
 * 24 bits or so: a stub at nearly those of its function costs 10 ns a call.
 */
static bool is_apart(uint64_t at, uint64_t place)
{
	uint64_t distance = (at - place) & (REACH - 1);

	return distance >= APART && distance <= REACH - APART;
}

uint64_t window_find(struct trampoline_window *window, const struct relocate_plan *plan,
		     size_t size)
{
	uint64_t origin = plan->address + RELOCATE_JUMP;
	struct relocate_constraint constraint;
	uint32_t distance;
	bool free_order;

	relocate_constrain(plan, window->trap, &constraint);
	free_order = !(constraint.mask & (REACH - 1));
	if (!(constraint.mask & 0xff)) { /* aligned, when there is a choice */
		constraint.mask |= BLOCK - 1;
		constraint.value |= (uint32_t)-origin & (BLOCK - 1);
	}
	distance = first((uint32_t)(window->cursor - origin), &constraint);
	for (unsigned int i = 0; i < TRIES; i++, distance = next(distance, &constraint)) {
		uint64_t at = origin + (uint64_t)(int64_t)(int32_t)distance;

		if (!is_free(window, at, size) || !is_apart(at, plan->address))
			continue;
		if (free_order)
			window->cursor = at + size;
		return at;
	}
	return 0;
}
