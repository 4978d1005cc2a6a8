// SPDX-License-Identifier: Apache-2.0
/*
 * What the kernel puts on the stack for a signal handler (arch/x86/include/asm/sigframe.h,
 * uapi/asm/sigcontext.h of Linux): return address, ucontext with the interrupted registers,
 * siginfo, and above them the extended state.
 */
#include "arch/arch.h"

/* Offsets in the frame; a ucontext begins behind the return address. */
#define FRAME_REGISTERS	     (8 + 40)
#define FRAME_REGISTER(n)    (FRAME_REGISTERS + 8 * (n))
#define FRAME_RAX	     FRAME_REGISTER(13)
#define FRAME_RIP	     FRAME_REGISTER(16)
#define FRAME_FPSTATE	     FRAME_REGISTER(23)
#define FRAME_WITHOUT_STATE  440 /* bytes of struct rt_sigframe */
#define FPSTATE_SOFTWARE     464 /* struct _fpx_sw_bytes: magic1, extended_size */
#define FPSTATE_MAGIC	     0x46505853u
#define FPSTATE_WITHOUT_SIZE 512
#define RED_ZONE	     128 /* bytes below the stack pointer that belong to the function */
#define FPSTATE_SIZE_MAX     (CHOP_XSTATE_MAX + 4096)

uint64_t arch_handler_frame(const struct chop_regs *regs)
{
	return regs->rsp;
}

uint64_t arch_frame_lowest(uint64_t sp, uint64_t bytes)
{
	if (!bytes)
		bytes = FRAME_WITHOUT_STATE + FPSTATE_SIZE_MAX;
	return sp - RED_ZONE - bytes;
}

uint64_t arch_handler_info(const struct chop_regs *regs)
{
	return regs->rsi;
}

uint64_t arch_return_frame(const struct chop_regs *regs)
{
	return regs->rsp - 8; /* the handler's return has taken the address off */
}

static uint64_t state_end(uint64_t state, arch_read_fn *read, void *context)
{
	uint32_t software[2];

	if (read(context, state + FPSTATE_SOFTWARE, software, sizeof(software)) ||
	    software[0] != FPSTATE_MAGIC || software[1] > FPSTATE_SIZE_MAX)
		return state + FPSTATE_WITHOUT_SIZE;
	return state + software[1];
}

int arch_signal_frame(uint64_t address, arch_read_fn *read, void *context,
		      struct arch_signal_frame *frame)
{
	uint64_t state, end;

	*frame = (struct arch_signal_frame){ .address = address, .size = FRAME_WITHOUT_STATE };
	if (read(context, address + FRAME_RIP, &frame->pc, 8) ||
	    read(context, address + FRAME_RAX, &frame->result, 8) ||
	    read(context, address + FRAME_FPSTATE, &state, 8))
		return -1;
	if (!state)
		return 0;
	end = state_end(state, read, context);
	if (state >= address && end - address <= FPSTATE_SIZE_MAX)
		frame->size = end - address;
	return 0;
}

bool arch_in_call(const struct chop_regs *regs)
{
	return (int64_t)regs->orig_rax >= 0;
}

void arch_set_interrupted(struct chop_regs *regs, const struct arch_signal_frame *frame)
{
	regs->rip = frame->pc;
	regs->rax = frame->result;
}
