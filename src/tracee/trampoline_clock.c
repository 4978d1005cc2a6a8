// SPDX-License-Identifier: Apache-2.0
#include "tracee/trampoline_clock.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/alloc.h"
#include "base/err.h"
#include "tracee/inject.h"
#include "tracee/memory.h"
#include "tracee/threads.h"
#include "tracee/trampoline_build.h"

/* At the start of a window: the common code, then what unwinders read (STUB_UNWIND_MAX). */
#define UNWIND_OFFSET 256
/* Stacks that are equal in so many bits of their addresses would share return addresses. */
#define SHADOW_BITS 36
#define SHADOW_SIZE (1UL << SHADOW_BITS)
#define TABLE_SIZE  (32UL << 12)
#define LANE_SIZE   (STUB_LANE_HEADER + CLOCK_RING + STUB_LANE_SLACK)
/* After the return addresses: an object of libgcc's for each window. */
#define OBJECTS_SIZE 65536UL
#define OBJECT_SIZE  128UL

_Static_assert((STUB_SLOTS + STUB_SLOTS_END) * sizeof(struct stub_slot) <= TABLE_SIZE, "table");

static struct trampoline_clock *clock_of(const struct tracee *tracee)
{
	return tracee->trampolines ? tracee->trampolines->clock : NULL;
}

/* -- opening -------------------------------------------------------------------------------- */

/* Where return addresses are kept: private memory, aligned to its size; forks have copies. */
static int map_kept(struct tracee *tracee, struct thread *thread, struct trampoline_clock *clock)
{
	const uint64_t size = 2 * SHADOW_SIZE + OBJECTS_SIZE;
	struct arch_entry map = { .number = SYS_mmap,
				  .args = { 0, size, PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
					    (uint64_t)-1 } };
	struct arch_entry calls[3] = { 0 };
	uint64_t start;
	int error = inject_run(tracee, thread, &map, 1);

	if (error)
		return error;
	if (map.result < 0 && map.result > -4096)
		return err_sys(CHOP_MISSING, (int)-map.result,
			       "cannot map memory for return addresses in the program");
	start = ((uint64_t)map.result + SHADOW_SIZE - 1) & -SHADOW_SIZE;
	calls[0] = (struct arch_entry){ .number = SYS_munmap,
					.args = { start + SHADOW_SIZE + OBJECTS_SIZE,
						  (uint64_t)map.result + SHADOW_SIZE - start } };
	/* A page at a time is touched: huge ones would have to be cleared. */
	calls[1] = (struct arch_entry){ .number = SYS_madvise,
					.args = { start, SHADOW_SIZE, MADV_NOHUGEPAGE } };
	calls[2] = (struct arch_entry){
		.number = SYS_munmap, .args = { (uint64_t)map.result, start - (uint64_t)map.result }
	};
	clock->stub.shadow = clock->kept = start;
	clock->kept_size = SHADOW_SIZE + OBJECTS_SIZE;
	return inject_run(tracee, thread, calls, start > (uint64_t)map.result ? 3 : 2);
}

/* How stubs get at the thread pointer, and whether there is one yet. */
static int look_at_thread(const struct tracee *tracee, const struct thread *thread,
			  struct trampoline_clock *clock)
{
	struct chop_regs regs;
	uint64_t self = 0;

	if (thread_get_regs(thread, &regs))
		return -ESRCH;
	clock->stub.thread_pointer_in_memory =
		stub_key(&regs) && !memory_read(tracee, stub_key(&regs), &self, sizeof(self)) &&
		self == stub_key(&regs);
	return 0;
}

int clock_open(struct tracee *tracee, struct thread *thread, const struct clock_options *options)
{
	const char *why = stub_clock_unusable();
	struct trampolines *set = trampolines_of(tracee);
	struct trampoline_clock *clock;
	int error;

	if (why)
		return err_set(CHOP_MISSING, ENOTSUP, "%s", why);
	clock = xcalloc(1, sizeof(*clock));
	clock->options = *options;
	clock->stub.ring = CLOCK_RING;
	clock->stub.shadow_bits = SHADOW_BITS;
	error = look_at_thread(tracee, thread, clock);
	if (!error)
		error = map_kept(tracee, thread, clock);
	if (error) {
		free(clock);
		return error;
	}
	pthread_mutex_init(&clock->lock, NULL);
	set->shared_size = SHARED_WORDS + TABLE_SIZE + CLOCK_LANES * LANE_SIZE;
	set->clock = clock;
	return 0;
}

void clock_forget(struct trampolines *set)
{
	struct trampoline_clock *clock = set->clock;

	if (!clock)
		return;
	pthread_mutex_lock(&clock->lock);
	clock_drain(clock, true);
	pthread_mutex_unlock(&clock->lock);
	pthread_mutex_destroy(&clock->lock);
	map_release(&clock->commons);
	map_release(&clock->backs);
	map_release(&clock->pages);
	vec_release(&clock->page_list);
	free(clock);
	set->clock = NULL;
}

/* -- stubs ----------------------------------------------------------------------------------- */

/* The common code, once for a window, and the table of lanes behind it. */
static int prepare_window(struct tracee *tracee, struct thread *thread,
			  const struct trampoline_window *window)
{
	struct trampoline_clock *clock = clock_of(tracee);
	uint8_t code[STUB_COMMON_MAX], unwind[STUB_UNWIND_MAX];
	uint64_t trap;
	size_t size = stub_common(code, &trap);
	int error;

	clock->stub.common = window->start;
	clock->stub.table = window_extra(window);
	if (map_has(&clock->commons, window->start + trap))
		return 0;
	error = memory_write(tracee, window->start, code, size);
	size = stub_unwind(&clock->stub, window->start, window->end, unwind);
	if (!error)
		error = memory_write(tracee, window->start + UNWIND_OFFSET, unwind, size);
	if (error)
		return err_sys(CHOP_MISSING, -error, "cannot write stubs into the program");
	error = shared_map(tracee, thread, SHARED_WORDS, TABLE_SIZE, clock->stub.table);
	if (!error)
		map_put(&clock->commons, window->start + trap, window->start);
	return error;
}

static size_t write_stub(void *context, const struct trampoline_request *request, uint64_t at,
			 uint8_t *out, struct stub *stub)
{
	const struct trampoline_clock *clock = clock_of(context);
	unsigned int id = request->id;

	if (request->point)
		return stub_point(&request->plan, at, &clock->stub, id, STUB_POINT, request->entry,
				  out, stub);
	return stub_function(&request->plan, at, &clock->stub, id, out, stub);
}

/* The stub, and the jump to it in place of a breakpoint. */
static void add_one(struct tracee *tracee, struct trampoline_window *window,
		    struct trampoline_request *request)
{
	struct trampoline_clock *clock = clock_of(tracee);
	struct trampoline *trampoline;
	struct breakpoint *breakpoint;

	trampoline = trampoline_build(tracee, window, request, write_stub, tracee);
	if (!trampoline)
		return;
	if (trampoline->stub.back)
		map_put(&clock->backs, trampoline->stub.back, 1);
	if (breakpoint_set(tracee, request->place, BREAK_BEGIN)) {
		request->reason = "its code cannot be written";
		return;
	}
	breakpoint = breakpoint_find(tracee, request->place);
	if (trampoline_attach(tracee, breakpoint, trampoline)) {
		breakpoint_clear(tracee, request->place, BREAK_BEGIN);
		request->reason = "its code cannot be written";
	}
}

static bool span(const struct trampoline_request *requests, size_t count, uint64_t *from,
		 uint64_t *to)
{
	*from = UINT64_MAX;
	*to = 0;
	for (size_t i = 0; i < count; i++) {
		if (requests[i].reason)
			continue;
		if (requests[i].place < *from)
			*from = requests[i].place;
		if (requests[i].place >= *to)
			*to = requests[i].place + 1;
	}
	return *from < *to;
}

/* A thread that has no thread pointer yet must find a lane without looking for it. */
static void prepare_thread(struct tracee *tracee, struct thread *thread)
{
	struct chop_regs regs;

	if (thread_get_regs(thread, &regs) || stub_key(&regs))
		return;
	clock_give_lane(tracee, thread, 0);
}

static int add_all(struct tracee *tracee, struct thread *thread,
		   struct trampoline_request *requests, size_t count)
{
	struct trampoline_window *window;
	uint64_t from, to;
	int error;

	trampoline_plan(tracee, requests, count);
	if (!span(requests, count, &from, &to))
		return 0;
	window = window_for(tracee, thread, from, to, TABLE_SIZE);
	if (!window)
		return -ENOMEM;
	error = prepare_window(tracee, thread, window);
	if (error)
		return error;
	prepare_thread(tracee, thread);
	for (size_t i = 0; i < count; i++) {
		if (!requests[i].reason)
			add_one(tracee, window, &requests[i]);
	}
	return 0;
}

int clock_add(struct tracee *tracee, struct thread *thread, struct clock_place *places,
	      size_t count)
{
	struct trampoline_request *requests = xcalloc(count + 1, sizeof(*requests));
	int error;

	for (size_t i = 0; i < count; i++) {
		requests[i].place = places[i].address;
		requests[i].id = places[i].id;
		requests[i].point = places[i].point;
	}
	threads_stop(tracee, thread);
	error = add_all(tracee, thread, requests, count);
	threads_resume(tracee, thread);
	for (size_t i = 0; i < count; i++)
		places[i].reason = requests[i].reason;
	free(requests);
	return error;
}

/* -- unwinders -------------------------------------------------------------------------------- */

/* Where unwinding begins; libgcc's names, which others have as well. */
static const char *const unwinders[] = { "_Unwind_RaiseException", "_Unwind_ForcedUnwind",
					 "_Unwind_Resume_or_Rethrow", "_Unwind_Backtrace",
					 "_Unwind_Find_FDE" };

static uint64_t function_in(struct module *module, const char *name)
{
	struct image *image = module_image(module);
	const struct symbol *symbol = image ? image_find(image, name, NULL) : NULL;

	if (!symbol || symbol->kind != SYMBOL_FUNCTION)
		return 0;
	return module->bias + symbol->address;
}

bool clock_watch_unwinder(struct tracee *tracee, struct module *module)
{
	bool any = false;

	if (!function_in(module, "__register_frame_info"))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(unwinders); i++) {
		uint64_t address = function_in(module, unwinders[i]);

		if (address && !breakpoint_set(tracee, address, BREAK_WATCH))
			any = true;
	}
	return any;
}

static void stop_watching(struct tracee *tracee, struct thread *thread, struct module *module)
{
	threads_stop(tracee, thread);
	for (size_t i = 0; i < ARRAY_SIZE(unwinders); i++) {
		uint64_t address = function_in(module, unwinders[i]);

		if (address)
			breakpoint_clear(tracee, address, BREAK_WATCH);
	}
	threads_resume(tracee, thread);
}

/* For each window: __register_frame_info(its table, an object of libgcc's). */
static void tell(struct tracee *tracee, struct thread *thread, uint64_t function)
{
	struct trampoline_clock *clock = clock_of(tracee);
	struct trampoline_windows *windows = &tracee->trampolines->windows;

	for (size_t i = 0; i < windows->length; i++) {
		uint64_t table = windows->items[i]->start + UNWIND_OFFSET, result;

		if (clock->objects + OBJECT_SIZE > OBJECTS_SIZE)
			return;
		if (inject_function_of(tracee, thread, function, table,
				       clock->kept + SHADOW_SIZE + clock->objects, &result))
			return;
		clock->objects += OBJECT_SIZE;
	}
}

bool clock_tell_unwinder(struct tracee *tracee, struct thread *thread, uint64_t address)
{
	struct module *module = module_at(tracee, address);
	uint64_t function = module ? function_in(module, "__register_frame_info") : 0;

	if (!function || !clock_of(tracee) || !(breakpoint_purposes(tracee, address) & BREAK_WATCH))
		return false;
	/* The breakpoints last: they hold up other threads that come this way meanwhile. */
	tell(tracee, thread, function);
	stop_watching(tracee, thread, module);
	return true;
}
