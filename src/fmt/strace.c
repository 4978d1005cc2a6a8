// SPDX-License-Identifier: Apache-2.0
#include "fmt/strace.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"

/* -- numbers, quicker than printf --------------------------------------------------------------- */

static void digits(struct buf *out, uint64_t value, unsigned int width, char fill)
{
	char text[24];
	size_t at = sizeof(text);

	do {
		text[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	while (sizeof(text) - at < width)
		text[--at] = fill;
	buf_add(out, text + at, sizeof(text) - at);
}

static void pid_left(struct buf *out, pid_t pid)
{
	size_t start = out->length;

	digits(out, (uint64_t)pid, 1, ' ');
	while (out->length - start < 5)
		buf_add_char(out, ' ');
	buf_add_char(out, ' ');
}

static void seconds(struct buf *out, uint64_t ns, unsigned int width)
{
	digits(out, ns / 1000000000, width, ' ');
	buf_add_char(out, '.');
	digits(out, ns % 1000000000 / 1000, 6, '0');
}

/* -- the front of a line --------------------------------------------------------------------------- */

static void time_of_day(struct strace_writer *w, uint64_t time)
{
	int64_t now = (int64_t)time + w->options.clock_offset;
	int64_t second = now / 1000000000;
	time_t when = (time_t)second;
	struct tm local;

	if (w->options.time == STRACE_EPOCH) {
		digits(&w->to->buf, (uint64_t)second, 1, ' ');
	} else {
		if (second != w->day_second && localtime_r(&when, &local)) {
			strftime(w->day_text, sizeof(w->day_text), "%T", &local);
			w->day_second = second;
		}
		buf_add_text(&w->to->buf, w->day_text);
	}
	if (w->options.time != STRACE_SECONDS) {
		buf_add_char(&w->to->buf, '.');
		digits(&w->to->buf, (uint64_t)(now % 1000000000) / 1000, 6, '0');
	}
	buf_add_char(&w->to->buf, ' ');
}

/*
 * Time goes on, and by how much. Another processor's event may have been stamped a moment before
 * it took its place: it is shown where it stands, never before what stands above it.
 */
static uint64_t advance(struct strace_writer *w, uint64_t time)
{
	uint64_t passed = w->previous && time > w->previous ? time - w->previous : 0;

	if (time > w->previous)
		w->previous = time;
	return passed;
}

static void since_previous(struct strace_writer *w, uint64_t passed)
{
	if (w->options.time)
		buf_add_text(&w->to->buf, "(+");
	seconds(&w->to->buf, passed, 6);
	buf_add_text(&w->to->buf, w->options.time ? ") " : " ");
}

static void front(struct strace_writer *w, const struct track_thread *thread, uint64_t time,
		  uint64_t passed, bool call)
{
	w->line = w->to->buf.length;
	if (w->options.pid == STRACE_PID_ALWAYS) {
		pid_left(&w->to->buf, thread->tid);
	} else if (w->options.pid == STRACE_PID_SEVERAL && track_live(w->track) > 1) {
		buf_add_text(&w->to->buf, "[pid ");
		digits(&w->to->buf, (uint64_t)thread->tid, 5, ' ');
		buf_add_text(&w->to->buf, "] ");
	}
	if (w->options.time)
		time_of_day(w, time);
	if (w->options.relative)
		since_previous(w, passed);
	if (w->options.numbers && (call || thread->call.text.length)) {
		buf_add_char(&w->to->buf, '[');
		digits(&w->to->buf, (uint64_t)thread->call.call.number, 4, ' ');
		buf_add_text(&w->to->buf, "] ");
	} else if (w->options.numbers) {
		buf_add_text(&w->to->buf, "[????] ");
	}
}

static void to_column(struct strace_writer *w)
{
	size_t column = w->to->buf.length - w->line;

	while (column++ < w->options.column)
		buf_add_char(&w->to->buf, ' ');
}

/* exit and exit_group: there is nothing to wait for. */
static bool never_returns(const struct decode_call *call)
{
	return call->entry && call->shape.result->format == CALL_NONE;
}

static void end_without_result(struct strace_writer *w)
{
	buf_add_text(&w->to->buf, ") ");
	to_column(w);
	buf_add_text(&w->to->buf, "= ?\n");
	w->open = NULL;
}

/* Another thread has something to say: the line that is open ends here. */
static void interrupt_line(struct strace_writer *w)
{
	if (!w->open)
		return;
	if (never_returns(&w->open->call)) {
		map_put(&w->ended, (uint64_t)w->open->tid, 1);
		end_without_result(w);
		return;
	}
	buf_add_text(&w->to->buf, " <unfinished ...>\n");
	w->open = NULL;
}

static void begin_line(struct strace_writer *w, const struct track_step *step, bool call)
{
	uint64_t passed = advance(w, step->time);

	interrupt_line(w);
	front(w, step->thread, w->previous, passed, call);
}

/* -- calls ------------------------------------------------------------------------------------------- */

/* With the time when it began; what had passed then was noted. */
static void resume_whole(struct strace_writer *w, const struct track_thread *thread)
{
	uint64_t passed = 0;

	map_get(&w->began, (uint64_t)thread->tid, &passed);
	front(w, thread, thread->entered, passed, true);
	buf_add(&w->to->buf, buf_text(&thread->call.text), thread->call.enter_length);
}

/* Bring the thread's line to where its entry ended. */
static void resume(struct strace_writer *w, const struct track_step *step)
{
	const struct decode_call *call = &step->thread->call;

	if (w->open == step->thread)
		return;
	if (w->options.whole) {
		resume_whole(w, step->thread);
		return;
	}
	begin_line(w, step, true);
	buf_add_text(&w->to->buf, "<... ");
	buf_add_text(&w->to->buf, call->entry ? call->entry->name : "");
	if (!call->entry)
		buf_printf(&w->to->buf, "syscall_0x%lx", (unsigned long)call->call.number);
	buf_add_text(&w->to->buf, " resumed>");
}

static void duration(struct strace_writer *w, const struct track_step *step)
{
	if (!w->options.durations)
		return;
	buf_add_text(&w->to->buf, " <");
	seconds(&w->to->buf, step->time - step->thread->entered, 1);
	buf_add_char(&w->to->buf, '>');
}

static void stack(struct strace_writer *w, const struct track_step *step)
{
	struct place frames[STACK_FRAMES];
	size_t count = step->stack ? step->stack(step->stack_context, frames) : 0;

	for (size_t i = 0; i < count; i++) {
		buf_printf(&w->to->buf, " > %s(%s", frames[i].module, frames[i].symbol);
		if (frames[i].symbol[0])
			buf_printf(&w->to->buf, "+0x%" PRIx64, frames[i].offset);
		buf_printf(&w->to->buf, ") [0x%" PRIx64 "]\n", frames[i].address);
	}
}

static void leave(struct strace_writer *w, const struct track_step *step)
{
	const struct decode_call *call = &step->thread->call;

	resume(w, step);
	buf_add(&w->to->buf, call->text.data + call->enter_length,
		call->text.length - call->enter_length);
	buf_add_char(&w->to->buf, ' ');
	to_column(w);
	buf_add_text(&w->to->buf, "= ");
	buf_add_text(&w->to->buf, step->result);
	duration(w, step);
	buf_add_char(&w->to->buf, '\n');
	stack(w, step);
	w->open = NULL;
}

/* It never returned. */
static void gone(struct strace_writer *w, const struct track_step *step)
{
	if (map_remove(&w->ended, (uint64_t)step->thread->tid))
		return;
	resume(w, step);
	end_without_result(w);
}

/* We leave while it is in a call. */
static void detached(struct strace_writer *w, const struct track_step *step)
{
	if (w->open != step->thread)
		return;
	buf_add_text(&w->to->buf, " <detached ...>\n");
	w->open = NULL;
}

static void enter(struct strace_writer *w, const struct track_step *step)
{
	const struct decode_call *call = &step->thread->call;

	if (w->options.whole) {
		map_put(&w->began, (uint64_t)step->thread->tid, advance(w, step->time));
		return;
	}
	begin_line(w, step, true);
	buf_add(&w->to->buf, buf_text(&call->text), call->enter_length);
	w->open = step->thread;
}

/* -- everything else ------------------------------------------------------------------------------------ */

static void signal_line(struct strace_writer *w, const struct track_step *step)
{
	begin_line(w, step, false);
	buf_add_text(&w->to->buf, "--- ");
	decode_signal_name(&w->to->buf, step->sig);
	if (step->info) {
		buf_add_char(&w->to->buf, ' ');
		decode_siginfo(&w->to->buf, step->info, CHOP_SIGINFO_SIZE, &w->decode);
	}
	buf_add_text(&w->to->buf, " ---\n");
}

static void end_line(struct strace_writer *w, const struct track_step *step)
{
	if (w->options.quiet)
		return;
	if (step->kind == TRACK_SUPERSEDED && w->open && w->open->tid == step->other) {
		buf_printf(&w->to->buf, " <pid changed to %d ...>\n", step->thread->tid);
		w->open = NULL;
	}
	begin_line(w, step, false);
	switch (step->kind) {
	case TRACK_STOPPED:
		buf_add_text(&w->to->buf, "--- stopped by ");
		decode_signal_name(&w->to->buf, step->sig);
		buf_add_text(&w->to->buf, " ---\n");
		break;
	case TRACK_EXITED:
		buf_printf(&w->to->buf, "+++ exited with %d +++\n", step->status);
		break;
	case TRACK_KILLED:
		buf_add_text(&w->to->buf, "+++ killed by ");
		decode_signal_name(&w->to->buf, step->sig);
		buf_add_text(&w->to->buf, step->status ? " (core dumped) +++\n" : " +++\n");
		break;
	default:
		buf_printf(&w->to->buf, "+++ superseded by execve in pid %d +++\n", step->other);
	}
}

int strace_flush(struct strace_writer *w)
{
	/* The column of a line that is open counts from a place that is written already. */
	w->line -= w->to->buf.length;
	return text_out_flush(w->to);
}

int strace_step(void *context, const struct track_step *step)
{
	struct strace_writer *w = context;

	switch (step->kind) {
	case TRACK_ENTER:
		enter(w, step);
		break;
	case TRACK_LEAVE:
		leave(w, step);
		break;
	case TRACK_GONE:
		gone(w, step);
		break;
	case TRACK_DETACHED:
		detached(w, step);
		break;
	case TRACK_SIGNAL:
		signal_line(w, step);
		break;
	case TRACK_STOPPED:
	case TRACK_EXITED:
	case TRACK_KILLED:
	case TRACK_SUPERSEDED:
		end_line(w, step);
		break;
	default:
		break;
	}
	return w->to->buf.length >= TEXT_OUT_FLUSH_AT ? strace_flush(w) : 0;
}

void strace_release(struct strace_writer *w)
{
	map_release(&w->ended);
	map_release(&w->began);
}
