// SPDX-License-Identifier: Apache-2.0
/* Which memory a system call reads and writes: a walk over its arguments' descriptions. */
#include <errno.h>
#include <string.h>

#include "arch/calls.h"

/* Nothing the table describes is deeper: mmsghdr -> iovec -> bytes. */
#define DEPTH_MAX 4
/* What the kernel itself refuses to go beyond: IOV_MAX, ARG_MAX pointers, PATH_MAX-like text. */
#define ELEMENTS_MAX 65536u
#define TEXT_MAX     (2u << 20)
/* Names the kernel writes are shorter: of a thread, of a file handle's kind. */
#define NAME_MAX_SIZE 64u

struct walk {
	const struct call_instance *call;
	struct call_shape shape;
	call_read_fn read;
	call_range_fn range;
	void *context;
	bool output; /* looking for what the kernel writes */
	bool rooms;  /* and may write: the call is still to be made */
	int depth;
};

/* Where the fields a count may name are. */
struct frame {
	const struct call_type *type;
	uint64_t address, size;
};

static uint64_t field_value(struct walk *walk, const struct frame *frame, unsigned int index)
{
	const struct call_field *field = &frame->type->fields[index];
	uint64_t value = 0;

	if (field->offset + field->type->size > frame->size ||
	    walk->read(walk->context, frame->address + field->offset, &value, field->type->size))
		return 0;
	return value;
}

static size_t pointed_size(const struct walk *walk, unsigned int index)
{
	size_t size = walk->shape.args[index].memory.type->size;

	return size == 8 ? 8 : 4;
}

static uint64_t pointed_value(struct walk *walk, unsigned int index)
{
	uint64_t value = 0, before = walk->call->pointed[index];

	if (!walk->output)
		return before;
	if (walk->read(walk->context, walk->call->args[index], &value, pointed_size(walk, index)))
		return 0;
	return value < before ? value : before;
}

static uint64_t arg_value(const struct walk *walk, unsigned int index)
{
	uint64_t value = walk->call->args[index];
	const struct call_type *type = walk->shape.args[index].type;

	if (type->size == 4)
		value = type->format == CALL_SIGNED ? (uint64_t)(int32_t)value : (uint32_t)value;
	return (int64_t)value < 0 ? 0 : value;
}

static uint64_t count_value(struct walk *walk, const struct call_count *count,
			    const struct frame *frame)
{
	switch (count->from) {
	case CALL_COUNT_ARG:
		return arg_value(walk, count->index);
	case CALL_COUNT_POINTED:
		return pointed_value(walk, count->index);
	case CALL_COUNT_RESULT:
		if (walk->rooms)
			return INT64_MAX;
		return walk->call->result < 0 ? 0 : (uint64_t)walk->call->result;
	case CALL_COUNT_FIELD:
		return frame ? field_value(walk, frame, count->index) : 0;
	default:
		return count->index;
	}
}

static int piece(struct walk *walk, uint64_t address, uint64_t size)
{
	if (!address || !size || address + size < address)
		return 0;
	return walk->range(walk->context, address, size);
}

/* Length of text at an address, its NUL included. */
static uint64_t text_size(struct walk *walk, uint64_t address)
{
	uint64_t size = 0;
	char chunk[256];

	while (size < TEXT_MAX) {
		/* Up to the next multiple: a read must not cross into a page that is not there. */
		size_t part = sizeof(chunk) - (address + size) % sizeof(chunk);
		char *end;

		if (walk->read(walk->context, address + size, chunk, part))
			return size;
		end = memchr(chunk, 0, part);
		if (end)
			return size + (uint64_t)(end - chunk) + 1;
		size += part;
	}
	return size;
}

static int walk_text_vector(struct walk *walk, uint64_t address)
{
	uint64_t text;
	int error = 0;

	for (unsigned int i = 0; !error && i < ELEMENTS_MAX; i++, address += 8) {
		if (walk->read(walk->context, address, &text, 8))
			return 0;
		error = piece(walk, address, 8);
		if (!text)
			break;
		if (!error)
			error = piece(walk, text, text_size(walk, text));
	}
	return error;
}

static bool written(const struct walk *walk, unsigned int dir)
{
	int64_t result = walk->call->result;

	switch (dir) {
	case CALL_OUT:
		return walk->rooms || result >= 0 || result < -4095;
	case CALL_OUT_POSITIVE:
		return walk->rooms || result > 0;
	case CALL_OUT_ALWAYS:
	case CALL_INOUT:
	case CALL_INOUT_EARLY:
		return true;
	default:
		return false;
	}
}

static bool has_pointers(const struct call_type *type)
{
	for (unsigned int i = 0; i < type->field_count; i++) {
		const struct call_field *field = &type->fields[i];

		if (field->dir != CALL_VALUE || has_pointers(field->type))
			return true;
	}
	return false;
}

/* Is the memory of this argument itself (not what it points to) of the kind we look for? */
static bool wanted(const struct walk *walk, const struct call_memory *memory, unsigned int dir)
{
	if (walk->output)
		return written(walk, dir) && (!has_pointers(memory->type) || dir == CALL_INOUT ||
					      dir == CALL_INOUT_EARLY);
	return dir == CALL_IN || dir == CALL_INOUT || dir == CALL_INOUT_EARLY ||
	       has_pointers(memory->type);
}

/* Bytes that `count` elements of a type take; a few types are not an array. */
static uint64_t memory_size(struct walk *walk, const struct call_memory *memory, uint64_t address,
			    uint64_t count)
{
	const struct call_type *type = memory->type;
	uint32_t bytes = 0;

	if (memory->bits)
		return (count + 63) / 64 * 8;
	if (type->format == CALL_PATH || type->format == CALL_STRING)
		return walk->output ? count : text_size(walk, address);
	if (!strcmp(type->name, "mincore"))
		return (count + 4095) / 4096;
	if (!strcmp(type->name, "name"))
		return walk->rooms ? NAME_MAX_SIZE : text_size(walk, address);
	if (!strcmp(type->name, "msgbuf"))
		return count + 8;
	if (!strcmp(type->name, "file_handle")) {
		walk->read(walk->context, address, &bytes, 4);
		return 8 + (bytes > 128 || walk->rooms ? 128 : bytes);
	}
	return count * type->size;
}

static int walk_memory(struct walk *walk, const struct call_memory *memory, unsigned int dir,
		       uint64_t address, const struct frame *frame, uint64_t *budget);

/* What the fields of one structure point to. */
static int walk_fields(struct walk *walk, const struct frame *frame, uint64_t *budget)
{
	int error = 0;

	for (unsigned int i = 0; !error && i < frame->type->field_count; i++) {
		const struct call_field *field = &frame->type->fields[i];
		struct frame inner = { field->type, frame->address + field->offset,
				       field->type->size };

		if (field->offset + field->type->size > frame->size)
			break;
		if (field->dir != CALL_VALUE)
			error = walk_memory(walk, &field->memory, field->dir,
					    field_value(walk, frame, i), frame, budget);
		else if (has_pointers(field->type))
			error = walk_fields(walk, &inner, budget);
	}
	return error;
}

static int walk_elements(struct walk *walk, const struct call_memory *memory, uint64_t address,
			 uint64_t count, uint64_t *budget)
{
	const struct call_type *type = memory->type;
	int error = 0;

	/* Structures measured in bytes, by a size argument, are one. */
	if (type->size == 1)
		return walk_fields(walk, &(struct frame){ type, address, count }, budget);
	for (uint64_t i = 0; !error && i < count && i < ELEMENTS_MAX; i++) {
		struct frame frame = { type, address + i * type->size, type->size };
		uint64_t own;

		if (!strcmp(type->name, "mmsghdr_out") && walk->output && !walk->rooms) {
			own = field_value(walk, &frame, 1);
			budget = &own;
		}
		error = walk_fields(walk, &frame, budget);
	}
	return error;
}

static int walk_memory(struct walk *walk, const struct call_memory *memory, unsigned int dir,
		       uint64_t address, const struct frame *frame, uint64_t *budget)
{
	uint64_t count, limit, size, total = 0;
	int error = 0;

	if (!address || walk->depth >= DEPTH_MAX)
		return 0;
	if (memory->type->format == CALL_STRINGS)
		return walk->output ? 0 : walk_text_vector(walk, address);
	limit = count_value(walk, &memory->limit, frame);
	/* Before the call the result is not known: the room there is counts. */
	count = !walk->output && memory->count.from == CALL_COUNT_RESULT
			? limit
			: count_value(walk, &memory->count, frame);
	if (count > limit)
		count = limit;
	if (wanted(walk, memory, dir)) {
		size = memory_size(walk, memory, address, count);
		if (budget && walk->output) {
			size = size < *budget ? size : *budget;
			*budget -= size;
		}
		error = piece(walk, address, size);
	}
	if (error || !has_pointers(memory->type))
		return error;
	if (memory->sum && walk->output && !walk->rooms) {
		total = walk->call->result < 0 ? 0 : (uint64_t)walk->call->result;
		budget = &total;
	}
	walk->depth++;
	error = walk_elements(walk, memory, address, count, budget);
	walk->depth--;
	return error;
}

static int walk_call(struct walk *walk)
{
	const struct call *call = call_find(walk->call->number);
	int error = 0;

	if (!call)
		return walk->output ? 1 : 0;
	call_shape_of(call, walk->call->args, &walk->shape);
	for (unsigned int i = 0; !error && i < walk->shape.arg_count; i++) {
		const struct call_arg *arg = &walk->shape.args[i];

		if (arg->dir != CALL_VALUE)
			error = walk_memory(walk, &arg->memory, arg->dir, walk->call->args[i], NULL,
					    NULL);
	}
	return error ? error : walk->output && walk->shape.partial;
}

void call_enter(struct call_instance *instance, call_read_fn read, void *context)
{
	const struct call *call = call_find(instance->number);
	struct call_shape shape;

	memset(instance->pointed, 0, sizeof(instance->pointed));
	if (!call)
		return;
	call_shape_of(call, instance->args, &shape);
	for (unsigned int i = 0; i < shape.arg_count; i++) {
		const struct call_arg *arg = &shape.args[i];

		if (arg->dir != CALL_INOUT || !instance->args[i] || arg->memory.type->size > 8 ||
		    arg->memory.type->size < 4)
			continue;
		if (read(context, instance->args[i], &instance->pointed[i], arg->memory.type->size))
			instance->pointed[i] = 0;
	}
}

int call_inputs(const struct call_instance *call, call_read_fn read, call_range_fn range,
		void *context)
{
	struct walk walk = { .call = call, .read = read, .range = range, .context = context };

	return walk_call(&walk);
}

int call_outputs(const struct call_instance *call, call_read_fn read, call_range_fn range,
		 void *context)
{
	struct walk walk = {
		.call = call, .read = read, .range = range, .context = context, .output = true
	};

	return walk_call(&walk);
}

int call_rooms(const struct call_instance *call, call_read_fn read, call_range_fn range,
	       void *context)
{
	struct walk walk = { .call = call,
			     .read = read,
			     .range = range,
			     .context = context,
			     .output = true,
			     .rooms = true };

	return walk_call(&walk);
}
