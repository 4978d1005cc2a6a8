/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Arguments at a probe point: numbers, tests of them, and texts. Part of probe.bpf.c. */
#ifndef BPF_PROBE_FETCH_H
#define BPF_PROBE_FETCH_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include <chop/probe_event.h>

/* -- values --------------------------------------------------------------------------------------- */

/* Functions of the kernel are given pointers of the program, too: the upper half is the kernel's. */
static __always_inline bool in_kernel(u64 address)
{
	return (s64)address < 0;
}

/*
 * Memory of the program that is not there yet is asked for, where that may be waited for, and
 * then read: a text may end before the next page that is not there at all.
 */
static __always_inline long load(void *to, u32 size, u64 from, bool kernel, bool sleeps)
{
	long error;
	u8 byte;

	size &= 15;
	if (kernel && in_kernel(from))
		return bpf_probe_read_kernel(to, size, (void *)from);
	error = bpf_probe_read_user(to, size, (void *)from);
	if (!error || !sleeps || !can_sleep)
		return error;
	bpf_copy_from_user(&byte, 1, (void *)from);
	bpf_copy_from_user(&byte, 1, (void *)(from + size - 1));
	return bpf_probe_read_user(to, size, (void *)from);
}

static __always_inline long base_of(void *ctx, const struct chop_probe_fetch *fetch, u64 *value)
{
	u32 size = fetch->size;
	u64 extra = 0;
	long error = 0;

	*value = 0;
	switch (fetch->from) {
	case CHOP_FROM_CONSTANT:
		*value = fetch->constant;
		break;
	case CHOP_FROM_ADDRESS:
		break; /* texts only: take_text() knows */
	case CHOP_FROM_FIELD:
		size = fetch->loads ? 8 : size;
		if (size > 8)
			size = 8;
		error = bpf_probe_read_kernel(value, size, ctx + fetch->base);
		break;
	default:
		error = bpf_probe_read_kernel(value, 8, ctx + fetch->base);
	}
	if (fetch->has_index && !error) {
		error = bpf_probe_read_kernel(&extra, 8, ctx + fetch->index);
		*value += extra << (fetch->scale & 7);
	}
	return error;
}

static __always_inline long fetch_value(void *ctx, const struct chop_probe_fetch *fetch, u64 *out,
					bool sleeps)
{
	u32 loads = fetch->loads;
	long error = base_of(ctx, fetch, out);
	u64 value = *out;

	for (u32 i = 0; i < CHOP_PROBE_LOADS && i < loads && !error; i++) {
		u64 from = value + (s64)fetch->offset[i];
		u32 size = i + 1 == loads ? fetch->size : 8;
		u64 word[2] = { 0, 0 }; /* as long as the verifier thinks it could get */

		error = load(word, size, from, fetch->kernel, sleeps);
		value = word[0];
	}
	*out = chop_probe_sized(fetch, value + (s64)fetch->after);
	return error;
}

/* Not inlined: the verifier then has less to look at at once. */
static __noinline long fetch_sleepy(void *ctx, const struct chop_probe_fetch *fetch, u64 *out)
{
	return fetch_value(ctx, fetch, out, true);
}

static __noinline long fetch_fast(void *ctx, const struct chop_probe_fetch *fetch, u64 *out)
{
	return fetch_value(ctx, fetch, out, false);
}

struct values {
	u64 value[CHOP_PROBE_ARGS];
	u32 unread;
};

/* What the loops below work on; loops by bpf_loop() are verified once, not for each round. */
struct take {
	void *ctx;
	const struct chop_probe_plan *plan;
	struct values *values;
	struct chop_probe_record_text *full;
};

static __always_inline long take_one(u32 i, struct take *take, bool sleeps)
{
	u64 value = 0;
	long error;

	if (i >= CHOP_PROBE_ARGS)
		return 1;
	error = sleeps ? fetch_sleepy(take->ctx, &take->plan->fetch[i], &value)
		       : fetch_fast(take->ctx, &take->plan->fetch[i], &value);
	if (error)
		take->values->unread |= 1u << i;
	take->values->value[i] = value;
	return 0;
}

static long take_one_sleepy(u32 i, void *take)
{
	return take_one(i, take, true);
}

static long take_one_fast(u32 i, void *take)
{
	return take_one(i, take, false);
}

/* All arguments; false when a test of them fails. One that cannot be read fails its tests. */
static __always_inline bool take_values(void *ctx, const struct chop_probe_plan *plan,
					struct values *values, bool sleeps)
{
	struct take take = { .ctx = ctx, .plan = plan, .values = values };

	__builtin_memset(values, 0, sizeof(*values));
	if (sleeps)
		bpf_loop(plan->arg_count, take_one_sleepy, &take, 0);
	else
		bpf_loop(plan->arg_count, take_one_fast, &take, 0);
	for (u32 i = 0; i < CHOP_PROBE_TESTS && i < plan->test_count; i++) {
		u32 arg = plan->test[i].arg & (CHOP_PROBE_ARGS - 1);

		if ((values->unread >> arg & 1) ||
		    !chop_probe_holds(&plan->test[i], values->value[arg]))
			return false;
	}
	return true;
}

/* -- texts ------------------------------------------------------------------------------------ */

/*
 * A place in the room for texts, told in a way that older verifiers see: the compiler must not
 * know what it knows, or it drops the mask.
 */
static __always_inline char *text_at(struct chop_probe_record_text *full, u64 used)
{
	asm volatile("" : "+r"(used));
	return full->text + (used & (CHOP_PROBE_TEXT - 1));
}

static __always_inline u32 text_size(u64 size)
{
	asm volatile("" : "+r"(size));
	return size & (CHOP_PROBE_TEXT_MAX - 1);
}

static __always_inline long read_text(void *to, u32 size, u64 from, bool kernel, bool sleeps)
{
	long length;
	u8 byte;

	if (kernel && in_kernel(from))
		return bpf_probe_read_kernel_str(to, text_size(size), (void *)from);
	length = bpf_probe_read_user_str(to, text_size(size), (void *)from);
	if (length >= 0 || !sleeps || !can_sleep)
		return length;
	bpf_copy_from_user(&byte, 1, (void *)from);
	bpf_copy_from_user(&byte, 1, (void *)((from + size - 1) & ~4095ull));
	return bpf_probe_read_user_str(to, text_size(size), (void *)from);
}

/*
 * The bytes of a text a number tells of. How many of the room are used is kept in the record, out
 * of the verifier's sight: it would follow every value that can have.
 */
static __always_inline void take_text(void *ctx, struct chop_probe_record_text *full,
				      const struct chop_probe_fetch *fetch, u32 i, bool sleeps)
{
	u32 used = full->record.used;
	u32 limit = text_limit, size = limit, at = 0;
	u64 from = full->record.value[i];
	bool inside = true; /* the record of a tracepoint */
	long length;

	if (fetch->kind == CHOP_KIND_LOCATION) {
		size = from >> 16 & 0xffff;
		at = from & 0xffff;
	} else if (fetch->from == CHOP_FROM_ADDRESS) {
		size = fetch->width;
		at = fetch->base;
	} else {
		inside = false;
	}
	if (size > limit)
		size = limit;
	if (used >= CHOP_PROBE_TEXT || size >= CHOP_PROBE_TEXT_MAX) {
		full->record.unread |= 1u << i;
		return;
	}
	if (inside)
		length = bpf_probe_read_kernel_str(text_at(full, used), text_size(size), ctx + at);
	else
		length = read_text(text_at(full, used), size, from, fetch->kernel, sleeps);
	if (length < 0) {
		full->record.unread |= 1u << i;
		return;
	}
	full->record.value[i] = used | (u64)length << 32;
	full->record.used = used + (u32)length;
}

static __always_inline long take_one_text(u32 i, struct take *take, bool sleeps)
{
	if (i >= CHOP_PROBE_ARGS)
		return 1;
	if (take->plan->fetch[i].kind != CHOP_KIND_NUMBER && !(take->full->record.unread >> i & 1))
		take_text(take->ctx, take->full, &take->plan->fetch[i], i, sleeps);
	return 0;
}

static long take_text_sleepy(u32 i, void *take)
{
	return take_one_text(i, take, true);
}

static long take_text_fast(u32 i, void *take)
{
	return take_one_text(i, take, false);
}

static __always_inline void take_texts(void *ctx, struct chop_probe_record_text *full,
				       const struct chop_probe_plan *plan, bool sleeps)
{
	struct take take = { .ctx = ctx, .plan = plan, .full = full };

	if (sleeps)
		bpf_loop(plan->arg_count, take_text_sleepy, &take, 0);
	else
		bpf_loop(plan->arg_count, take_text_fast, &take, 0);
}

#endif
