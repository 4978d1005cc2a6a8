// SPDX-License-Identifier: Apache-2.0
#include "event/plan.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "arch/calls.h"

#define FRAME_SIGMASK 296 /* see decode_signals.c */
#define PATH_LIMIT    4096
#define ADDRESS_LIMIT 128  /* of a socket */
#define CONTROL_LIMIT 8192 /* ancillary data */

struct maker {
	const struct decode_options *options;
	struct chop_plan *plan;
};

/* Where fetches of the moment go. */
struct list {
	struct chop_fetch *fetches;
	uint8_t *count;
};

static struct list list_of(struct maker *maker, bool exiting)
{
	struct chop_plan *plan = maker->plan;

	return exiting ? (struct list){ plan->exit, &plan->exit_count }
		       : (struct list){ plan->enter, &plan->enter_count };
}

/* Two variants of a call often want the same memory, up to its size. */
static bool same_place(const struct chop_fetch *a, const struct chop_fetch *b)
{
	return a->what == b->what && a->arg == b->arg && a->count_from == b->count_from &&
	       a->count == b->count && a->parent == b->parent && a->stride == b->stride &&
	       a->pointer_at == b->pointer_at;
}

/* Returns the index, or -1 when there is no room. */
static int add(struct list list, struct chop_fetch fetch)
{
	for (int i = 0; i < *list.count; i++) {
		struct chop_fetch *old = &list.fetches[i];

		if (!same_place(old, &fetch))
			continue;
		if (fetch.element > old->element)
			old->element = fetch.element;
		if (fetch.max > old->max)
			old->max = fetch.max;
		return i;
	}
	if (*list.count >= CHOP_FETCHES)
		return -1;
	list.fetches[*list.count] = fetch;
	return (*list.count)++;
}

static bool named(const struct call_type *type, const char *name)
{
	return !strcmp(type->name, name);
}

static bool bytes_type(const struct call_type *type)
{
	return type->format == CALL_BYTES || type->format == CALL_STRING;
}

/* The most bytes of a type that are ever shown. */
static uint32_t limit_of(struct maker *maker, const struct call_type *type)
{
	size_t limit = maker->options->string_limit;
	uint64_t elements = limit + 1;

	if (bytes_type(type))
		return (uint32_t)(limit < 62		      ? 64
				  : limit + 2 < CHOP_READ_MAX ? limit + 2
							      : CHOP_READ_MAX);
	if (type->format == CALL_PATH || named(type, "cwd"))
		return PATH_LIMIT;
	if (named(type, "sockaddr"))
		return ADDRESS_LIMIT;
	if (named(type, "file_handle"))
		return 8 + 128;
	if (type->size <= 1 || maker->options->verbose || elements * type->size > CHOP_READ_MAX)
		return CHOP_READ_MAX;
	return (uint32_t)(elements * type->size);
}

static void set_count(const struct call_memory *memory, struct chop_fetch *fetch)
{
	switch (memory->count.from) {
	case CALL_COUNT_ARG:
		fetch->count_from = memory->bits ? CHOP_COUNT_BITS : CHOP_COUNT_ARG;
		fetch->count = (uint8_t)memory->count.index;
		break;
	case CALL_COUNT_POINTED:
		fetch->count_from = CHOP_COUNT_POINTED;
		fetch->count = (uint8_t)memory->count.index;
		break;
	case CALL_COUNT_RESULT:
		fetch->count_from = CHOP_COUNT_RESULT;
		break;
	default:
		fetch->element *= memory->count.index;
	}
}

static void follow_fields(struct maker *maker, const struct call_type *type, uint32_t base,
			  uint32_t stride, int parent, bool exiting);

/* Any number behind the head of ancillary data may be a descriptor that is handed over. */
static void passed_descriptors(struct maker *maker, int control, bool exiting)
{
	add(list_of(maker, exiting), (struct chop_fetch){ .what = CHOP_FETCH_FDS,
							  .parent = (uint8_t)control,
							  .stride = 4,
							  .pointer_at = sizeof(struct cmsghdr) });
}

/* What a field of the elements of fetch `parent` points to. */
static void follow_field(struct maker *maker, const struct call_type *owner,
			 const struct call_field *field, uint32_t base, uint32_t stride, int parent,
			 bool exiting)
{
	const struct call_memory *memory = &field->memory;
	struct chop_fetch fetch = { .what = CHOP_FETCH_POINTED,
				    .parent = (uint8_t)parent,
				    .stride = (uint16_t)stride,
				    .pointer_at = (uint16_t)(base + field->offset),
				    .element = memory->type->size,
				    .max = limit_of(maker, memory->type) };
	bool control = !strcmp(field->name, "msg_control");
	int index;

	if (memory->count.from == CALL_COUNT_FIELD) {
		const struct call_field *length = &owner->fields[memory->count.index];

		fetch.length_at = (uint16_t)(base + length->offset);
		fetch.length_size = (uint8_t)length->type->size;
	}
	if (control)
		fetch.max = CONTROL_LIMIT;
	index = add(list_of(maker, exiting), fetch);
	if (index >= 0 && control && maker->options->paths)
		passed_descriptors(maker, index, exiting);
	if (index >= 0)
		follow_fields(maker, memory->type, 0, memory->type->size, index, exiting);
}

static void follow_fields(struct maker *maker, const struct call_type *type, uint32_t base,
			  uint32_t stride, int parent, bool exiting)
{
	for (unsigned int i = 0; i < type->field_count; i++) {
		const struct call_field *field = &type->fields[i];

		if (field->dir != CALL_VALUE && (exiting || field->dir == CALL_IN))
			follow_field(maker, type, field, base, stride, parent, exiting);
		else if (field->dir == CALL_VALUE && field->type->field_count)
			follow_fields(maker, field->type, base + field->offset, stride, parent,
				      exiting);
		else if (field->type->format == CALL_FD && maker->options->paths)
			add(list_of(maker, exiting),
			    (struct chop_fetch){ .what = CHOP_FETCH_FDS,
						 .parent = (uint8_t)parent,
						 .stride = (uint16_t)stride,
						 .pointer_at = (uint16_t)(base + field->offset) });
	}
}

/* Structures measured in bytes by an argument are one element. */
static uint32_t stride_of(const struct call_type *type)
{
	uint32_t end = 0;

	if (type->size > 1)
		return type->size;
	for (unsigned int i = 0; i < type->field_count; i++) {
		const struct call_field *field = &type->fields[i];

		if (field->offset + field->type->size > end)
			end = field->offset + field->type->size;
	}
	return end;
}

/* A number, then text: what msgsnd takes. */
static void message(struct maker *maker, unsigned int at, const struct call_memory *memory,
		    bool exiting)
{
	struct chop_fetch text = { .what = CHOP_FETCH_BYTES,
				   .arg = (uint8_t)at,
				   .pointer_at = 8,
				   .element = 1,
				   .max = limit_of(maker, memory->type) };

	set_count(memory, &text);
	add(list_of(maker, exiting),
	    (struct chop_fetch){
		    .what = CHOP_FETCH_BYTES, .arg = (uint8_t)at, .element = 8, .max = 8 });
	if (text.max > maker->options->string_limit + 2)
		text.max = (uint32_t)maker->options->string_limit + 2;
	add(list_of(maker, exiting), text);
}

static void fetch_memory(struct maker *maker, unsigned int at, const struct call_arg *arg,
			 bool exiting)
{
	const struct call_memory *memory = &arg->memory;
	const struct call_type *type = memory->type;
	struct chop_fetch fetch = { .what = CHOP_FETCH_BYTES,
				    .arg = (uint8_t)at,
				    .element = type->size,
				    .max = limit_of(maker, type) };
	int index;

	if (type->format == CALL_PATH || type->format == CALL_STRING || named(type, "cwd")) {
		fetch.what = CHOP_FETCH_TEXT;
		fetch.element = 0;
	} else if (type->format == CALL_STRINGS) {
		fetch.what = CHOP_FETCH_STRINGS;
		fetch.max = maker->options->verbose || strcmp(arg->name, "envp");
	} else if (named(type, "mincore")) {
		fetch.count_from = CHOP_COUNT_PAGES;
		fetch.count = (uint8_t)memory->count.index;
	} else if (named(type, "msgbuf")) {
		message(maker, at, memory, exiting);
		return;
	} else if (named(type, "file_handle")) {
		fetch.element = fetch.max;
	} else {
		set_count(memory, &fetch);
	}
	index = add(list_of(maker, exiting), fetch);
	if (index < 0)
		return;
	follow_fields(maker, type, 0, stride_of(type), index, exiting);
	if (maker->options->paths && type->format == CALL_FD)
		add(list_of(maker, exiting), (struct chop_fetch){ .what = CHOP_FETCH_FDS,
								  .parent = (uint8_t)index,
								  .stride = 4 });
	if (maker->options->paths && named(type, "fdset") && !exiting)
		add(list_of(maker, exiting),
		    (struct chop_fetch){ .what = CHOP_FETCH_BITS, .parent = (uint8_t)index });
}

static bool writes_through(const struct call_type *type)
{
	for (unsigned int i = 0; i < type->field_count; i++) {
		if (type->fields[i].dir == CALL_OUT)
			return true;
	}
	return false;
}

/* `late`: it stands behind one that is only known at the exit, and is shown then. */
static void fetch_arg(struct maker *maker, unsigned int at, const struct call_arg *arg, bool late)
{
	unsigned int dir = arg->dir;

	if (dir == CALL_VALUE) {
		if (maker->options->paths &&
		    (arg->type->format == CALL_FD || arg->type->format == CALL_DIRFD))
			add(list_of(maker, false),
			    (struct chop_fetch){ .what = CHOP_FETCH_FD, .arg = (uint8_t)at });
		return;
	}
	if (dir == CALL_IN || dir == CALL_INOUT || dir == CALL_INOUT_EARLY)
		fetch_memory(maker, at, arg, false);
	if (dir != CALL_IN || late || writes_through(arg->memory.type))
		fetch_memory(maker, at, arg, true);
}

static void fetch_args(struct maker *maker, const struct call_arg *args, unsigned int count)
{
	bool late = false;

	for (unsigned int i = 0; i < count; i++) {
		unsigned int dir = args[i].dir;

		fetch_arg(maker, i, &args[i], late);
		if (dir != CALL_VALUE && dir != CALL_IN && dir != CALL_INOUT_EARLY)
			late = true;
	}
}

static bool gives_descriptor(const struct call *call)
{
	for (unsigned int i = 0; i < call->variant_count; i++) {
		if (call->variants[i].result->format == CALL_FD)
			return true;
	}
	return call->result->format == CALL_FD;
}

bool plan_call(long number, const struct decode_options *options, struct chop_plan *plan)
{
	struct maker maker = { options, plan };
	const struct call *call = call_find(number);

	memset(plan, 0, sizeof(*plan));
	if (!call)
		return false;
	fetch_args(&maker, call->args, call->arg_count);
	for (unsigned int i = 0; i < call->variant_count; i++)
		fetch_args(&maker, call->variants[i].args, call->variants[i].arg_count);
	if (options->paths && gives_descriptor(call))
		add(list_of(&maker, true),
		    (struct chop_fetch){ .what = CHOP_FETCH_FD, .arg = CHOP_FETCH_RESULT });
	if (number == SYS_rt_sigreturn)
		add(list_of(&maker, false), (struct chop_fetch){ .what = CHOP_FETCH_BYTES,
								 .pointer_at = FRAME_SIGMASK,
								 .element = 8,
								 .max = 8 });
	return plan->enter_count || plan->exit_count;
}
