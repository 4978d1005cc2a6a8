/* SPDX-License-Identifier: Apache-2.0 */
/* Doubly linked lists of object numbers; every object is in at most one list of a set. */
#ifndef ANALYSIS_OBJECT_LIST_H
#define ANALYSIS_OBJECT_LIST_H

#include <stdint.h>

#define OBJECT_NONE  UINT32_MAX
#define OBJECT_LISTS 4

struct object_lists {
	uint32_t *newer, *older; /* neighbours, by object */
	uint8_t *where;		 /* list + 1, 0 for none, by object */
	struct {
		uint32_t newest, oldest, length;
	} list[OBJECT_LISTS];
};

void object_lists_init(struct object_lists *lists, uint32_t objects);
void object_lists_release(struct object_lists *lists);
/* Put an object that is in no list at the newest end. */
void object_lists_push(struct object_lists *lists, unsigned int list, uint32_t object);
/* Take it out of the list it is in; nothing when it is in none. */
void object_lists_remove(struct object_lists *lists, uint32_t object);
/* Take the oldest out of a list; OBJECT_NONE when it is empty. */
uint32_t object_lists_pop(struct object_lists *lists, unsigned int list);

static inline int object_lists_in(const struct object_lists *lists, unsigned int list,
				  uint32_t object)
{
	return lists->where[object] == list + 1;
}

#endif
