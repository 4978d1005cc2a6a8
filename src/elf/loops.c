// SPDX-License-Identifier: Apache-2.0
#include "elf/loops.h"

#include <string.h>

#include "base/alloc.h"
#include "elf/lines.h"

#define NONE UINT32_MAX

/* Edges between instructions, both ways, by index. */
struct edges {
	uint32_t *start; /* count + 1: where the list of each begins */
	uint32_t *list;
};

struct graph {
	const struct image *image;
	const struct flow *flow;
	uint32_t count, entry;
	struct edges out, in;
	uint32_t *order;     /* instructions that are reached, in reverse post-order */
	uint32_t *place;     /* of each in that order, NONE when it is not reached */
	uint32_t *dominator; /* immediate one of each, by instruction */
	uint32_t reached;
};

struct pair {
	uint32_t from, to;
};
struct pair_vec VEC_BODY(struct pair);

static void find_edges(const struct flow *flow, struct pair_vec *pairs)
{
	struct u64vec next = { 0 };

	for (size_t i = 0; i < flow->instructions.length; i++) {
		next.length = 0;
		flow_next(flow, i, &next);
		for (size_t k = 0; k < next.length; k++) {
			size_t to = flow_find(flow, next.items[k]);

			if (to != SIZE_MAX)
				*vec_push(pairs) = (struct pair){ (uint32_t)i, (uint32_t)to };
		}
	}
	vec_release(&next);
}

static void index_edges(const struct pair_vec *pairs, uint32_t count, bool reverse,
			struct edges *edges)
{
	uint32_t *at;

	edges->start = xcalloc(count + 1, sizeof(*edges->start));
	edges->list = xcalloc(pairs->length + 1, sizeof(*edges->list));
	for (size_t i = 0; i < pairs->length; i++)
		edges->start[(reverse ? pairs->items[i].to : pairs->items[i].from) + 1]++;
	for (uint32_t i = 0; i < count; i++)
		edges->start[i + 1] += edges->start[i];
	at = xcalloc(count + 1, sizeof(*at));
	memcpy(at, edges->start, (count + 1) * sizeof(*at));
	for (size_t i = 0; i < pairs->length; i++) {
		struct pair pair = pairs->items[i];

		if (reverse)
			edges->list[at[pair.to]++] = pair.from;
		else
			edges->list[at[pair.from]++] = pair.to;
	}
	free(at);
}

/* Reverse post-order from the entry, without recursion: functions have many instructions. */
static void number(struct graph *graph)
{
	uint32_t *stack = xcalloc(graph->count + 1, sizeof(*stack)), depth = 0;
	uint32_t *at = xcalloc(graph->count + 1, sizeof(*at)), post = graph->count;
	bool *seen = xcalloc(graph->count + 1, sizeof(*seen));

	stack[depth++] = graph->entry;
	seen[graph->entry] = true;
	while (depth) {
		uint32_t node = stack[depth - 1], edge = graph->out.start[node] + at[node];

		if (edge == graph->out.start[node + 1]) {
			graph->order[--post] = node;
			depth--;
			continue;
		}
		at[node]++;
		if (!seen[graph->out.list[edge]]) {
			seen[graph->out.list[edge]] = true;
			stack[depth++] = graph->out.list[edge];
		}
	}
	graph->reached = graph->count - post;
	memmove(graph->order, graph->order + post, graph->reached * sizeof(*graph->order));
	for (uint32_t i = 0; i < graph->reached; i++)
		graph->place[graph->order[i]] = i;
	free(stack);
	free(at);
	free(seen);
}

static uint32_t common(const struct graph *graph, uint32_t a, uint32_t b)
{
	while (a != b) {
		while (graph->place[a] > graph->place[b])
			a = graph->dominator[a];
		while (graph->place[b] > graph->place[a])
			b = graph->dominator[b];
	}
	return a;
}

/* Cooper, Harvey, Kennedy: A Simple, Fast Dominance Algorithm (2001). */
static void find_dominators(struct graph *graph)
{
	bool changed = true;

	graph->dominator[graph->entry] = graph->entry;
	while (changed) {
		changed = false;
		for (uint32_t i = 1; i < graph->reached; i++) {
			uint32_t node = graph->order[i], best = NONE;

			for (uint32_t e = graph->in.start[node]; e < graph->in.start[node + 1];
			     e++) {
				uint32_t from = graph->in.list[e];

				if (graph->dominator[from] == NONE)
					continue;
				best = best == NONE ? from : common(graph, from, best);
			}
			changed |= graph->dominator[node] != best;
			graph->dominator[node] = best;
		}
	}
}

static bool dominates(const struct graph *graph, uint32_t a, uint32_t b)
{
	while (graph->place[b] > graph->place[a])
		b = graph->dominator[b];
	return a == b;
}

/* Add to the body all that reaches `tail` without going through the header. */
static void grow(const struct graph *graph, uint32_t tail, bool *body)
{
	VEC(uint32_t) work = { 0 };

	*vec_push(&work) = tail;
	while (work.length) {
		uint32_t node = work.items[--work.length];

		if (body[node] || graph->place[node] == NONE)
			continue;
		body[node] = true;
		for (uint32_t e = graph->in.start[node]; e < graph->in.start[node + 1]; e++)
			*vec_push(&work) = graph->in.list[e];
	}
	vec_release(&work);
}

/* The line of an instruction, when it is from the loop's file; else 0. */
static int line_in(const struct graph *graph, const struct loop *loop, uint32_t node)
{
	struct line line;

	if (!line_at(graph->image, graph->flow->instructions.items[node].address, &line) ||
	    strcmp(line.file, loop->file))
		return 0;
	return line.number;
}

static void find_lines(const struct graph *graph, uint32_t header, const bool *body,
		       struct loop *loop)
{
	struct line line;

	if (!line_at(graph->image, loop->header, &line) || !line.number)
		return;
	loop->file = line.file;
	loop->line = loop->first = loop->last = line.number;
	for (uint32_t i = 0; i < graph->count; i++) {
		int number = body[i] ? line_in(graph, loop, i) : 0;

		if (!number)
			continue;
		loop->first = number < loop->first ? number : loop->first;
		loop->last = number > loop->last ? number : loop->last;
	}
	for (uint32_t e = graph->in.start[header]; e < graph->in.start[header + 1]; e++) {
		uint32_t tail = graph->in.list[e];
		int number = body[tail] ? line_in(graph, loop, tail) : 0;

		if (number && number < loop->line)
			loop->line = number;
	}
}

/* The loop with this header, if an edge leads back to it. */
static bool find_loop(const struct graph *graph, uint32_t header, bool *body, struct loop *loop)
{
	bool found = false;

	memset(body, 0, graph->count * sizeof(*body));
	body[header] = true;
	for (uint32_t e = graph->in.start[header]; e < graph->in.start[header + 1]; e++) {
		uint32_t tail = graph->in.list[e];

		if (graph->place[tail] == NONE || !dominates(graph, header, tail))
			continue;
		found = true;
		grow(graph, tail, body);
	}
	if (!found)
		return false;
	*loop = (struct loop){ .header = graph->flow->instructions.items[header].address };
	for (uint32_t i = 0; i < graph->count; i++)
		loop->size += body[i];
	flow_exits(graph->flow, body, &loop->exits);
	find_lines(graph, header, body, loop);
	return true;
}

static void graph_init(struct graph *graph, const struct flow *flow)
{
	struct pair_vec pairs = { 0 };

	graph->flow = flow;
	graph->count = (uint32_t)flow->instructions.length;
	graph->order = xcalloc(graph->count + 1, sizeof(*graph->order));
	graph->place = xmalloc((graph->count + 1) * sizeof(*graph->place));
	graph->dominator = xmalloc((graph->count + 1) * sizeof(*graph->dominator));
	memset(graph->place, 0xff, (graph->count + 1) * sizeof(*graph->place));
	memset(graph->dominator, 0xff, (graph->count + 1) * sizeof(*graph->dominator));
	find_edges(flow, &pairs);
	index_edges(&pairs, graph->count, false, &graph->out);
	index_edges(&pairs, graph->count, true, &graph->in);
	vec_release(&pairs);
}

static void graph_release(struct graph *graph)
{
	free(graph->order);
	free(graph->place);
	free(graph->dominator);
	free(graph->out.start);
	free(graph->out.list);
	free(graph->in.start);
	free(graph->in.list);
}

/* A header inside of other loops is as deep as there are such loops. */
static void find_all(const struct graph *graph, struct loop_vec *loops)
{
	bool *body = xcalloc(graph->count + 1, sizeof(*body));
	uint32_t *depth = xcalloc(graph->count + 1, sizeof(*depth));
	struct loop loop;

	for (uint32_t i = 0; i < graph->count; i++) {
		if (graph->place[i] == NONE || !find_loop(graph, i, body, &loop))
			continue;
		*vec_push(loops) = loop;
		for (uint32_t k = 0; k < graph->count; k++)
			depth[k] += body[k];
	}
	for (size_t i = 0; i < loops->length; i++)
		loops->items[i].depth = depth[flow_find(graph->flow, loops->items[i].header)];
	free(body);
	free(depth);
}

int loops_find(const struct image *image, const struct marks *function, struct loop_vec *loops)
{
	cleanup_flow struct flow flow = { 0 };
	struct graph graph = { .image = image };
	int err = flow_read(image, function, &flow);
	size_t entry;

	*loops = (struct loop_vec){ 0 };
	if (err)
		return err;
	entry = flow_find(&flow, function->begin);
	if (entry == SIZE_MAX)
		return 0;
	graph_init(&graph, &flow);
	graph.entry = (uint32_t)entry;
	number(&graph);
	find_dominators(&graph);
	find_all(&graph, loops);
	graph_release(&graph);
	return 0;
}

void loops_release(struct loop_vec *loops)
{
	for (size_t i = 0; i < loops->length; i++)
		vec_release(&loops->items[i].exits);
	vec_release(loops);
}
