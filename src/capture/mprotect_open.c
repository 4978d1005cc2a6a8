// SPDX-License-Identifier: Apache-2.0
/* Protections: taking all access, giving it back page by page. */
#include "capture/mprotect.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "arch/arch.h"
#include "base/err.h"
#include "base/log.h"
#include "capture/state.h"
#include "tracee/memory.h"
#include "tracee/threads.h"

/* An open page in the middle of a closed mapping makes three of one. */
#define MAPPINGS_EACH 2

static uint64_t protection(const struct protect_range *range)
{
	return (range->flags & PAGE_READ ? PROT_READ : 0) |
	       (range->flags & PAGE_WRITE ? PROT_WRITE : 0) |
	       (range->flags & PAGE_EXECUTE ? PROT_EXEC : 0);
}

/* Neighbours that get the same are one call, whatever mappings they are. */
static void queue(struct protect *protect, uint64_t start, uint64_t end, uint64_t value)
{
	struct arch_entry *last = protect->calls.length ? vec_last(&protect->calls) : NULL;

	if (last && last->args[0] + last->args[1] == start && last->args[2] == value)
		last->args[1] += end - start;
	else
		*vec_push(&protect->calls) = (struct arch_entry){
			.number = SYS_mprotect,
			.args = { start, end - start, value },
		};
}

typedef void gap_fn(struct protect *protect, const struct protect_range *range,
		    const struct span *gap);

/* For the parts of [start, end) that are watched and not open. */
static void each_gap(struct protect *protect, uint64_t start, uint64_t end, gap_fn *function)
{
	for (size_t i = protect_from(protect, start); i < protect->ranges.length; i++) {
		const struct protect_range *range = &protect->ranges.items[i];
		uint64_t at = range->start > start ? range->start : start;
		uint64_t stop = range->end < end ? range->end : end;
		struct span gap;

		if (range->start >= end)
			break;
		for (; range->kind == PROTECT_WATCHED && spans_gap(&protect->open, at, stop, &gap);
		     at = gap.end)
			function(protect, range, &gap);
	}
}

static void queue_given(struct protect *protect, const struct protect_range *range,
			const struct span *gap)
{
	queue(protect, gap->start, gap->end, protection(range));
}

static void queue_taken(struct protect *protect, const struct protect_range *range,
			const struct span *gap)
{
	(void)range;
	queue(protect, gap->start, gap->end, PROT_NONE);
}

static void expect_gap(struct protect *protect, const struct protect_range *range,
		       const struct span *gap)
{
	(void)range;
	spans_add(&protect->expected, gap->start, gap->end);
}

static int run_calls(struct protect *protect, struct thread *thread)
{
	return protect->calls.length ? inject_run(protect->base.tracee, thread,
						  protect->calls.items, protect->calls.length)
				     : 0;
}

static int failed(const struct arch_entry *call)
{
	return err_sys(CHOP_MISSING, (int)-call->result,
		       "cannot change the protection of the program's memory at 0x%" PRIx64,
		       call->args[0]);
}

/* -- all of it ----------------------------------------------------------------------------- */

/* Sealed, or of a kind that has pages of another size: copied, then. */
static int leave_out(struct protect *protect, struct protect_range *range)
{
	log_debug("0x%" PRIx64 " cannot be protected", range->start);
	range->kind = PROTECT_WHOLE;
	return protect_record_all(protect, range->start, range->end);
}

static int arm_singly(struct protect *protect, struct thread *thread, uint64_t start, uint64_t end)
{
	int error = 0;

	for (size_t i = protect_from(protect, start); i < protect->ranges.length && !error; i++) {
		struct protect_range *range = &protect->ranges.items[i];

		if (range->start >= end)
			break;
		protect->calls.length = 0;
		each_gap(protect, range->start, range->end, queue_taken);
		error = run_calls(protect, thread);
		for (size_t k = 0; k < protect->calls.length && !error; k++) {
			const struct arch_entry *call = &protect->calls.items[k];

			if (call->result == -ENOMEM)
				error = err_set(CHOP_MISSING, ENOMEM,
						"the program has too many mappings to protect its "
						"memory: raise vm.max_map_count");
			else if (call->result < 0)
				error = leave_out(protect, range);
			if (call->result < 0)
				break;
		}
	}
	return error;
}

/*
 * The kernel writes a thread's rseq area on the way out after a preemption, and kills when it
 * cannot: whoever runs calls for us must have it.
 */
static int leave_areas(struct protect *protect)
{
	int error = 0;

	for (size_t i = 0; i < protect->base.tracee->threads.length && !error; i++) {
		struct capture area = { 0 };
		uint64_t start, end;

		state_rseq(protect->base.tracee->threads.items[i], &area);
		if (!area.rseq_address)
			continue;
		start = area.rseq_address & -(uint64_t)CHOP_PAGE_SIZE;
		end = (area.rseq_address + area.rseq_size + CHOP_PAGE_SIZE - 1) &
		      -(uint64_t)CHOP_PAGE_SIZE;
		if (protect_find(protect, start))
			error = protect_record_all(protect, start, end);
		spans_add(&protect->open, start, end);
	}
	return error;
}

int protect_arm(struct protect *protect, struct thread *thread, uint64_t start, uint64_t end)
{
	int error = leave_areas(protect);

	if (error)
		return error;
	protect->calls.length = 0;
	each_gap(protect, start, end, queue_taken);
	error = run_calls(protect, thread);
	for (size_t i = 0; i < protect->calls.length && !error; i++) {
		if (protect->calls.items[i].result < 0)
			return arm_singly(protect, thread, start, end);
	}
	return error;
}

int protect_disarm(struct protect *protect, struct thread *thread, uint64_t start, uint64_t end)
{
	int error;

	protect->calls.length = 0;
	each_gap(protect, start, end, queue_given);
	error = run_calls(protect, thread);
	for (size_t i = 0; i < protect->calls.length && !error; i++) {
		const struct arch_entry *call = &protect->calls.items[i];

		/* ENOMEM: unmapped meanwhile, by a call whose arguments do not tell. */
		if (call->result < 0 && call->result != -ENOMEM)
			error = failed(call);
	}
	return error;
}

/* -- page by page -------------------------------------------------------------------------- */

static bool room_for_mappings(const struct protect *protect)
{
	return !protect->mappings_left ||
	       (protect->open.length + 1) * MAPPINGS_EACH <= protect->mappings_left;
}

/* With no mappings left: close the gap around, which makes three mappings one. */
static void widen(struct protect *protect, const struct protect_range *range, struct span *part)
{
	struct span gap = spans_around(&protect->open, part->start, range->start, range->end);

	if (!protect->merged)
		capture_warn(protect->capture,
			     "the program is near vm.max_map_count: pages were included that the "
			     "region did not touch");
	protect->merged = true;
	part->start = gap.start;
	part->end = gap.end;
	if (protect_record_all(protect, gap.start, gap.end))
		protect->failed = true;
}

/* Queue giving access to a part of one range that is closed. */
static void queue_part(struct protect *protect, const struct protect_range *range,
		       const struct span *gap)
{
	struct span part = *gap;
	bool alone = !(part.start > range->start && spans_has(&protect->open, part.start - 1)) &&
		     !(part.end < range->end && spans_has(&protect->open, part.end));

	if (alone && !room_for_mappings(protect))
		widen(protect, range, &part);
	queue(protect, part.start, part.end, protection(range));
	spans_add(&protect->open, part.start, part.end);
}

static void queue_open(struct protect *protect, uint64_t start, uint64_t end)
{
	each_gap(protect, start, end, queue_part);
}

/* The kernel has no mappings left although we thought so: give up watching, not the program. */
static int open_everything(struct protect *protect, struct thread *thread)
{
	protect->failed = true;
	protect->lifted = true;
	return protect_disarm(protect, thread, 0, UINT64_MAX);
}

static int run_open(struct protect *protect, struct thread *thread)
{
	int error = run_calls(protect, thread);

	for (size_t i = 0; i < protect->calls.length && !error; i++) {
		const struct arch_entry *call = &protect->calls.items[i];

		if (call->result >= 0)
			continue;
		spans_remove(&protect->open, call->args[0], call->args[0] + call->args[1]);
		return open_everything(protect, thread);
	}
	return error;
}

/* -- faults ---------------------------------------------------------------------------------- */

/* The access fails without us as well: the program gets its signal when it is tried again. */
static bool is_own_fault(struct protect *protect, const struct thread *thread,
			 const struct protect_range *range, uint64_t address)
{
	struct chop_regs regs;
	uint8_t code[16];
	size_t size;

	if (thread_get_regs(thread, &regs))
		return false;
	/* Of the next instruction, or of its part in another page. */
	if (address >= arch_pc(&regs) && address < arch_pc(&regs) + sizeof(code))
		return !(range->flags & PAGE_EXECUTE);
	if (range->flags & PAGE_WRITE)
		return false;
	size = memory_read_code(protect->base.tracee, arch_pc(&regs), code, sizeof(code));
	return arch_writes(&regs, code, size, address);
}

/* Below a stack, which grows closed as its lowest page was. */
static struct protect_range *grow(struct protect *protect, uint64_t page)
{
	struct capture_mapping_vec maps = { 0 };
	struct protect_range *above = NULL;
	const struct capture_mapping *mapping;
	size_t i = protect_from(protect, page);

	if (i == protect->ranges.length || mappings_read(protect->base.tracee, &maps))
		return NULL;
	mapping = mappings_find(&maps, page);
	if (mapping && !mapping->inode && !(mapping->flags & PAGE_READ) &&
	    mapping->end >= protect->ranges.items[i].start &&
	    protect->ranges.items[i].kind == PROTECT_WATCHED &&
	    !capture_mapping_at(protect->capture, page)) {
		above = &protect->ranges.items[i];
		above->start = mapping->start;
		protect->grown = true;
	}
	mappings_release(&maps);
	return above;
}

bool protect_fault(void *context, struct thread *thread)
{
	struct protect *protect = context;
	uint64_t address = (uint64_t)thread->info.si_addr;
	uint64_t page = address & -(uint64_t)CHOP_PAGE_SIZE;
	struct protect_range *range;
	enum run run = thread->run;
	bool own;

	if (!protect->capture || thread != protect->owner || protect->lifted ||
	    thread->info.si_signo != SIGSEGV || thread->info.si_code != SEGV_ACCERR)
		return false;
	range = protect_find(protect, page);
	if (!range)
		range = grow(protect, page);
	if (!range || range->kind != PROTECT_WATCHED || spans_has(&protect->open, page))
		return false;
	own = is_own_fault(protect, thread, range, address);
	protect_record(protect, page, own ? PAGE_ALWAYS : 0, !own);
	protect->calls.length = 0;
	queue_open(protect, page, page + CHOP_PAGE_SIZE);
	if (run_open(protect, thread))
		protect->failed = true;
	thread->run = run; /* as it is to go on */
	return true;
}

/* -- for the kernel -------------------------------------------------------------------------- */

void protect_expect(struct backend *backend, uint64_t start, uint64_t end)
{
	struct protect *protect = (struct protect *)backend;

	start &= -(uint64_t)CHOP_PAGE_SIZE;
	end = (end + CHOP_PAGE_SIZE - 1) & -(uint64_t)CHOP_PAGE_SIZE;
	each_gap(protect, start, end, expect_gap);
}

bool protect_pending(struct backend *backend)
{
	const struct protect *protect = (struct protect *)backend;

	return (protect->lift && !protect->lifted) || protect->expected.length ||
	       protect->wanted.length;
}

/* What it holds now, in case it turns out to be touched. */
static void add_guess(struct protect *protect, uint64_t page)
{
	struct protect_guess guess = { page, protect_is_empty(protect, page),
				       protect->guess_bytes.length };
	uint8_t content[CHOP_PAGE_SIZE];

	if (pagelog_has(&protect->log, page) || map_has(&protect->guess_index, page))
		return;
	/* Beyond the end of a file there is nothing. */
	if (!guess.empty && memory_read(protect->base.tracee, page, content, sizeof(content)))
		return;
	if (!guess.empty)
		buf_add(&protect->guess_bytes, content, sizeof(content));
	*vec_push(&protect->guesses) = guess;
	map_put(&protect->guess_index, page, protect->guesses.length);
}

static void open_expected(struct protect *protect)
{
	for (size_t i = 0; i < protect->expected.length; i++) {
		struct span span = protect->expected.items[i];

		for (uint64_t page = span.start; page < span.end; page += CHOP_PAGE_SIZE)
			add_guess(protect, page);
		queue_open(protect, span.start, span.end);
	}
	protect->expected.length = 0;
	for (size_t i = 0; i < protect->wanted.length; i++)
		queue_open(protect, protect->wanted.items[i].start, protect->wanted.items[i].end);
	protect->wanted.length = 0;
}

/* What the kernel did not touch after all is closed again. */
static void close_guesses(struct protect *protect)
{
	for (size_t i = 0; i < protect->guesses.length; i++) {
		uint64_t page = protect->guesses.items[i].page;
		const struct protect_range *range = protect_find(protect, page);

		if (pagelog_has(&protect->log, page) || spans_has(&protect->loose, page) ||
		    !range || range->kind != PROTECT_WATCHED)
			continue;
		spans_remove(&protect->open, page, page + CHOP_PAGE_SIZE);
		queue(protect, page, page + CHOP_PAGE_SIZE, PROT_NONE);
	}
	protect_forget_guesses(protect);
}

/* Everything is accessible until protect_changes. */
static int lift(struct protect *protect, struct thread *thread)
{
	int error = protect_disarm(protect, thread, 0, UINT64_MAX);

	protect->lift = false;
	protect->lifted = true;
	protect->expected.length = 0;
	return error;
}

int protect_ready(struct backend *backend, struct thread *thread)
{
	struct protect *protect = (struct protect *)backend;

	if (protect->lift && !protect->lifted)
		return lift(protect, thread);
	if (protect->lifted) {
		protect->expected.length = 0;
		return 0;
	}
	protect->calls.length = 0;
	close_guesses(protect);
	open_expected(protect);
	return run_open(protect, thread);
}
