// SPDX-License-Identifier: Apache-2.0
#include "memtrace/analyse.h"

#include <stdlib.h>

#include <chop/arch.h>

void analysis_init(struct analysis *a, uint64_t line, uint64_t window)
{
	*a = (struct analysis){ .line = line, .window = window };
}

void analysis_release(struct analysis *a)
{
	vec_release(&a->working_set);
	vec_release(&a->insns);
	vec_release(&a->lines);
	map_release(&a->insn_of);
	map_release(&a->line_of);
	map_release(&a->page_of);
	stack_distance_release(&a->stack);
}

static unsigned int bucket(uint32_t distance)
{
	unsigned int b = 1;

	if (!distance)
		return 0;
	while (distance > 1U << (b - 1) && b < ANALYSE_BUCKETS - 1)
		b++;
	return b;
}

static void touch_line(struct analysis *a, uint64_t number, uint64_t address, uint64_t window)
{
	uint64_t index = a->lines.length;
	struct analysed_line *line;

	if (!map_get(&a->line_of, number, &index)) {
		map_put(&a->line_of, number, index);
		*vec_push(&a->lines) = (struct analysed_line){ .address = address };
		if (map_put(&a->page_of, address / CHOP_PAGE_SIZE, 0))
			a->pages++;
	}
	line = &a->lines.items[index];
	line->accesses++;
	if (line->window != window + 1)
		(*vec_last(&a->working_set))++;
	line->window = window + 1;
	a->distances[bucket(stack_distance_touch(&a->stack, (uint32_t)index))]++;
}

static void note_stride(struct analysed_insn *insn, int64_t stride)
{
	for (unsigned int i = 0; i < ANALYSE_STRIDES; i++) {
		if (insn->strides[i].count && insn->strides[i].stride != stride)
			continue;
		insn->strides[i].stride = stride;
		insn->strides[i].count++;
		return;
	}
	insn->other++;
}

static void note_insn(struct analysis *a, const struct chop_mem_record *record)
{
	uint64_t index = a->insns.length;
	struct analysed_insn *insn;

	if (!map_get(&a->insn_of, record->ip, &index)) {
		map_put(&a->insn_of, record->ip, index);
		*vec_push(&a->insns) = (struct analysed_insn){ .ip = record->ip };
	}
	insn = &a->insns.items[index];
	if (insn->reads + insn->writes)
		note_stride(insn, (int64_t)(record->address - insn->last));
	insn->last = record->address;
	if (record->kind == CHOP_MEM_READ)
		insn->reads++;
	else
		insn->writes++;
}

void analysis_add(struct analysis *a, const struct chop_mem_record *record)
{
	uint64_t window, first, last;

	if (record->kind == CHOP_MEM_FETCH)
		a->instructions++;
	if (record->kind > CHOP_MEM_WRITE)
		return;
	window = (a->reads + a->writes) / a->window;
	if (a->working_set.length <= window)
		*vec_push(&a->working_set) = 0;
	first = record->address / a->line;
	last = (record->address + (record->size ? record->size - 1 : 0)) / a->line;
	touch_line(a, first, record->address, window);
	for (uint64_t line = first + 1; line <= last; line++)
		touch_line(a, line, line * a->line, window);
	note_insn(a, record);
	a->bytes += record->size;
	if (record->kind == CHOP_MEM_READ)
		a->reads++;
	else
		a->writes++;
}

static int by_count(uint64_t a, uint64_t b, uint64_t x, uint64_t y)
{
	return a != b ? (a < b) - (a > b) : (x > y) - (x < y);
}

static int compare_insns(const void *a, const void *b)
{
	const struct analysed_insn *x = a, *y = b;

	return by_count(x->reads + x->writes, y->reads + y->writes, x->ip, y->ip);
}

static int compare_lines(const void *a, const void *b)
{
	const struct analysed_line *x = a, *y = b;

	return by_count(x->accesses, y->accesses, x->address, y->address);
}

static int compare_strides(const void *a, const void *b)
{
	const struct analysed_stride *x = a, *y = b;

	if (x->count != y->count)
		return (x->count < y->count) - (x->count > y->count);
	return (x->stride > y->stride) - (x->stride < y->stride);
}

void analysis_finish(struct analysis *a)
{
	for (size_t i = 0; i < a->insns.length; i++)
		qsort(a->insns.items[i].strides, ANALYSE_STRIDES, sizeof(struct analysed_stride),
		      compare_strides);
	vec_sort(&a->insns, compare_insns);
	vec_sort(&a->lines, compare_lines);
}
