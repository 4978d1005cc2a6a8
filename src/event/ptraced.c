// SPDX-License-Identifier: Apache-2.0
#include "event/ptraced.h"

#include <stdlib.h>

#include "base/alloc.h"

struct ptraced *ptraced_find(const struct ptraced_set *set, pid_t tid)
{
	uint64_t at;

	return map_get(&set->index, (uint64_t)tid, &at) ? set->list.items[at] : NULL;
}

struct ptraced *ptraced_add(struct ptraced_set *set, pid_t tid, pid_t pid)
{
	struct ptraced *thread = xcalloc(1, sizeof(*thread));

	thread->tid = tid;
	thread->pid = pid;
	map_put(&set->index, (uint64_t)tid, set->list.length);
	*vec_push(&set->list) = thread;
	return thread;
}

void ptraced_drop(struct ptraced_set *set, struct ptraced *thread)
{
	struct ptraced *last = *vec_last(&set->list);
	uint64_t at = 0;

	map_get(&set->index, (uint64_t)thread->tid, &at);
	set->list.items[at] = last;
	set->list.length--;
	map_put(&set->index, (uint64_t)last->tid, at);
	map_remove(&set->index, (uint64_t)thread->tid);
	free(thread);
}

void ptraced_ended(struct ptraced_set *set, struct ptraced *thread)
{
	if (!thread->announced)
		map_put(&set->early, (uint64_t)thread->tid, 1);
	ptraced_drop(set, thread);
}

bool ptraced_ended_early(struct ptraced_set *set, pid_t tid)
{
	return map_remove(&set->early, (uint64_t)tid);
}

void ptraced_release(struct ptraced_set *set)
{
	vec_release(&set->list);
	map_release(&set->index);
	map_release(&set->early);
}
