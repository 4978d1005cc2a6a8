// SPDX-License-Identifier: Apache-2.0
#include "analysis/object_list.h"

#include "base/alloc.h"

void object_lists_init(struct object_lists *lists, uint32_t objects)
{
	*lists = (struct object_lists){
		.newer = xreallocarray(NULL, (size_t)objects + 1, sizeof(*lists->newer)),
		.older = xreallocarray(NULL, (size_t)objects + 1, sizeof(*lists->older)),
		.where = xcalloc((size_t)objects + 1, 1),
	};
	for (unsigned int i = 0; i < OBJECT_LISTS; i++)
		lists->list[i].newest = lists->list[i].oldest = OBJECT_NONE;
}

void object_lists_release(struct object_lists *lists)
{
	free(lists->newer);
	free(lists->older);
	free(lists->where);
}

void object_lists_push(struct object_lists *lists, unsigned int list, uint32_t object)
{
	uint32_t second = lists->list[list].newest;

	lists->newer[object] = OBJECT_NONE;
	lists->older[object] = second;
	if (second == OBJECT_NONE)
		lists->list[list].oldest = object;
	else
		lists->newer[second] = object;
	lists->list[list].newest = object;
	lists->list[list].length++;
	lists->where[object] = (uint8_t)(list + 1);
}

void object_lists_remove(struct object_lists *lists, uint32_t object)
{
	uint32_t newer, older;
	unsigned int list;

	if (!lists->where[object])
		return;
	list = lists->where[object] - 1;
	newer = lists->newer[object];
	older = lists->older[object];
	if (newer == OBJECT_NONE)
		lists->list[list].newest = older;
	else
		lists->older[newer] = older;
	if (older == OBJECT_NONE)
		lists->list[list].oldest = newer;
	else
		lists->newer[older] = newer;
	lists->list[list].length--;
	lists->where[object] = 0;
}

uint32_t object_lists_pop(struct object_lists *lists, unsigned int list)
{
	uint32_t oldest = lists->list[list].oldest;

	if (oldest != OBJECT_NONE)
		object_lists_remove(lists, oldest);
	return oldest;
}
