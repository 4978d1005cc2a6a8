// SPDX-License-Identifier: Apache-2.0
/* Under some back ends the kernel must be let in before it is called. */
#include "capture/recorder.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#include "arch/arch.h"

static int expect_room(void *context, uint64_t address, uint64_t size)
{
	struct recorder *recorder = context;

	recorder->backend->ops->expect(recorder->backend, address, address + size);
	return 0;
}

static void expect_frame(struct recorder *recorder)
{
	struct arch_signal_frame frame;
	struct chop_regs at = recorder->at;

	arch_rewind_call(&at);
	if (!arch_signal_frame(arch_return_frame(&at), recorder_read, recorder, &frame))
		expect_room(recorder, frame.address, frame.size);
}

void recorder_expect(struct recorder *recorder)
{
	const uint64_t *args = recorder->call.args;

	if (!recorder->backend->ops->expect)
		return;
	call_rooms(&recorder->call, recorder_read, expect_room, recorder);
	if (recorder->call.number == SYS_rt_sigreturn)
		expect_frame(recorder);
	if (recorder->call.number == SYS_madvise &&
	    (args[2] == MADV_POPULATE_READ || args[2] == MADV_POPULATE_WRITE))
		expect_room(recorder, args[0], args[1]);
}
