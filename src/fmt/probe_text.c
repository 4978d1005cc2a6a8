// SPDX-License-Identifier: Apache-2.0
#include "fmt/probe_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* -- arguments -------------------------------------------------------------------------------- */

static void quoted(struct buf *out, const char *text, size_t length)
{
	buf_add_char(out, '"');
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '\n')
			buf_add_text(out, "\\n");
		else if (c == '\t')
			buf_add_text(out, "\\t");
		else if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else if (c < ' ' || c >= 0x7f)
			buf_printf(out, "\\%03o", c);
		else
			buf_add_char(out, (char)c);
	}
	buf_add_char(out, '"');
}

static void character(struct buf *out, uint64_t value)
{
	unsigned int c = value & 0xff;

	if (c >= ' ' && c < 0x7f && c != '\'' && c != '\\')
		buf_printf(out, "'%c'", c);
	else
		buf_printf(out, "'\\%o'", c);
}

static void number(struct buf *out, enum arg_format format, uint64_t value)
{
	switch (format) {
	case ARG_UNSIGNED:
		buf_printf(out, "%" PRIu64, value);
		break;
	case ARG_POINTER:
	case ARG_TEXT:
		if (value)
			buf_printf(out, "0x%" PRIx64, value);
		else
			buf_add_text(out, "NULL");
		break;
	case ARG_HEX:
		buf_printf(out, "0x%" PRIx64, value);
		break;
	case ARG_CHARACTER:
		character(out, value);
		break;
	case ARG_BOOL:
		buf_add_text(out, value ? "true" : "false");
		break;
	default:
		buf_printf(out, "%" PRId64, (int64_t)value);
	}
}

/* A text that cannot be read is its address; a number that cannot be read a question mark. */
static void argument(struct buf *out, const struct point_arg *arg, const struct point_event *event,
		     size_t i, size_t limit)
{
	size_t length = event->length[i];

	if (event->text[i]) {
		quoted(out, event->text[i], length < limit ? length : limit);
		if ((event->cut >> i & 1) || length > limit)
			buf_add_text(out, "...");
	} else if ((event->unread >> i & 1) &&
		   (arg->format != ARG_TEXT || event->value[i] || arg->fetch.width)) {
		buf_add_char(out, '?');
	} else {
		number(out, arg->format, event->value[i]);
	}
}

static void json_argument(struct buf *out, const struct point_arg *arg,
			  const struct point_event *event, size_t i)
{
	json_key(out, arg->name);
	if (event->text[i])
		json_quoted(out, event->text[i], event->length[i]);
	else if (event->unread >> i & 1)
		buf_add_text(out, "null");
	else if (arg->format == ARG_BOOL)
		buf_add_text(out, event->value[i] ? "true" : "false");
	else if (arg->fetch.is_signed)
		buf_printf(out, "%" PRId64, (int64_t)event->value[i]);
	else
		buf_printf(out, "%" PRIu64, event->value[i]);
}

/* -- stacks ------------------------------------------------------------------------------------- */

/* The mappings of a process, read when it is new or an address is in none of them. */
static void find_place(struct probe_writer *writer, pid_t pid, uint64_t address,
		       struct place *place)
{
	uint64_t tries = 0;

	map_get(&writer->known, (uint64_t)pid, &tries);
	if (!tries)
		places_update(&writer->places, pid);
	map_put(&writer->known, (uint64_t)pid, tries ? tries : 1);
	if (places_find(&writer->places, pid, address, place) || tries > 1000)
		return;
	/* Code that is in no file would be looked for again and again. */
	map_put(&writer->known, (uint64_t)pid, tries + 1);
	if (places_update(&writer->places, pid))
		places_find(&writer->places, pid, address, place);
}

/* Innermost first. Return addresses are told as the call before them. */
static size_t user_places(struct probe_writer *writer, const struct point_event *event,
			  struct place *places)
{
	size_t count = 0;

	for (size_t i = 0; i < event->user_count; i++) {
		uint64_t back = i ? 1 : 0;

		find_place(writer, event->pid, event->user[i] - back, &places[count]);
		places[count].offset += back;
		places[count++].address += back;
		/*
		 * A function has no frame of its own at its entry: frame pointers lead past its
		 * caller, unless the kernel knows that.
		 */
		if (i || !event->caller ||
		    (event->user_count > 1 && event->user[1] == event->caller))
			continue;
		find_place(writer, event->pid, event->caller - 1, &places[count]);
		places[count].offset++;
		places[count++].address++;
	}
	return count;
}

static size_t kernel_places(struct probe_writer *writer, const struct point_event *event,
			    struct place *places)
{
	for (size_t i = 0; i < event->kernel_count; i++)
		places_kernel(&writer->places, event->kernel[i], &places[i]);
	return event->kernel_count;
}

static void text_place(struct buf *out, const struct place *place)
{
	const char *slash = strrchr(place->module, '/');
	const char *module = slash ? slash + 1 : place->module;

	if (place->symbol[0])
		buf_printf(out, "\t%s+0x%" PRIx64, place->symbol, place->offset);
	else
		buf_printf(out, "\t0x%" PRIx64, place->address);
	if (*module)
		buf_printf(out, " (%s)", module);
	buf_add_char(out, '\n');
}

static void json_places(struct buf *out, const char *key, const struct place *places, size_t count)
{
	cleanup_buf struct buf text = { 0 };

	json_key(out, key);
	buf_add_char(out, '[');
	for (size_t i = 0; i < count; i++) {
		buf_reset(&text);
		if (places[i].symbol[0])
			buf_printf(&text, "%s+0x%" PRIx64, places[i].symbol, places[i].offset);
		else
			buf_printf(&text, "0x%" PRIx64, places[i].address);
		if (i)
			buf_add_char(out, ',');
		json_quoted(out, text.data, text.length);
	}
	buf_add_char(out, ']');
}

struct frames {
	struct place user[CHOP_PROBE_FRAMES + 1], kernel[CHOP_PROBE_FRAMES];
	size_t user_count, kernel_count;
};

static void find_frames(struct probe_writer *writer, const struct point_event *event,
			struct frames *frames)
{
	frames->user_count = user_places(writer, event, frames->user);
	frames->kernel_count = kernel_places(writer, event, frames->kernel);
}

/* -- events --------------------------------------------------------------------------------------- */

static void text_event(struct probe_writer *writer, const struct point_event *event)
{
	const struct point_plan *plan = &writer->points->plans.items[event->plan];
	uint64_t time = event->time > writer->origin ? event->time - writer->origin : 0;
	struct buf *out = &writer->out.buf;

	buf_printf(out, "%5" PRIu64 ".%06" PRIu64 " ", time / 1000000000, time / 1000 % 1000000);
	if (writer->names)
		buf_printf(out, "%-15s ", event->comm);
	buf_printf(out, "%7d %s(", event->tid, writer->points->rows.items[event->row].name);
	for (size_t i = 0; i < plan->args.length; i++) {
		buf_printf(out, "%s%s=", i ? ", " : "", plan->args.items[i].name);
		argument(out, &plan->args.items[i], event, i, writer->text_limit);
	}
	buf_add_text(out, ")\n");
}

static void json_event(struct probe_writer *writer, const struct point_event *event,
		       const struct frames *frames)
{
	const struct point_plan *plan = &writer->points->plans.items[event->plan];
	struct buf *out = &writer->out.buf;

	buf_add_char(out, '{');
	json_number(out, "time", (int64_t)event->time);
	json_number(out, "pid", event->pid);
	json_number(out, "tid", event->tid);
	json_member(out, "comm", event->comm);
	json_member(out, "probe", writer->points->rows.items[event->row].name);
	json_key(out, "args");
	buf_add_char(out, '{');
	for (size_t i = 0; i < plan->args.length; i++)
		json_argument(out, &plan->args.items[i], event, i);
	buf_add_char(out, '}');
	if (frames->user_count)
		json_places(out, "user", frames->user, frames->user_count);
	if (frames->kernel_count)
		json_places(out, "kernel", frames->kernel, frames->kernel_count);
	buf_add_text(out, "}\n");
}

int probe_write_event(struct probe_writer *writer, const struct point_event *event)
{
	struct frames frames;

	find_frames(writer, event, &frames);
	if (writer->json) {
		json_event(writer, event, &frames);
	} else {
		text_event(writer, event);
		for (size_t i = 0; i < frames.kernel_count; i++)
			text_place(&writer->out.buf, &frames.kernel[i]);
		for (size_t i = 0; i < frames.user_count; i++)
			text_place(&writer->out.buf, &frames.user[i]);
	}
	return writer->out.buf.length > TEXT_OUT_FLUSH_AT ? text_out_flush(&writer->out) : 0;
}

void probe_fold_event(struct probe_writer *writer, const struct point_event *event)
{
	cleanup_buf struct buf stack = { 0 };
	struct frames frames;

	find_frames(writer, event, &frames);
	folded_frames(&stack, frames.user, frames.user_count);
	folded_frames(&stack, frames.kernel, frames.kernel_count);
	folded_add(&writer->folded, buf_text(&stack), 1);
}

void probe_write_folded(struct probe_writer *writer)
{
	folded_print(&writer->folded, &writer->out.buf);
}

void probe_writer_release(struct probe_writer *writer)
{
	text_out_release(&writer->out);
	places_release(&writer->places);
	map_release(&writer->known);
	folded_release(&writer->folded);
}
