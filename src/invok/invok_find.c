// SPDX-License-Identifier: Apache-2.0
/* From names and addresses to places in the modules a program has now. */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "arch/arch.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "capture/marks.h"
#include "elf/resolve.h"
#include "invok/private.h"
#include "tracee/threads.h"
#include "tracee/trampoline_site.h"

/* Functions that return twice, look at their return address, or are not called as others. */
static const char *const special[] = {
	"setjmp",	"_setjmp",	  "__sigsetjmp",     "sigsetjmp",
	"vfork",	"__vfork",	  "__libc_vfork",    "getcontext",
	"setcontext",	"swapcontext",	  "makecontext",     "__start_context",
	"clone",	"__clone",	  "clone3",	     "__clone3",
	"dlopen",	"dlsym",	  "dlmopen",	     "dlvsym",
	"dlinfo",	"dladdr",	  "dl_iterate_phdr", "__dl_iterate_phdr",
	"mcount",	"_mcount",	  "__fentry__",	     "_start",
	"__morestack",	"__tls_get_addr", "___tls_get_addr", "__libc_dlopen_mode",
	"__restore_rt",
};
static const char *const special_prefixes[] = { "_dl_runtime_", "_dl_tlsdesc_", "_Unwind_",
						"__x86_", "_dl_start" };

static const char special_reason[] = "it returns more than once or depends on its return address";

static bool is_special(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(special); i++) {
		if (!strcmp(name, special[i]))
			return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(special_prefixes); i++) {
		if (!strncmp(name, special_prefixes[i], strlen(special_prefixes[i])))
			return true;
	}
	return false;
}

/* Places of one module to be watched. */
struct places {
	struct invok *invok;
	struct module *module;
	struct clock_place_vec VEC_BODY(struct clock_place) items;
};

static void add_place(struct places *places, uint64_t address, unsigned int id, bool point,
		      const char *reason)
{
	*vec_push(&places->items) = (struct clock_place){
		.address = address, .id = id, .point = point, .reason = reason
	};
}

/* FNV-1a: http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint64_t hash(uint64_t start, const char *text)
{
	for (; *text; text++)
		start = (start ^ (uint8_t)*text) * 0x100000001b3ULL;
	return start;
}

/* Another program image may have the same function: it keeps its id. */
static unsigned int id_of(struct invok *invok, const char *name, const struct module *module,
			  enum reader_id kind, uint64_t address)
{
	struct invok_function_vec *functions = &invok->result->functions;
	uint64_t key = hash(hash(0xcbf29ce484222325ULL, name), module->path), known;
	unsigned int id;

	/* Local functions of one name differ in their addresses. */
	if (invok->options->all)
		key ^= address - module->bias;
	if (map_get(&invok->ids, key, &known))
		return (unsigned int)known;
	id = reader_add(&invok->reader, kind, 0);
	map_put(&invok->ids, key, id);
	while (functions->length <= id)
		*vec_push(functions) = (struct invok_function){ 0 };
	functions->items[id].name = xstrdup(name);
	functions->items[id].module = xstrdup(module_file_name(module));
	functions->items[id].address = address;
	functions->items[id].region = kind != READER_FUNCTION;
	return id;
}

/* An id without a function of its own. */
static unsigned int mark_id(struct invok *invok, enum reader_id kind, unsigned int function)
{
	unsigned int id = reader_add(&invok->reader, kind, function);

	while (invok->result->functions.length <= id)
		*vec_push(&invok->result->functions) = (struct invok_function){ 0 };
	return id;
}

/* -- watching ---------------------------------------------------------------------------------- */

static void tell_stops(struct invok *invok, size_t count, const char *name, const char *reason)
{
	if (!count || invok->told || invok->options->breakpoints || invok->options->counters)
		return;
	invok->told = true;
	if (count == 1)
		log_info("the program stops at each invocation of %s, which takes microseconds: %s",
			 name, reason);
	else
		log_info("the program stops at each invocation of %zu functions, which takes "
			 "microseconds; of %s: %s",
			 count, name, reason);
}

/* Those that cannot be noted by the program itself. */
static int stop_at_rest(struct places *places)
{
	struct invok *invok = places->invok;
	const char *name = NULL, *reason = NULL;
	size_t count = 0;

	for (size_t i = 0; i < places->items.length; i++) {
		const struct clock_place *place = &places->items.items[i];
		struct invok_function *function;
		int error;

		if (!place->reason)
			continue;
		error = invok_stop_at(invok, place->address, place->id, place->reason);
		if (error)
			return err_sys(CHOP_USAGE, -error, "cannot set a breakpoint at 0x%" PRIx64,
				       place->address);
		function = &invok->result->functions.items[place->id];
		if (function->name && !function->reason) {
			function->reason = place->reason;
			name = function->name;
			reason = place->reason;
			count++;
		}
	}
	invok->result->stopping += count;
	tell_stops(invok, count, name, reason);
	return 0;
}

static int watch(struct places *places, struct thread *thread)
{
	struct invok *invok = places->invok;
	struct clock_place_vec noted = { 0 };
	int error = 0;

	for (size_t i = 0; i < places->items.length; i++) {
		struct clock_place *place = &places->items.items[i];

		if (!place->reason)
			place->reason = place->id > STUB_ID_MAX ? "there are too many functions"
								: invok->no_clock;
		if (!place->reason)
			*vec_push(&noted) = *place;
	}
	if (noted.length)
		error = clock_add(&invok->tracee, thread, noted.items, noted.length);
	if (error && error != -ESRCH) {
		log_info("%s", err_message());
		err_clear();
	}
	for (size_t i = 0, k = 0; i < places->items.length; i++) {
		if (places->items.items[i].reason)
			continue;
		places->items.items[i].reason =
			error ? "the program could not be prepared" : noted.items[k++].reason;
	}
	vec_release(&noted);
	if (error != -ESRCH)
		error = stop_at_rest(places);
	vec_release(&places->items);
	return error;
}

/* -- functions --------------------------------------------------------------------------------- */

static void add_function(struct places *places, unsigned int id, uint64_t address)
{
	const char *name = places->invok->result->functions.items[id].name;

	add_place(places, address, id, false, is_special(name) ? special_reason : NULL);
}

/* Code that is not a function from its entry on: begins and ends. */
static int add_code_region(struct places *places, const char *what, const struct resolved *resolved)
{
	struct invok *invok = places->invok;
	uint64_t bias = places->module->bias;
	unsigned int begin, end;

	begin = id_of(invok, what, places->module, READER_LOOP,
		      bias + resolved->code.items[0].begin);
	end = mark_id(invok, READER_END, begin);
	for (size_t i = 0; i < resolved->code.length; i++) {
		cleanup_marks struct marks marks = { 0 };
		int error = resolved_marks(resolved, &resolved->code.items[i], &marks);

		if (error)
			return error;
		add_place(places, bias + marks.begin, begin, true, NULL);
		for (size_t k = 0; k < marks.ends.length; k++)
			add_place(places, bias + marks.ends.items[k], end, true, NULL);
		for (size_t k = 0; k < marks.tail_calls.length; k++)
			add_place(places, bias + marks.tail_calls.items[k], end, true, NULL);
	}
	return 0;
}

static int check_returns(const struct resolved *resolved, const char *what)
{
	cleanup_marks struct marks marks = { 0 };
	int error = resolved_marks(resolved, &resolved->code.items[0], &marks);

	if (error)
		return error;
	if (marks.ends.length || marks.tail_calls.length || marks.conditional_tail_calls.length)
		return 0;
	return err_set(CHOP_USAGE, EINVAL,
		       "%s never returns: its invocations have no end to be timed", what);
}

static int add_resolved(struct places *places, const char *what, const struct resolved *resolved)
{
	unsigned int id;
	int error;

	for (size_t i = 0; i < resolved->notes.length; i++)
		log_info("%s", resolved->notes.items[i]);
	for (size_t i = 0; i < resolved->code.length; i++) {
		const struct resolved_code *code = &resolved->code.items[i];

		if (code->begin != code->start || code->inlined.length)
			return add_code_region(places, what, resolved);
	}
	error = check_returns(resolved, what);
	if (error)
		return error;
	id = id_of(places->invok, what, places->module, READER_FUNCTION,
		   places->module->bias + resolved->code.items[0].begin);
	for (size_t i = 0; i < resolved->code.length; i++)
		add_function(places, id, places->module->bias + resolved->code.items[i].begin);
	return 0;
}

static struct module *named(struct tracee *tracee, const char *name)
{
	for (size_t i = 0; i < tracee->modules.length; i++) {
		if (module_is(tracee->modules.items[i], name))
			return tracee->modules.items[i];
	}
	return NULL;
}

/* The module that is meant, when it is there. */
static struct module *chosen(struct invok *invok)
{
	if (invok->options->module)
		return named(&invok->tracee, invok->options->module);
	return invok->tracee.modules.items[0];
}

static int look_for_function(struct invok *invok, struct thread *thread, size_t index)
{
	const struct resolve_options options = { .library_levels = arch_library_levels() };
	const char *what = invok->options->functions.items[index];
	struct places places = { .invok = invok, .module = chosen(invok) };
	cleanup_resolved struct resolved resolved = { 0 };
	const struct image *image;
	int error;

	if (!places.module)
		return 0;
	image = module_image(places.module);
	if (!image)
		return places.module->open_error;
	error = resolve(image, what, &options, &resolved);
	if (error)
		return error;
	if (resolved.module)
		places.module = named(&invok->tracee, resolved.module);
	if (!places.module) /* it has not come */
		return 0;
	error = add_resolved(&places, what, &resolved);
	if (error) {
		vec_release(&places.items);
		return error;
	}
	invok->have[index] = true;
	invok->found = true;
	return watch(&places, thread);
}

static bool is_unnamed(const struct image *image, uint64_t address)
{
	const struct symbol *symbol = image_symbol_at(image, address);

	return !symbol || symbol->address != address || symbol->kind != SYMBOL_FUNCTION;
}

/* Each function of the module: without those that choose an implementation when it starts. */
static int look_for_all(struct invok *invok, struct thread *thread)
{
	struct places places = { .invok = invok, .module = chosen(invok) };
	struct u64vec functions = { 0 };
	const struct image *image;

	if (!places.module)
		return 0;
	image = module_image(places.module);
	if (!image)
		return places.module->open_error;
	trampoline_functions(image, &functions);
	for (size_t i = 0; i < functions.length; i++) {
		uint64_t address = functions.items[i];
		unsigned int id;

		if (is_unnamed(image, address))
			continue;
		id = id_of(invok, image_symbol_at(image, address)->name, places.module,
			   READER_FUNCTION, places.module->bias + address);
		add_function(&places, id, places.module->bias + address);
	}
	vec_release(&functions);
	invok->have_all = true;
	invok->found |= places.items.length > 0;
	if (places.items.length)
		return watch(&places, thread);
	return err_set(CHOP_USAGE, ENOENT, "%s has no functions with names: it is stripped",
		       image->path);
}

/* -- addresses ----------------------------------------------------------------------------------- */

static bool same(const struct u64vec *a, const struct u64vec *b)
{
	if (a->length != b->length)
		return false;
	for (size_t i = 0; i < a->length; i++) {
		bool there = false;

		for (size_t k = 0; k < b->length; k++)
			there |= a->items[i] == b->items[k];
		if (!there)
			return false;
	}
	return true;
}

/* What `chop marks` says of a function that only returns: then its call can be noted whole. */
static const char *as_function(struct module *module, const struct region_marks *region)
{
	const struct image *image = module_image(module);
	uint64_t begin = region->begins.items[0] - module->bias;
	const struct symbol *symbol = image ? image_symbol_at(image, begin) : NULL;
	cleanup_marks struct marks marks = { 0 };

	if (!symbol || symbol->address != begin || region->begins.length != 1 ||
	    marks_find(image, symbol, &marks)) {
		err_clear();
		return NULL;
	}
	for (size_t i = 0; i < marks.ends.length; i++)
		marks.ends.items[i] += module->bias;
	if (marks.tail_calls.length || !same(&marks.ends, &region->ends))
		return NULL;
	return symbol->name;
}

static bool is_entry(struct module *module, uint64_t address)
{
	const struct image *image = module_image(module);

	return image && !is_unnamed(image, address - module->bias);
}

static int add_region(struct places *places, const struct region_marks *region)
{
	struct invok *invok = places->invok;
	const char *name = as_function(places->module, region);
	unsigned int begin, end;

	if (name) {
		begin = id_of(invok, name, places->module, READER_FUNCTION,
			      region->begins.items[0]);
		add_function(places, begin, region->begins.items[0]);
		return 0;
	}
	begin = id_of(invok, "the region", places->module,
		      is_entry(places->module, region->begins.items[0]) ? READER_BEGIN
									: READER_LOOP,
		      region->begins.items[0]);
	end = mark_id(invok, READER_END, begin);
	for (size_t i = 0; i < region->begins.length; i++)
		add_place(places, region->begins.items[i], begin, true, NULL);
	for (size_t i = 0; i < region->ends.length; i++)
		add_place(places, region->ends.items[i], end, true, NULL);
	return 0;
}

static int look_for_region(struct invok *invok, struct thread *thread)
{
	const struct session_options wanted = {
		.module = invok->options->module,
		.begins = invok->options->begins,
		.ends = invok->options->ends,
	};
	struct places places = { .invok = invok, .module = chosen(invok) };
	struct region_marks region = { 0 };
	int error = marks_resolve(&invok->tracee, thread, &wanted, &region);

	if (error || !region.found) {
		region_marks_release(&region);
		return error;
	}
	error = add_region(&places, &region);
	invok->have_region = invok->found = true;
	region_marks_release(&region);
	return error ? error : watch(&places, thread);
}

/* -- allocations ---------------------------------------------------------------------------------- */

static const char *const allocators[] = { "malloc", "calloc", "realloc", "aligned_alloc",
					  "posix_memalign" };

bool invok_is_allocator(const char *name)
{
	bool any = false;

	for (size_t i = 0; i < ARRAY_SIZE(allocators); i++)
		any = any || !strcmp(name, allocators[i]);
	return any;
}

static void look_for_allocators(struct invok *invok, struct thread *thread)
{
	struct module *module = named(&invok->tracee, "libc.so.6");
	struct places places = { .invok = invok };
	struct image *image;
	unsigned int id = 0;

	places.module = module ? module : invok->tracee.modules.items[0];
	image = module_image(places.module);
	for (size_t i = 0; image && i < ARRAY_SIZE(allocators); i++) {
		const struct symbol *symbol = image_find(image, allocators[i], NULL);

		if (!symbol || symbol->kind != SYMBOL_FUNCTION)
			continue;
		if (!places.items.length)
			id = mark_id(invok, READER_MARK, 0);
		add_place(&places, places.module->bias + symbol->address, id, true, NULL);
	}
	invok->have_allocators = true;
	if (places.items.length)
		watch(&places, thread);
	else
		log_warn("no malloc found in %s: allocations are not counted", places.module->path);
	err_clear();
}

/* -- all of it ----------------------------------------------------------------------------------- */

static void watch_unwinders(struct invok *invok)
{
	for (size_t i = 0; i < invok->tracee.modules.length; i++) {
		struct module *module = invok->tracee.modules.items[i];

		if (!module->unwinder)
			clock_watch_unwinder(&invok->tracee, module);
		module->unwinder = true;
	}
	err_clear();
}

/* Its runtime copies stacks and looks at every return address in them. */
static int refuse_go(struct invok *invok)
{
	const struct image *image = module_image(invok->tracee.modules.items[0]);

	if (!image || !image_find(image, "runtime.morestack", NULL))
		return 0;
	return err_set(CHOP_MISSING, ENOTSUP,
		       "%s is a Go program, which moves its stacks: its functions cannot be timed; "
		       "`chop hot` tells where it spends its time",
		       image->path);
}

int invok_look(struct invok *invok, struct thread *thread)
{
	const struct invok_options *options = invok->options;
	int error = 0;

	if (!invok->tracee.loaded)
		return 0;
	error = refuse_go(invok);
	for (size_t i = 0; i < options->functions.length && !error; i++) {
		if (!invok->have[i])
			error = look_for_function(invok, thread, i);
	}
	if (!error && options->all && !invok->have_all)
		error = look_for_all(invok, thread);
	if (!error && options->begins.length && !invok->have_region)
		error = look_for_region(invok, thread);
	if (!error && options->allocations && !invok->have_allocators)
		look_for_allocators(invok, thread);
	if (!error && invok->clock)
		watch_unwinders(invok);
	if (error == -ENOENT && invok->running) {
		/* A program that another one became need not have it. */
		free(invok->not_here);
		invok->not_here = xstrdup(err_message());
		err_clear();
		error = 0;
	}
	invok->running |= invok->tracee.loaded;
	return error;
}
