// SPDX-License-Identifier: Apache-2.0
#include "tracee/trampoline_build.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "tracee/memory.h"
#include "tracee/modules.h"
#include "tracee/threads.h"
#include "tracee/trampoline_site.h"

/* Code that something else tells by its bytes or its place. */
static const char *const left_alone[] = {
	"__restore_rt",	   /* unwinders know a signal frame by its instructions */
	"_dl_debug_state", /* debuggers, and ourselves */
	"_dl_relocate_static_pie",
};

struct trampolines *trampolines_of(struct tracee *tracee)
{
	if (!tracee->trampolines)
		tracee->trampolines = xcalloc(1, sizeof(*tracee->trampolines));
	return tracee->trampolines;
}

struct trampoline *trampoline_at(const struct tracee *tracee, uint64_t place)
{
	uint64_t index;

	if (!tracee->trampolines || !map_get(&tracee->trampolines->by_place, place, &index))
		return NULL;
	return tracee->trampolines->all.items[index];
}

/* -- planning -------------------------------------------------------------------------------- */

static bool is_left_alone(const struct image *image, uint64_t address)
{
	const struct symbol *symbol = image_symbol_at(image, address);

	for (size_t i = 0; symbol && i < ARRAY_SIZE(left_alone); i++) {
		if (!strcmp(symbol->name, left_alone[i]))
			return true;
	}
	return false;
}

/* The program may have changed its code since it was loaded. */
static bool same_as_file(const struct tracee *tracee, const struct relocate_plan *plan)
{
	uint8_t code[RELOCATE_DISPLACED];
	size_t size = plan->size < RELOCATE_JUMP ? RELOCATE_JUMP : plan->size;

	return memory_read_code(tracee, plan->address, code, size) == size &&
	       !memcmp(code, plan->original, size);
}

static void take_answer(const struct tracee *tracee, const struct module *module,
			const struct trampoline_site *site, struct trampoline_request *request)
{
	const struct symbol *symbol = image_symbol_at(&module->image, site->address);

	request->plan = site->plan;
	request->plan.address = request->place;
	request->entry = symbol && symbol->address == site->address;
	if (site->reason)
		request->reason = relocate_reason_text(site->reason);
	else if (is_left_alone(&module->image, site->address))
		request->reason = "other programs know it by its code";
	else if (!same_as_file(tracee, &request->plan))
		request->reason = "its code is not that of the file";
}

/* All requests in one module at once: its text is looked through only once. */
static void plan_module(struct tracee *tracee, struct module *module, const bool *mine,
			struct trampoline_request *requests, size_t count)
{
	struct trampoline_site *sites = xcalloc(count, sizeof(*sites));
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		if (mine[i])
			sites[used++].address = requests[i].place - module->bias;
	}
	trampoline_sites(&module->image, sites, used);
	used = 0;
	for (size_t i = 0; i < count; i++) {
		if (mine[i])
			take_answer(tracee, module, &sites[used++], &requests[i]);
	}
	free(sites);
}

static bool in_code(const struct module *module, uint64_t address)
{
	const struct image *image = &module->image;

	for (size_t i = 0; i < image->segments.length; i++) {
		const struct image_segment *segment = &image->segments.items[i];

		if (address - module->bias - segment->address < segment->file_size)
			return true;
	}
	return false;
}

void trampoline_plan(struct tracee *tracee, struct trampoline_request *requests, size_t count)
{
	bool *planned = xcalloc(count + 1, sizeof(*planned)), *mine;

	mine = xcalloc(count + 1, sizeof(*mine));
	for (size_t i = 0; i < count; i++) {
		struct module *module = planned[i] ? NULL : module_at(tracee, requests[i].place);

		if (planned[i])
			continue;
		if (!module || !module_image(module)) {
			err_clear();
			requests[i].reason = "it is not in a program or library file";
			continue;
		}
		for (size_t k = i; k < count; k++)
			planned[k] |= mine[k] = in_code(module, requests[k].place);
		memset(mine, 0, i);
		plan_module(tracee, module, mine, requests, count);
	}
	free(planned);
	free(mine);
}

/* -- building -------------------------------------------------------------------------------- */

static void remember_traps(struct trampolines *set, const struct trampoline *trampoline)
{
	const struct relocate_plan *plan = &trampoline->plan;
	size_t index = set->all.length - 1;

	map_put(&set->by_place, plan->address, index);
	for (unsigned int i = 1; i < plan->count; i++) {
		if (plan->offsets[i] < RELOCATE_JUMP)
			map_put(&set->traps, plan->address + plan->offsets[i], index);
	}
	if (trampoline->stub.trap)
		map_put(&set->traps, trampoline->stub.trap, index);
}

struct trampoline *trampoline_build(struct tracee *tracee, struct trampoline_window *window,
				    struct trampoline_request *request, trampoline_writer write,
				    void *context)
{
	struct trampolines *set = trampolines_of(tracee);
	struct trampoline made = { .plan = request->plan, .window = window }, *trampoline;
	uint8_t code[STUB_MAX];
	uint64_t at;
	size_t size;

	/* Its size hardly depends on where it is. */
	size = write(context, request, window->cursor, code, &made.stub);
	at = size ? window_find(window, &request->plan, size + 16) : 0;
	size = at ? write(context, request, at, code, &made.stub) : 0;
	if (!size || !relocate_jump(&request->plan, at, made.jump)) {
		request->reason = "there is no room within reach for what is to replace it";
		return NULL;
	}
	if (set->locked && made.stub.lock)
		code[made.stub.lock - at] = stub_lock[0];
	if (memory_write(tracee, at, code, size)) {
		request->reason = "what is to replace it cannot be written";
		return NULL;
	}
	window_take(window, at, size);
	trampoline = xmalloc(sizeof(*trampoline));
	*trampoline = made;
	*vec_push(&set->all) = trampoline;
	remember_traps(set, trampoline);
	return trampoline;
}

/* -- putting in and taking out ---------------------------------------------------------------- */

static void move_thread(const struct thread *thread, const struct trampoline *trampoline)
{
	const struct relocate_plan *plan = &trampoline->plan;
	struct chop_regs regs;

	if (!thread->stopped || thread->exiting || thread_get_regs(thread, &regs))
		return;
	for (unsigned int i = 1; i < plan->count; i++) {
		if (plan->offsets[i] < RELOCATE_JUMP &&
		    arch_pc(&regs) == plan->address + plan->offsets[i]) {
			arch_set_pc(&regs, trampoline->stub.places[i]);
			thread_set_regs(thread, &regs);
			return;
		}
	}
}

int trampoline_insert(struct tracee *tracee, struct trampoline *trampoline)
{
	const struct relocate_plan *plan = &trampoline->plan;
	uint8_t code[RELOCATE_JUMP];
	int error;

	/* Other code may have come there: a library may have been loaded in its place. */
	error = memory_read(tracee, plan->address, code, sizeof(code));
	if (!error && memcmp(code, plan->original, sizeof(code)))
		error = -ESTALE;
	if (!error)
		error = memory_write(tracee, plan->address, trampoline->jump,
				     sizeof(trampoline->jump));
	if (error)
		return error;
	trampoline->inserted = true;
	for (size_t i = 0; i < tracee->threads.length; i++)
		move_thread(tracee->threads.items[i], trampoline);
	return 0;
}

void trampoline_take_out(struct tracee *tracee, struct trampoline *trampoline)
{
	uint8_t code[RELOCATE_JUMP];

	if (!trampoline->inserted)
		return;
	trampoline->inserted = false;
	if (!memory_read(tracee, trampoline->plan.address, code, sizeof(code)) &&
	    !memcmp(code, trampoline->jump, sizeof(code)))
		memory_write(tracee, trampoline->plan.address, trampoline->plan.original,
			     RELOCATE_JUMP);
}

void trampoline_drop(struct tracee *tracee, struct trampoline *trampoline)
{
	trampoline->inserted = false;
	if (trampoline_at(tracee, trampoline->plan.address) == trampoline)
		map_remove(&tracee->trampolines->by_place, trampoline->plan.address);
}

int trampoline_attach(struct tracee *tracee, struct breakpoint *breakpoint,
		      struct trampoline *trampoline)
{
	if (breakpoint->jump == trampoline)
		return 0;
	return breakpoint_replace(tracee, breakpoint, trampoline);
}
