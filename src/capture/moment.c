// SPDX-License-Identifier: Apache-2.0
/* Where a region ends when its time is up. */
#include "capture/passage.h"

#include <errno.h>
#include <inttypes.h>

#include "base/err.h"
#include "tracee/interrupt.h"
#include "tracee/memory.h"
#include "tracee/threads.h"

/* In the middle of an instruction that repeats itself: a replay could not stop there. */
static bool is_between(const struct passage *run, uint64_t pc)
{
	uint8_t code[16];
	size_t size;

	if (run->region->backend->ops->make_present(run->region->backend, pc))
		return false;
	size = memory_read_code(run->tracee, pc, code, sizeof(code));
	return arch_repeats(code, size);
}

static void end_here(struct passage *run, uint64_t pc)
{
	*vec_push(&run->capture->ends) = pc;
	run->capture->reached_end = pc;
}

int passage_end_here(struct passage *run, bool progressed, bool *ended)
{
	struct chop_regs regs;
	uint64_t pc;

	if (thread_get_regs(run->owner, &regs))
		return passage_alive(-ESRCH);
	/* A call that was undone, to be made again: the registers are not those a replay has. */
	if (run->again) {
		run->ending = true;
		interrupt_at(interrupt_now() + TIME_AGAIN_NS);
		return 0;
	}
	if (run->recorder.open) {
		end_here(run, arch_pc(&regs));
		*ended = true;
		return recorder_break(&run->recorder, &regs);
	}
	/* The call it was stopped in before the region may not have been made again yet. */
	arch_restart_call(&regs);
	pc = arch_pc(&regs);
	if ((pc == run->capture->begin && !progressed) || is_between(run, pc)) {
		run->ending = true;
		interrupt_at(interrupt_now() + TIME_AGAIN_NS);
		return 0;
	}
	end_here(run, pc);
	*ended = true;
	return 0;
}

int passage_on_time(struct passage *run, bool *ended)
{
	run->time_up = false;
	if (!run->ending && run->capture->ends.length)
		return passage_set_ends(run);
	if (!run->ending && run->region->ends_at_point)
		return 0;
	return passage_end_here(run, false, ended);
}
