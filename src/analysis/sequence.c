// SPDX-License-Identifier: Apache-2.0
#include "analysis/sequence.h"

#include <stdbool.h>

#include "base/alloc.h"

struct sequence_node {
	uint64_t key, least; /* own, and the smallest in the subtree */
	uint32_t left, right, parent;
	uint32_t priority;
	bool present;
};

#define NONE	     SEQUENCE_NONE
#define NODE(object) (&sequence->nodes[object])

void sequence_init(struct sequence *sequence, uint32_t objects)
{
	sequence->root = NONE;
	sequence->nodes = xcalloc((size_t)objects + 1, sizeof(*sequence->nodes));
	/* Any fixed spread of priorities balances the tree; reproducible is better. */
	for (uint32_t i = 0; i < objects; i++)
		sequence->nodes[i].priority = (uint32_t)((i + 1) * 0x9e3779b97f4a7c15ULL >> 32);
}

void sequence_release(struct sequence *sequence)
{
	free(sequence->nodes);
	sequence->nodes = NULL;
}

static void update(struct sequence *sequence, uint32_t object)
{
	struct sequence_node *node = NODE(object);

	node->least = node->key;
	if (node->left != NONE && NODE(node->left)->least < node->least)
		node->least = NODE(node->left)->least;
	if (node->right != NONE && NODE(node->right)->least < node->least)
		node->least = NODE(node->right)->least;
}

static void update_upwards(struct sequence *sequence, uint32_t object)
{
	for (; object != NONE; object = NODE(object)->parent)
		update(sequence, object);
}

/* Where the parent (or the root) points to `object`. */
static uint32_t *link_of(struct sequence *sequence, uint32_t object)
{
	uint32_t parent = NODE(object)->parent;

	if (parent == NONE)
		return &sequence->root;
	return NODE(parent)->left == object ? &NODE(parent)->left : &NODE(parent)->right;
}

/* Put a child in its parent's place and the parent below it. */
static void rotate_up(struct sequence *sequence, uint32_t child)
{
	uint32_t parent = NODE(child)->parent, moved;

	*link_of(sequence, parent) = child;
	NODE(child)->parent = NODE(parent)->parent;
	if (NODE(parent)->left == child) {
		moved = NODE(parent)->left = NODE(child)->right;
		NODE(child)->right = parent;
	} else {
		moved = NODE(parent)->right = NODE(child)->left;
		NODE(child)->left = parent;
	}
	if (moved != NONE)
		NODE(moved)->parent = parent;
	NODE(parent)->parent = child;
	update(sequence, parent);
	update(sequence, child);
}

static uint32_t leftmost(const struct sequence *sequence, uint32_t object)
{
	while (object != NONE && NODE(object)->left != NONE)
		object = NODE(object)->left;
	return object;
}

static uint32_t rightmost(const struct sequence *sequence, uint32_t object)
{
	while (object != NONE && NODE(object)->right != NONE)
		object = NODE(object)->right;
	return object;
}

/* Hang a new leaf into the tree, behind `after`. */
static void hang(struct sequence *sequence, uint32_t object, uint32_t after)
{
	uint32_t parent;

	if (after == NONE)
		after = rightmost(sequence, sequence->root);
	if (after == NONE) {
		sequence->root = object;
		return;
	}
	if (NODE(after)->right == NONE) {
		parent = after;
		NODE(parent)->right = object;
	} else {
		parent = leftmost(sequence, NODE(after)->right);
		NODE(parent)->left = object;
	}
	NODE(object)->parent = parent;
}

void sequence_insert(struct sequence *sequence, uint32_t object, uint32_t after, uint64_t key)
{
	struct sequence_node *node = NODE(object);

	node->left = node->right = node->parent = NONE;
	node->key = key;
	node->present = true;
	hang(sequence, object, after);
	update_upwards(sequence, object);
	while (node->parent != NONE && NODE(node->parent)->priority < node->priority)
		rotate_up(sequence, object);
}

void sequence_remove(struct sequence *sequence, uint32_t object)
{
	struct sequence_node *node = NODE(object);

	if (!node->present)
		return;
	while (node->left != NONE || node->right != NONE) {
		uint32_t child = node->left;

		if (child == NONE ||
		    (node->right != NONE && NODE(node->right)->priority > NODE(child)->priority))
			child = node->right;
		rotate_up(sequence, child);
	}
	*link_of(sequence, object) = NONE;
	update_upwards(sequence, node->parent);
	node->present = false;
}

uint32_t sequence_first(const struct sequence *sequence)
{
	return leftmost(sequence, sequence->root);
}

uint32_t sequence_last_below(const struct sequence *sequence, uint64_t limit)
{
	uint32_t object = sequence->root;

	if (object == NONE || NODE(object)->least >= limit)
		return NONE;
	for (;;) {
		const struct sequence_node *node = NODE(object);

		if (node->right != NONE && NODE(node->right)->least < limit)
			object = node->right;
		else if (node->key < limit)
			return object;
		else
			object = node->left;
	}
}

uint64_t sequence_key(const struct sequence *sequence, uint32_t object)
{
	return NODE(object)->key;
}
