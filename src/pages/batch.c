// SPDX-License-Identifier: Apache-2.0
#include "pages/batch.h"

#include <string.h>

#include "base/log.h"

void batch_release(struct batch *batch)
{
	vec_release(&batch->commands);
}

void batch_add(struct batch *batch, uint32_t op, uint64_t start, uint64_t end)
{
	*vec_push(&batch->commands) =
		(struct pager_command){ .op = op, .start = start, .end = end };
}

void batch_event(struct batch *batch, const struct chop_page_record *record, const char *text)
{
	uint64_t mark = journal_announce(&batch->tracer->journal, record, text);

	batch_add(batch, PAGER_MARK, mark, 0);
}

/* Private memory of the usual kind, or shared in a tmpfs; ours is not the program's. */
static bool watchable(const struct batch *batch, const struct vma *vma)
{
	if ((vma->shared && !vma->tmpfs) || vma->special || vma->end > 1ULL << 47 ||
	    batch->space->locked || space_is_excluded(batch->space, vma->start, vma->end))
		return false;
	if (batch->tracer->setup.heap_only && (vma->file || vma->stack))
		return false;
	return true;
}

static uint64_t map_flags(const struct vma *vma, unsigned int how, bool watched)
{
	return (vma->shared ? CHOP_PAGE_MAP_SHARED : 0u) |
	       (vma->file ? 0u : CHOP_PAGE_MAP_ANONYMOUS) |
	       (vma->stack ? CHOP_PAGE_MAP_STACK : 0u) | (vma->heap ? CHOP_PAGE_MAP_HEAP : 0u) |
	       (how & BATCH_FIRST ? CHOP_PAGE_MAP_FIRST : 0u) |
	       (watched ? 0u : CHOP_PAGE_MAP_UNWATCHED);
}

static void map_event(struct batch *batch, const struct task *task, const struct vma *vma,
		      unsigned int how, bool watched)
{
	struct chop_page_record record = tracer_record(task, CHOP_PAGE_MAP);

	record.values[0] = vma->start;
	record.values[1] = vma->end - vma->start;
	record.values[2] = vma->protection;
	record.values[3] = map_flags(vma, how, watched);
	record.values[4] = vma->offset;
	batch_event(batch, &record, vma->path);
}

void batch_vma(struct batch *batch, const struct task *task, const struct vma *vma,
	       unsigned int how)
{
	bool watched = watchable(batch, vma), malloc_only = batch->tracer->setup.malloc_only;

	if (watched) {
		batch_add(batch, PAGER_VMA, vma->start, vma->end);
		vec_last(&batch->commands)->protection = vma->protection;
		vec_last(&batch->commands)->flags =
			(how & BATCH_CONTENT ? PAGER_CONTENT : 0) | (vma->file ? PAGER_FILE : 0) |
			(malloc_only ? PAGER_KNOWN : 0) | (vma->stack ? PAGER_GROWS : 0) |
			(vma->shared ? PAGER_SHARED_MEMORY : 0);
	} else if (vma->shared && !vma->tmpfs && !vma->special && !(how & BATCH_QUIET)) {
		batch->tracer->unshared += vma->end - vma->start;
	}
	if (!(how & BATCH_QUIET))
		map_event(batch, task, vma, how, watched);
}

void batch_vmas(struct batch *batch, const struct task *task, uint64_t start, uint64_t end,
		unsigned int how)
{
	struct vma vma;

	for (uint64_t at = start;
	     at < end && !vma_next(&batch->space->vmas, at, &vma) && vma.start < end;
	     at = vma.end) {
		struct vma part = vma;

		if (part.start >= PAGER_ADDRESS && part.start < PAGER_SHARED + (1ULL << 36))
			continue;
		if (part.start < start && !part.stack) {
			part.offset += part.file ? start - part.start : 0;
			part.start = start;
		}
		if (part.end > end)
			part.end = end;
		batch_vma(batch, task, &part, how);
	}
}

static void note_refusal(struct batch *batch, const struct pager_command *command)
{
	log_verbose("process %d: %#llx-%#llx is not watched: %s", batch->space->pid,
		    (unsigned long long)command->start, (unsigned long long)command->end,
		    strerror(-command->result));
	if (command->flags & PAGER_SHARED_MEMORY) {
		batch->tracer->unshared += command->end - command->start;
		return;
	}
	batch->tracer->refused += command->end - command->start;
	batch->tracer->refused_error = command->result;
}

void batch_run(struct batch *batch)
{
	if (!batch->commands.length || space_command(batch->space, batch->commands.items,
						     (unsigned int)batch->commands.length))
		return;
	for (size_t i = 0; i < batch->commands.length; i++) {
		const struct pager_command *command = &batch->commands.items[i];

		if (command->op == PAGER_VMA && command->result)
			note_refusal(batch, command);
		else if (command->result < 0)
			log_verbose("process %d: command %u on %#llx-%#llx failed: %s",
				    batch->space->pid, command->op,
				    (unsigned long long)command->start,
				    (unsigned long long)command->end, strerror(-command->result));
	}
	batch->commands.length = 0;
}
