// SPDX-License-Identifier: Apache-2.0
#include "arch/calls.h"

#include <string.h>

#include "base/alloc.h"

static const char *const class_names[] = { "file",    "desc",	"process", "network", "signal",
					   "ipc",     "memory", "creds",   "clock",   "pure",
					   "stat",    "lstat",	"fstat",   "%stat",   "statfs",
					   "fstatfs", "%statfs" };

const char *call_class_name(unsigned int n)
{
	return n < sizeof(class_names) / sizeof(class_names[0]) ? class_names[n] : NULL;
}

uint32_t call_class_find(const char *name)
{
	for (unsigned int n = 0; call_class_name(n); n++) {
		if (!strcmp(call_class_name(n), name))
			return 1u << n;
	}
	return 0;
}

const struct call *call_find(long number)
{
	if (number < 0 || (size_t)number >= call_table_count || !call_table[number].name)
		return NULL;
	return &call_table[number];
}

const char *call_kernel_name(const char *name)
{
	static const char *const others[][2] = {
		{ "stat", "newstat" },	 { "fstat", "newfstat" }, { "lstat", "newlstat" },
		{ "uname", "newuname" }, { "umount2", "umount" }, { "sendfile", "sendfile64" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		if (!strcmp(name, others[i][0]))
			return others[i][1];
	}
	return name;
}

long call_number(const char *name)
{
	for (size_t n = 0; n < call_table_count; n++) {
		if (call_table[n].name && !strcmp(call_table[n].name, name))
			return (long)n;
	}
	return -1;
}

const struct call_type *call_type_find(const char *name)
{
	for (size_t i = 0; i < call_type_count; i++) {
		if (!strcmp(call_type_table[i].name, name))
			return &call_type_table[i];
	}
	return NULL;
}

const char *call_name_of(const struct call_names *names, uint64_t value)
{
	for (unsigned int i = 0; i < names->count; i++) {
		if (names->items[i].value == value)
			return names->items[i].name;
	}
	return NULL;
}

/* The value of an argument as its type sees it: 32-bit arguments may have junk above. */
static uint64_t typed(const struct call_arg *arg, uint64_t value)
{
	return arg->dir == CALL_VALUE && arg->type->size == 4 ? (uint32_t)value : value;
}

void call_shape_of(const struct call *call, const uint64_t args[6], struct call_shape *shape)
{
	*shape = (struct call_shape){ call->result, call->args, call->arg_count, call->partial };
	for (unsigned int i = 0; i < call->variant_count; i++) {
		const struct call_variant *v = &call->variants[i];
		uint64_t value = typed(&call->args[v->selector], args[v->selector]);

		if ((value & v->mask) >> v->shift != v->value)
			continue;
		*shape = (struct call_shape){ v->result, v->args, v->arg_count, v->partial };
		return;
	}
}
