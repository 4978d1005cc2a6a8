// SPDX-License-Identifier: Apache-2.0
/* Values, structures and arrays as their types in the tables tell. */
#include <string.h>

#include "event/decode_print.h"

/* The largest element that is read as one; statx has 256 bytes, utsname 390. */
#define ITEM_MAX 512

bool dec_read(struct decode *d, uint64_t address, void *data, size_t size)
{
	if (!size)
		return address != 0;
	return d->memory && address &&
	       d->memory->read(d->memory->context, address, data, size) == size;
}

bool dec_read_or_address(struct decode *d, uint64_t address, void *data, size_t size)
{
	if (dec_read(d, address, data, size))
		return true;
	dec_address(d, address);
	return false;
}

static int64_t sign_extended(uint64_t value, unsigned int size)
{
	switch (size) {
	case 1:
		return (int8_t)value;
	case 2:
		return (int16_t)value;
	case 4:
		return (int32_t)value;
	default:
		return (int64_t)value;
	}
}

static uint64_t truncated(uint64_t value, unsigned int size)
{
	return size < 8 ? value & ((1ull << (8 * size)) - 1) : value;
}

void dec_value(struct decode *d, const struct call_type *type, uint64_t value)
{
	value = truncated(value, type->size);
	switch (type->format) {
	case CALL_SIGNED:
		dec_signed(d, sign_extended(value, type->size));
		break;
	case CALL_UNSIGNED:
		dec_unsigned(d, value);
		break;
	case CALL_POINTER:
		dec_address(d, value);
		break;
	case CALL_FD:
		dec_fd(d, (int)value);
		break;
	case CALL_DIRFD:
		dec_dirfd(d, (int)value);
		break;
	case CALL_SIGNAL:
		dec_signal(d, (int)value);
		break;
	case CALL_ID:
		dec_id(d, (uint32_t)value);
		break;
	case CALL_OCTAL:
	case CALL_MODE:
		dec_mode(d, value);
		break;
	case CALL_DEV:
		dec_dev(d, (uint32_t)value);
		break;
	case CALL_KEY:
		if (value)
			dec_hex(d, value);
		else
			dec_text(d, "IPC_PRIVATE");
		break;
	case CALL_NAMES:
		dec_names(d, type->names, value);
		break;
	default:
		dec_hex(d, value);
	}
}

static void field_elements(struct decode *d, const struct call_field *field, const uint8_t *data)
{
	if (field->type->format == CALL_TEXT) {
		/* Without a NUL there is more to it than its room holds. */
		if (memchr(data, '\0', field->count))
			dec_quoted(d, data, field->count, DEC_QUOTE_NUL);
		else
			dec_quoted(d, data, field->count - 1, DEC_QUOTE_MORE);
		return;
	}
	if (field->count == 1) {
		dec_item(d, field->type, data);
		return;
	}
	dec_text(d, "[");
	for (unsigned int i = 0; i < field->count; i++) {
		if (i)
			dec_text(d, ", ");
		dec_item(d, field->type, data + i * field->type->size);
	}
	dec_text(d, "]");
}

static bool all_zero(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (data[i])
			return false;
	}
	return true;
}

static void structure(struct decode *d, const struct call_type *type, const uint8_t *data)
{
	bool left_out = false, first = true;

	dec_text(d, "{");
	for (unsigned int i = 0; i < type->field_count; i++) {
		const struct call_field *field = &type->fields[i];
		const uint8_t *at = data + field->offset;

		if (field->type->format == CALL_PAD)
			continue;
		if ((field->flags & CALL_FIELD_NONZERO) &&
		    all_zero(at, (size_t)field->type->size * field->count))
			continue;
		if ((field->flags & CALL_FIELD_VERBOSE) && !d->options->verbose) {
			left_out = true;
			continue;
		}
		if (!first)
			dec_text(d, ", ");
		first = false;
		dec_text(d, field->name);
		dec_text(d, "=");
		field_elements(d, field, at);
	}
	dec_text(d, left_out ? ", ...}" : "}");
}

void dec_item(struct decode *d, const struct call_type *type, const uint8_t *data)
{
	const struct dec_type *printer = dec_type_printer(type);
	uint64_t value = 0;

	if (printer && printer->item) {
		printer->item(d, data);
	} else if (type->format == CALL_STRUCT || type->format == CALL_OPAQUE) {
		structure(d, type, data);
	} else {
		memcpy(&value, data, type->size < 8 ? type->size : 8);
		dec_value(d, type, value);
	}
}

void dec_item_named(struct decode *d, const char *name, const uint8_t *data)
{
	dec_item(d, call_type_find(name), data);
}

bool dec_in_range(uint64_t address, uint64_t count, uint64_t size)
{
	return count <= UINT64_MAX / size && address + count * size > address;
}

void dec_array(struct decode *d, const struct call_type *type, uint64_t address, uint64_t count)
{
	uint8_t item[ITEM_MAX];

	if (!address) {
		dec_text(d, "NULL");
		return;
	}
	if (!count) {
		dec_text(d, "[]");
		return;
	}
	if (!dec_in_range(address, count, type->size)) {
		dec_address(d, address);
		return;
	}
	for (uint64_t i = 0; i < count; i++) {
		uint64_t at = address + i * type->size;

		if (i && i >= d->options->string_limit && !d->options->verbose) {
			dec_text(d, ", ...");
			break;
		}
		if (!dec_read(d, at, item, type->size)) {
			if (!i) {
				dec_address(d, address);
				return;
			}
			dec_printf(d, ", ... /* 0x%llx */", (unsigned long long)at);
			break;
		}
		dec_text(d, i ? ", " : "[");
		dec_item(d, type, item);
	}
	dec_text(d, "]");
}

static uint64_t count_value(struct decode *d, const struct call_count *count)
{
	const struct call_instance *call = &d->call->call;
	const struct call_type *type;
	uint64_t value = 0;

	switch (count->from) {
	case CALL_COUNT_ARG:
		type = d->call->shape.args[count->index].type;
		return truncated(call->args[count->index], type->size);
	case CALL_COUNT_POINTED:
		if (!dec_read(d, call->args[count->index], &value, 4))
			return 0;
		return value < call->pointed[count->index] ? value : call->pointed[count->index];
	case CALL_COUNT_RESULT:
		return call->result < 0 ? 0 : (uint64_t)call->result;
	default:
		return count->index;
	}
}

/* A vector of pointers to text, as execve takes. */
static void strings(struct decode *d, uint64_t address)
{
	uint64_t text;

	if (!address) {
		dec_text(d, "NULL");
		return;
	}
	for (uint64_t i = 0;; i++, address += 8) {
		if (!dec_read(d, address, &text, 8)) {
			if (i)
				dec_printf(d, ", ... /* 0x%llx */]", (unsigned long long)address);
			else
				dec_address(d, address);
			return;
		}
		if (!text) {
			dec_text(d, i ? "]" : "[]");
			return;
		}
		dec_text(d, i ? ", " : "[");
		if (i >= d->options->string_limit && !d->options->verbose) {
			dec_text(d, "...]");
			return;
		}
		dec_string(d, text);
	}
}

/* A number the kernel may have changed: [128 => 16]. */
static void changed_number(struct decode *d, const struct call_type *type, unsigned int at,
			   uint64_t address)
{
	uint64_t before = d->call->call.pointed[at], now = before;

	if (!dec_read_or_address(d, address, &now, type->size))
		return;
	dec_text(d, "[");
	dec_value(d, type, before);
	if (!decode_failed(d->call->call.result) && now != before) {
		dec_text(d, " => ");
		dec_value(d, type, now);
	}
	dec_text(d, "]");
}

static bool is_scalar(const struct call_type *type)
{
	return type->format != CALL_STRUCT && type->format != CALL_OPAQUE;
}

static bool told_by_result(const struct decode *d, unsigned int dir)
{
	int64_t result = d->call->call.result;

	switch (dir) {
	case CALL_OUT:
	case CALL_INOUT:
		return !decode_failed(result);
	case CALL_OUT_POSITIVE:
		return result > 0;
	case CALL_OUT_ALWAYS:
		return decode_failed(result) && result <= -512;
	default:
		return true;
	}
}

void dec_memory(struct decode *d, const struct call_memory *memory, unsigned int dir,
		uint64_t address)
{
	const struct call_type *type = memory->type;
	const struct dec_type *printer = dec_type_printer(type);
	uint8_t item[ITEM_MAX];
	uint64_t count;

	if (dir == CALL_INOUT && address && is_scalar(type) && type->size <= 8) {
		changed_number(d, type, d->call->next, address);
		return;
	}
	if (!told_by_result(d, dir) || !address) {
		dec_address(d, address);
		return;
	}
	count = count_value(d, &memory->count);
	if (printer && printer->memory)
		printer->memory(d, address, count);
	else if (type->format == CALL_PATH)
		dec_path(d, address);
	else if (type->format == CALL_STRING)
		dec_string(d, address);
	else if (type->format == CALL_BYTES)
		dec_bytes(d, address, count);
	else if (type->format == CALL_STRINGS)
		strings(d, address);
	else if (memory->array)
		dec_array(d, type, address, count);
	else if (dec_read_or_address(d, address, item, type->size)) {
		dec_text(d, is_scalar(type) ? "[" : "");
		dec_item(d, type, item);
		dec_text(d, is_scalar(type) ? "]" : "");
	}
}

void dec_pointer_to(struct decode *d, const char *type, uint64_t address)
{
	struct call_memory memory = { .type = call_type_find(type),
				      .count = { CALL_COUNT_CONST, 1 } };

	dec_memory(d, &memory, CALL_IN, address);
}
