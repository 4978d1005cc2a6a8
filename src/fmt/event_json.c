// SPDX-License-Identifier: Apache-2.0
#include "fmt/event_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "event/decode_print.h"

static const char *call_name(const struct track_thread *thread, char number[32])
{
	const struct decode_call *call = &thread->call;

	if (call->entry)
		return call->entry->name;
	snprintf(number, 32, "syscall_0x%lx", (unsigned long)call->call.number);
	return number;
}

static void arguments(struct buf *out, const struct decode_call *call)
{
	json_key(out, "args");
	buf_add_char(out, '{');
	for (unsigned int i = 0; i < call->arg_count; i++) {
		const struct decode_arg *arg = &call->args[i];
		char name[16];

		snprintf(name, sizeof(name), "arg%u", i);
		json_key(out, arg->name[0] ? arg->name : name);
		/* One that waits for the exit has no end yet. */
		json_quoted(out, call->text.data + arg->start,
			    arg->end > arg->start ? arg->end - arg->start : 0);
	}
	buf_add_char(out, '}');
}

static void result(struct buf *out, const struct track_step *step)
{
	char plain[24];
	const char *error = NULL;

	json_number(out, "result", step->value);
	if (decode_failed(step->value))
		error = decode_errno((unsigned int)-step->value, NULL);
	if (error)
		json_member(out, "error", error);
	snprintf(plain, sizeof(plain), "%" PRId64, step->value);
	if (!decode_failed(step->value) && strcmp(plain, step->result))
		json_member(out, "shown", step->result);
}

static void stack(struct buf *out, const struct track_step *step)
{
	struct place frames[STACK_FRAMES];
	size_t count = step->stack ? step->stack(step->stack_context, frames) : 0;

	if (!step->stack)
		return;
	json_key(out, "stack");
	buf_add_char(out, '[');
	for (size_t i = 0; i < count; i++) {
		buf_add_text(out, i ? ",{" : "{");
		json_member(out, "module", frames[i].module);
		if (frames[i].symbol[0]) {
			json_member(out, "symbol", frames[i].symbol);
			json_number(out, "offset", (int64_t)frames[i].offset);
		}
		json_key(out, "address");
		buf_printf(out, "\"0x%" PRIx64 "\"}", frames[i].address);
	}
	buf_add_char(out, ']');
}

static void signal_name(struct buf *out, int sig)
{
	struct buf name = { 0 };

	decode_signal_name(&name, sig);
	json_member(out, "signal", buf_text(&name));
	buf_release(&name);
}

static void signal_info(struct buf *out, const void *info)
{
	static const struct decode_options options = { .string_limit = 32 };
	struct buf text = { 0 };

	decode_siginfo(&text, info, CHOP_SIGINFO_SIZE, &options);
	json_member(out, "info", buf_text(&text));
	buf_release(&text);
}

/* -- one object a line --------------------------------------------------------------------------- */

static void begin(struct event_json *w, const struct track_step *step, const char *kind,
		  uint64_t time)
{
	int64_t now = (int64_t)time + w->clock_offset;
	struct buf *out = &w->to->buf;

	buf_add_char(out, '{');
	json_member(out, "event", kind);
	if (!w->untimed) {
		json_key(out, "time");
		buf_printf(out, "%" PRId64 ".%09" PRId64, now / 1000000000, now % 1000000000);
	}
	json_number(out, "pid", step->thread->pid);
	json_number(out, "tid", step->thread->tid);
}

static void call_line(struct event_json *w, const struct track_step *step, const char *kind)
{
	const struct track_thread *thread = step->thread;
	struct buf *out = &w->to->buf;
	char number[32];

	begin(w, step, kind, thread->entered);
	json_member(out, "call", call_name(thread, number));
	json_number(out, "number", thread->call.call.number);
	arguments(out, &thread->call);
	if (step->kind == TRACK_LEAVE) {
		uint64_t took = step->time - thread->entered;

		result(out, step);
		if (!w->untimed) {
			json_key(out, "duration");
			buf_printf(out, "%" PRIu64 ".%09" PRIu64, took / 1000000000,
				   took % 1000000000);
		}
		stack(out, step);
	}
	buf_add_text(out, "}\n");
}

static void other_line(struct event_json *w, const struct track_step *step, const char *kind)
{
	struct buf *out = &w->to->buf;

	begin(w, step, kind, step->time);
	switch (step->kind) {
	case TRACK_SIGNAL:
		signal_name(out, step->sig);
		if (step->info)
			signal_info(out, step->info);
		break;
	case TRACK_STOPPED:
		signal_name(out, step->sig);
		break;
	case TRACK_KILLED:
		signal_name(out, step->sig);
		json_key(out, "core");
		buf_add_text(out, step->status ? "true" : "false");
		break;
	case TRACK_EXITED:
		json_number(out, "status", step->status);
		break;
	case TRACK_FORK:
		json_number(out, "child", step->other);
		json_number(out, "child_pid", step->other_pid);
		break;
	case TRACK_SUPERSEDED:
		json_number(out, "by", step->other);
		break;
	default:
		break;
	}
	buf_add_text(out, "}\n");
}

/* How a step is called; NULL for those that are told by another. */
static const char *kind_name(enum track_kind kind)
{
	switch (kind) {
	case TRACK_LEAVE:
		return "call";
	case TRACK_GONE:
		return "unfinished";
	case TRACK_DETACHED:
		return "detached";
	case TRACK_SIGNAL:
		return "signal";
	case TRACK_STOPPED:
		return "stopped";
	case TRACK_EXITED:
		return "exited";
	case TRACK_KILLED:
		return "killed";
	case TRACK_SUPERSEDED:
		return "superseded";
	case TRACK_FORK:
		return "fork";
	case TRACK_EXEC:
		return "exec";
	case TRACK_ENTER:
	case TRACK_SUMMARY:
		break;
	}
	return NULL;
}

int event_json_step(void *context, const struct track_step *step)
{
	struct event_json *w = context;
	const char *kind = kind_name(step->kind);

	if (!kind)
		return 0;
	if (step->kind == TRACK_LEAVE || step->kind == TRACK_GONE || step->kind == TRACK_DETACHED)
		call_line(w, step, kind);
	else
		other_line(w, step, kind);
	return w->to->buf.length >= TEXT_OUT_FLUSH_AT ? text_out_flush(w->to) : 0;
}

/* -- Perfetto ------------------------------------------------------------------------------------ */

static void entry(struct event_perfetto *w)
{
	buf_add_text(&w->to->buf,
		     w->begun ? ",\n{" : "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n{");
	w->begun = true;
}

static void microseconds(struct buf *out, const char *key, uint64_t ns)
{
	json_key(out, key);
	buf_printf(out, "%" PRIu64 ".%03" PRIu64, ns / 1000, ns % 1000);
}

static void whose(struct buf *out, const struct track_thread *thread)
{
	json_number(out, "pid", thread->pid);
	json_number(out, "tid", thread->tid);
}

static void tell_name(struct event_perfetto *w, const struct track_thread *thread)
{
	const char *name = task_name(&w->names, thread->pid);
	struct buf *out = &w->to->buf;
	uint64_t told;

	if (map_get(&w->named, (uint64_t)thread->pid, &told) && told == (uintptr_t)name)
		return;
	map_put(&w->named, (uint64_t)thread->pid, (uintptr_t)name);
	entry(w);
	json_member(out, "name", "process_name");
	json_member(out, "ph", "M");
	whose(out, thread);
	json_key(out, "args");
	buf_add_char(out, '{');
	json_member(out, "name", name);
	buf_add_text(out, "}}");
}

static void slice(struct event_perfetto *w, const struct track_step *step)
{
	const struct track_thread *thread = step->thread;
	struct buf *out = &w->to->buf;
	char number[32];

	entry(w);
	json_member(out, "name", call_name(thread, number));
	json_member(out, "cat", "syscall");
	json_member(out, "ph", "X");
	microseconds(out, "ts", thread->entered);
	microseconds(out, "dur", step->time - thread->entered);
	whose(out, thread);
	arguments(out, &thread->call);
	/* The result stands with the arguments. */
	out->length--;
	if (step->kind == TRACK_LEAVE)
		json_member(out, "result", step->result);
	else
		json_member(out, "result", "?");
	stack(out, step);
	buf_add_text(out, "}}");
}

static void instant(struct event_perfetto *w, const struct track_step *step)
{
	struct buf name = { 0 }, *out = &w->to->buf;

	if (step->kind == TRACK_EXITED) {
		buf_printf(&name, "exited with %d", step->status);
	} else {
		buf_add_text(&name, step->kind == TRACK_KILLED ? "killed by " : "");
		decode_signal_name(&name, step->sig);
	}
	entry(w);
	json_member(out, "name", buf_text(&name));
	json_member(out, "cat", step->kind == TRACK_SIGNAL ? "signal" : "process");
	json_member(out, "ph", "i");
	json_member(out, "s", "t");
	microseconds(out, "ts", step->time);
	whose(out, step->thread);
	buf_add_char(out, '}');
	buf_release(&name);
}

int event_perfetto_step(void *context, const struct track_step *step)
{
	struct event_perfetto *w = context;

	task_names_step(&w->names, step);
	switch (step->kind) {
	case TRACK_LEAVE:
	case TRACK_GONE:
	case TRACK_DETACHED:
		tell_name(w, step->thread);
		slice(w, step);
		break;
	case TRACK_SIGNAL:
	case TRACK_EXITED:
	case TRACK_KILLED:
		tell_name(w, step->thread);
		instant(w, step);
		break;
	default:
		break;
	}
	return w->to->buf.length >= TEXT_OUT_FLUSH_AT ? text_out_flush(w->to) : 0;
}

void event_perfetto_finish(struct event_perfetto *w)
{
	if (!w->begun)
		buf_add_text(&w->to->buf, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[");
	buf_add_text(&w->to->buf, "\n]}\n");
}

void event_perfetto_release(struct event_perfetto *w)
{
	task_names_release(&w->names);
	map_release(&w->named);
}
