// SPDX-License-Identifier: Apache-2.0
#include "analysis/reduce.h"

#include "analysis/object_list.h"
#include "analysis/sequence.h"
#include "base/alloc.h"

#define NOT_YET UINT64_MAX

/* -- SAD ------------------------------------------------------------------------------ */

struct sad {
	uint32_t *tree;	  /* Fenwick counts: 1 at the entry of each object's last reference */
	uint64_t *first;  /* by object: entry of the last but one kept reference */
	uint64_t *second; /* by object: entry of the last reference */
	uint8_t *dropped; /* by entry */
	size_t length;
};

static void sad_add(struct sad *sad, uint64_t entry, uint32_t amount)
{
	for (uint64_t i = entry + 1; i <= sad->length; i += i & -i)
		sad->tree[i] += amount;
}

/* Objects whose last reference was at `entry` or before. */
static uint32_t sad_until(const struct sad *sad, uint64_t entry)
{
	uint32_t sum = 0;

	for (uint64_t i = entry + 1; i; i &= i - 1)
		sum += sad->tree[i];
	return sum;
}

static void sad_touch(struct sad *sad, uint32_t object, uint64_t now, uint32_t seen, uint64_t k)
{
	uint64_t first = sad->first[object], second = sad->second[object];

	/* Objects referenced after `first`: `object` itself is one of them. */
	if (first != NOT_YET && seen - sad_until(sad, first) - 1 < k)
		sad->dropped[second] = 1;
	else
		sad->first[object] = second;
	if (second != NOT_YET)
		sad_add(sad, second, -1U);
	sad->second[object] = now;
	sad_add(sad, now, 1);
}

static void sad_run(struct sad *sad, const struct stream *stream, uint64_t k)
{
	uint32_t seen = 0; /* objects with a last reference in the tree */

	for (size_t i = 0; i < sad->length; i++) {
		uint32_t entry = stream->entries.items[i], object = entry & STREAM_OBJECT;

		/* A page that is unmapped still counts as between: that drops less, never more. */
		if (entry & STREAM_FORGET)
			continue;
		sad_touch(sad, object, i, seen, k);
		seen += sad->first[object] == NOT_YET;
	}
}

void reduce_sad(const struct stream *stream, uint64_t k, struct reduced_vec *out)
{
	size_t objects = stream->keys.length, length = stream->entries.length;
	struct sad sad = {
		.tree = xcalloc(length + 1, sizeof(*sad.tree)),
		.first = xreallocarray(NULL, objects + 1, sizeof(*sad.first)),
		.second = xreallocarray(NULL, objects + 1, sizeof(*sad.second)),
		.dropped = xcalloc(length + 1, 1),
		.length = length,
	};

	for (size_t i = 0; i < objects; i++)
		sad.first[i] = sad.second[i] = NOT_YET;
	sad_run(&sad, stream, k);
	for (size_t i = 0; i < length; i++) {
		if (!sad.dropped[i])
			*vec_push(out) = (struct reduced){ stream->entries.items[i], i };
	}
	free(sad.tree);
	free(sad.first);
	free(sad.second);
	free(sad.dropped);
}

/* -- OLR ------------------------------------------------------------------------------ */

/* What an LRU memory of k pages does: a page comes in and pushes one out, or is unmapped. */
struct step {
	uint64_t index; /* entry of the stream */
	uint32_t entry; /* what comes in, or what is unmapped with STREAM_FORGET */
	uint32_t out;	/* what leaves, or OBJECT_NONE */
	uint64_t until; /* step at which what comes in leaves again, or NOT_YET */
};
struct step_vec VEC_BODY(struct step);

/* The behaviour sequence of an LRU memory of k pages. */
static void behaviour(const struct stream *stream, uint64_t k, struct step_vec *steps)
{
	uint32_t objects = stream_objects(stream);
	uint64_t *came = xcalloc((size_t)objects + 1, sizeof(*came)); /* by object: step */
	struct object_lists lru;

	object_lists_init(&lru, objects);
	for (size_t i = 0; i < stream->entries.length; i++) {
		uint32_t entry = stream->entries.items[i], object = entry & STREAM_OBJECT;
		bool hit = object_lists_in(&lru, 0, object);
		uint32_t out = OBJECT_NONE;

		object_lists_remove(&lru, object);
		if (!hit && !(entry & STREAM_FORGET) && lru.list[0].length >= k) {
			out = object_lists_pop(&lru, 0);
			steps->items[came[out]].until = steps->length;
		}
		if (!(entry & STREAM_FORGET))
			object_lists_push(&lru, 0, object);
		if (hit && !(entry & STREAM_FORGET))
			continue;
		if (!(entry & STREAM_FORGET))
			came[object] = steps->length;
		*vec_push(steps) = (struct step){ i, entry, out, NOT_YET };
	}
	object_lists_release(&lru);
	free(came);
}

/* The reduced stream while it is made: references are also inserted in its middle. */
struct olr {
	struct sequence lru; /* in memory, least recently used first, keyed by `until` */
	struct link_vec VEC_BODY(struct link {
		struct reduced reduced;
		uint64_t next; /* index in links, or NOT_YET */
	}) links;
	uint64_t *last; /* by object: link of its last reference */
	uint64_t tail;	/* last link */
};

static uint64_t olr_add(struct olr *olr, uint64_t after, uint32_t entry, uint64_t index)
{
	uint64_t at = olr->links.length;

	*vec_push(&olr->links) = (struct link){ { entry, index }, NOT_YET };
	if (after != NOT_YET) {
		olr->links.items[at].next = olr->links.items[after].next;
		olr->links.items[after].next = at;
	}
	if (after == olr->tail)
		olr->tail = at;
	return at;
}

/*
 * Refer to a page so that it becomes more recent than the page that must leave now. Best
 * is a place in the order of leaving: just above the most recent page that leaves before
 * it. That page's last reference is where this one is put; earlier or later would let
 * another page need a reference more.
 */
static void olr_lift(struct olr *olr, uint32_t object, uint64_t until)
{
	uint32_t below = sequence_last_below(&olr->lru, until);
	uint64_t after = olr->last[below];

	sequence_insert(&olr->lru, object, below, until);
	olr->last[object] = olr_add(olr, after, object, olr->links.items[after].reduced.index);
}

struct due {
	uint64_t until;
	uint32_t object;
};

static int due_compare(const void *a, const void *b)
{
	const struct due *x = a, *y = b;

	return x->until < y->until ? -1 : x->until > y->until;
}

/* Make `out` the least recently used page, by references to all that are below it. */
static void olr_make_last(struct olr *olr, uint32_t out)
{
	VEC(struct due) due = { 0 };

	for (uint32_t object; (object = sequence_first(&olr->lru)) != out;) {
		*vec_push(&due) = (struct due){ sequence_key(&olr->lru, object), object };
		sequence_remove(&olr->lru, object);
	}
	vec_sort(&due, due_compare);
	for (size_t i = 0; i < due.length; i++)
		olr_lift(olr, due.items[i].object, due.items[i].until);
	vec_release(&due);
}

static void olr_step(struct olr *olr, const struct step *step)
{
	uint32_t object = step->entry & STREAM_OBJECT;

	if (step->out != OBJECT_NONE) {
		olr_make_last(olr, step->out);
		sequence_remove(&olr->lru, step->out);
	}
	sequence_remove(&olr->lru, object);
	olr->last[object] = olr_add(olr, olr->tail, step->entry, step->index);
	if (!(step->entry & STREAM_FORGET))
		sequence_insert(&olr->lru, object, SEQUENCE_NONE, step->until);
}

void reduce_olr(const struct stream *stream, uint64_t k, struct reduced_vec *out)
{
	struct olr olr = { .tail = NOT_YET };
	struct step_vec steps = { 0 };

	behaviour(stream, k, &steps);
	sequence_init(&olr.lru, stream_objects(stream));
	olr.last = xcalloc(stream->keys.length + 1, sizeof(*olr.last));
	for (size_t i = 0; i < steps.length; i++)
		olr_step(&olr, &steps.items[i]);
	for (uint64_t i = olr.links.length ? 0 : NOT_YET; i != NOT_YET; i = olr.links.items[i].next)
		*vec_push(out) = olr.links.items[i].reduced;
	sequence_release(&olr.lru);
	free(olr.last);
	vec_release(&olr.links);
	vec_release(&steps);
}
