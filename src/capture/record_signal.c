// SPDX-License-Identifier: Apache-2.0
/*
 * Handlers entered and left, as records of the log: where the program was, what the kernel put
 * on the stack, where it goes on. A replay does the same by hand; the kernel delivers nothing.
 */
#include "capture/recorder.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/syscall.h>

#include "arch/arch.h"
#include "base/alloc.h"
#include "base/err.h"
#include "capture/state.h"
#include "tracee/threads.h"

static struct syslog *log_of(struct recorder *recorder)
{
	return &recorder->capture->calls;
}

/* Canonical, and cut after the last component that is in use. */
static void trim(struct thread_state *state)
{
	struct arch_xstate_layout layout;
	uint64_t in_use, size = XSTATE_HEADER_END;

	if (arch_xstate_layout(state->xstate, state->xstate_size, &layout))
		return;
	arch_xstate_canonical(state->xstate, state->xstate_size);
	in_use = chop_xstate_load(state->xstate + XSTATE_BV_OFFSET, 8);
	for (size_t i = 0; i < layout.count; i++) {
		const struct chop_xstate_component *c = &layout.components[i];

		if ((in_use >> c->number & 1) && c->offset + c->size > size)
			size = c->offset + c->size;
	}
	if (state->xstate_size > size)
		state->xstate_size = size;
}

static void begin(struct recorder *recorder, const struct chop_regs *at, int number)
{
	struct chop_event event = {
		.kind = CHOP_EVENT_SIGNAL,
		.thread = (uint32_t)recorder->owner->tid,
		.number = number,
		.ip = arch_pc(at),
	};

	syslog_begin(log_of(recorder), &event);
}

static int frame_lost(const struct recorder *recorder)
{
	return err_set(CHOP_DIFFERS, EFAULT,
		       "invocation %" PRIu64 ": the frame of a signal handler cannot be read",
		       recorder->capture->invocation);
}

/* The state the owner goes on with ends the record. */
static int end(struct recorder *recorder, const struct chop_regs *at)
{
	struct chop_event_signal signal = { .at = *at };
	struct thread_state to = { 0 };
	int error = state_read(recorder->owner, &to);

	if (!error) {
		trim(&to);
		signal.to = to.regs;
		signal.xstate_size = to.xstate_size;
		syslog_signal(log_of(recorder), &signal, to.xstate);
		syslog_end(log_of(recorder));
	} else {
		syslog_cancel(log_of(recorder));
	}
	free(to.xstate);
	return error;
}

static int add_frame(struct recorder *recorder, const struct arch_signal_frame *frame, bool input)
{
	cleanup_free uint8_t *bytes = xmalloc(frame->size);

	if (recorder_read(recorder, frame->address, bytes, frame->size))
		return frame_lost(recorder);
	if (input)
		syslog_input(log_of(recorder), frame->address, bytes, frame->size);
	else
		syslog_write(log_of(recorder), frame->address, bytes, frame->size);
	return 0;
}

/*
 * A call was under way: interrupted it has a result now, which the frame holds; or it will be
 * made again after the handler, and is recorded then.
 */
static int settle_call(struct recorder *recorder, struct chop_regs *at)
{
	int error = 0;

	recorder->restarting = false;
	if (arch_pc(at) == recorder->ip)
		syslog_cancel(log_of(recorder));
	else
		error = recorder_exit(recorder, at);
	recorder->open = false;
	return error;
}

int recorder_signal(struct recorder *recorder, const struct chop_regs *at, const siginfo_t *info,
		    bool in_call)
{
	struct chop_regs interrupted = *at, to;
	struct arch_signal_frame frame;
	int error;

	if (thread_get_regs(recorder->owner, &to) ||
	    arch_signal_frame(arch_handler_frame(&to), recorder_read, recorder, &frame))
		return frame_lost(recorder);
	arch_set_interrupted(&interrupted, &frame);
	if (recorder->open) {
		error = settle_call(recorder, &interrupted);
		if (error)
			return error;
	}
	begin(recorder, &interrupted, info->si_signo);
	syslog_event(log_of(recorder))->args[0] = (uint64_t)info->si_code;
	if (in_call && arch_pc(&interrupted) != recorder->ip)
		syslog_event(log_of(recorder))->flags |= CHOP_EVENT_NEXT;
	error = recorder_compare(recorder);
	if (!error)
		error = add_frame(recorder, &frame, false);
	if (!error)
		return end(recorder, &interrupted);
	syslog_cancel(log_of(recorder));
	return error;
}

int recorder_return(struct recorder *recorder)
{
	struct chop_regs at = recorder->at;
	struct arch_signal_frame frame;
	int error;

	syslog_cancel(log_of(recorder));
	recorder->open = false;
	arch_rewind_call(&at);
	if (arch_signal_frame(arch_return_frame(&at), recorder_read, recorder, &frame))
		return frame_lost(recorder);
	begin(recorder, &at, 0);
	error = recorder_compare(recorder);
	if (!error)
		error = add_frame(recorder, &frame, true);
	if (!error)
		return end(recorder, &at);
	syslog_cancel(log_of(recorder));
	return error;
}
