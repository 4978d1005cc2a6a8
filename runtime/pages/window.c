// SPDX-License-Identifier: Apache-2.0
/* The pages the window knows, in lists by age and in a hash table by address. */
#include "task.h"

static uint32_t *bucket_of(struct pager *pager, uint64_t page)
{
	uint64_t hash = page / PAGE * 0x9e3779b97f4a7c15ULL;

	return &pager->buckets[(hash >> 32) & (pager->setup.buckets - 1)];
}

static uint32_t index_of(const struct pager *pager, const struct slot *slot)
{
	return (uint32_t)(slot - pager->slots);
}

/* Buckets and links hold index + 1 where zeroed memory must mean "none". */
void window_init(struct pager *pager)
{
	pager->first_free = NO_SLOT;
	pager->unused = 0;
	for (int i = 0; i < LISTS; i++)
		pager->lists[i] = (struct list){ NO_SLOT, NO_SLOT, 0 };
}

struct slot *window_find(struct pager *pager, uint64_t page)
{
	uint32_t next = *bucket_of(pager, page);

	while (next) {
		struct slot *slot = &pager->slots[next - 1];

		if (slot->page == page)
			return slot;
		next = slot->chain;
	}
	return NULL;
}

static void chain_in(struct pager *pager, struct slot *slot)
{
	uint32_t *bucket = bucket_of(pager, slot->page);

	slot->chain = *bucket;
	*bucket = index_of(pager, slot) + 1;
}

static void chain_out(struct pager *pager, struct slot *slot)
{
	uint32_t *link = bucket_of(pager, slot->page);

	while (*link != index_of(pager, slot) + 1)
		link = &pager->slots[*link - 1].chain;
	*link = slot->chain;
}

static void list_out(struct pager *pager, struct slot *slot)
{
	struct list *list = &pager->lists[slot->list];

	if (slot->newer == NO_SLOT)
		list->newest = slot->older;
	else
		pager->slots[slot->newer].older = slot->older;
	if (slot->older == NO_SLOT)
		list->oldest = slot->newer;
	else
		pager->slots[slot->older].newer = slot->newer;
	list->length--;
}

static void list_in(struct pager *pager, struct slot *slot, enum slot_list to)
{
	struct list *list = &pager->lists[to];
	uint32_t index = index_of(pager, slot);

	slot->list = (uint8_t)to;
	slot->newer = NO_SLOT;
	slot->older = list->newest;
	if (list->newest == NO_SLOT)
		list->oldest = index;
	else
		pager->slots[list->newest].newer = index;
	list->newest = index;
	list->length++;
}

struct slot *window_add(struct pager *pager, uint64_t page, enum slot_list list)
{
	struct slot *slot;

	if (pager->first_free != NO_SLOT) {
		slot = &pager->slots[pager->first_free];
		pager->first_free = slot->chain;
	} else if (pager->unused < pager->setup.slots) {
		slot = &pager->slots[pager->unused++];
	} else {
		return NULL;
	}
	*slot = (struct slot){ .page = page };
	chain_in(pager, slot);
	list_in(pager, slot, list);
	return slot;
}

void window_put(struct pager *pager, struct slot *slot, enum slot_list list)
{
	list_out(pager, slot);
	list_in(pager, slot, list);
}

void window_drop(struct pager *pager, struct slot *slot)
{
	list_out(pager, slot);
	chain_out(pager, slot);
	if (slot->pinned)
		pager->pinned--;
	slot->list = LIST_FREE;
	slot->chain = pager->first_free;
	pager->first_free = index_of(pager, slot);
}

struct slot *window_oldest(struct pager *pager, enum slot_list list)
{
	uint32_t index = pager->lists[list].oldest;

	return index == NO_SLOT ? NULL : &pager->slots[index];
}

void window_rename(struct pager *pager, struct slot *slot, uint64_t page)
{
	chain_out(pager, slot);
	slot->page = page;
	chain_in(pager, slot);
}

void window_each(struct pager *pager, uint64_t start, uint64_t end,
		 void (*visit)(struct pager *, struct slot *))
{
	uint64_t known = 0;

	for (int list = LIST_OPEN; list < LISTS; list++)
		known += pager->lists[list].length;
	if ((end - start) / PAGE < known) {
		for (uint64_t page = start; page < end; page += PAGE) {
			struct slot *slot = window_find(pager, page);

			if (slot)
				visit(pager, slot);
		}
		return;
	}
	/* A large range: the slots are fewer. */
	for (uint32_t i = 0; i < pager->unused; i++) {
		struct slot *slot = &pager->slots[i];

		if (slot->list != LIST_FREE && slot->page >= start && slot->page < end)
			visit(pager, slot);
	}
}
