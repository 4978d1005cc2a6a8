// SPDX-License-Identifier: Apache-2.0
#include "store/capture_core.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/procfs.h>

#include "arch/arch.h"
#include "base/alloc.h"
#include "base/err.h"
#include "store/note.h"

/* Owners of the notes that the kernel writes, as the kernel names them. */
#define OWNER_CORE  "CORE"
#define OWNER_LINUX "LINUX"

_Static_assert(sizeof(elf_gregset_t) == sizeof(struct chop_regs), "registers as in core files");

static const struct thread_state *thread_at(const struct capture *capture,
					    enum chop_capture_moment moment)
{
	return moment == CHOP_AT_ENTRY ? &capture->entry : &capture->end;
}

static void add_prstatus(const struct capture *capture, const struct thread_state *thread,
			 struct core_plan *plan)
{
	struct elf_prstatus status = {
		.pr_info.si_signo = SIGTRAP,
		.pr_cursig = SIGTRAP,
		.pr_sighold = thread->sigmask,
		.pr_pid = capture->tid,
		.pr_fpvalid = thread->xstate != NULL,
	};

	memcpy(&status.pr_reg, &thread->regs, sizeof(thread->regs));
	core_add_note(plan, OWNER_CORE, NT_PRSTATUS, &status, sizeof(status));
}

/* As much of a text as fits a field that ends in a NUL. */
static void set_field(char *field, size_t size, const char *text)
{
	memcpy(field, text, strnlen(text, size - 1));
}

static void add_prpsinfo(const struct capture *capture, struct core_plan *plan)
{
	struct elf_prpsinfo info = { .pr_sname = 't', .pr_state = 3, .pr_pid = capture->pid };
	const char *program = capture->program ? capture->program : "";
	const char *slash = strrchr(program, '/');

	set_field(info.pr_fname, sizeof(info.pr_fname), slash ? slash + 1 : program);
	set_field(info.pr_psargs, sizeof(info.pr_psargs), program);
	core_add_note(plan, OWNER_CORE, NT_PRPSINFO, &info, sizeof(info));
}

static void add_siginfo(uint64_t address, struct core_plan *plan)
{
	siginfo_t info = { .si_signo = SIGTRAP, .si_code = TRAP_BRKPT };

	info.si_addr = (void *)(uintptr_t)address;
	core_add_note(plan, OWNER_CORE, NT_SIGINFO, &info, sizeof(info));
}

static bool is_file(const struct capture_mapping *mapping)
{
	return mapping->path && mapping->path[0] == '/';
}

/* NT_FILE: count, page size, {start, end, offset in pages}..., the names. */
static void add_files(const struct capture *capture, struct core_plan *plan)
{
	cleanup_buf struct buf note = { 0 };
	uint64_t head[2] = { 0, CHOP_PAGE_SIZE };

	for (size_t i = 0; i < capture->maps.length; i++)
		head[0] += is_file(&capture->maps.items[i]);
	buf_add(&note, head, sizeof(head));
	for (size_t i = 0; i < capture->maps.length; i++) {
		const struct capture_mapping *mapping = &capture->maps.items[i];
		uint64_t entry[3] = { mapping->start, mapping->end,
				      mapping->offset / CHOP_PAGE_SIZE };

		if (is_file(mapping))
			buf_add(&note, entry, sizeof(entry));
	}
	for (size_t i = 0; i < capture->maps.length; i++) {
		const struct capture_mapping *mapping = &capture->maps.items[i];

		if (is_file(mapping))
			buf_add(&note, mapping->path, strlen(mapping->path) + 1);
	}
	if (head[0])
		core_add_note(plan, OWNER_CORE, NT_FILE, note.data, note.length);
}

static void add_xstate(const struct thread_state *thread, struct core_plan *plan)
{
	if (thread->xstate_size < CHOP_FPREGS_SIZE)
		return;
	core_add_note(plan, OWNER_CORE, NT_FPREGSET, thread->xstate, CHOP_FPREGS_SIZE);
	core_add_note(plan, OWNER_LINUX, CHOP_NT_XSTATE, thread->xstate,
		      arch_xstate_core_size(thread->xstate, thread->xstate_size));
}

static uint32_t to_segment_flags(uint32_t flags)
{
	return (flags & PAGE_READ ? (uint32_t)PF_R : 0) |
	       (flags & PAGE_WRITE ? (uint32_t)PF_W : 0) |
	       (flags & PAGE_EXECUTE ? (uint32_t)PF_X : 0);
}

static uint32_t from_segment_flags(uint32_t flags)
{
	return (flags & PF_R ? (uint32_t)PAGE_READ : 0) |
	       (flags & PF_W ? (uint32_t)PAGE_WRITE : 0) |
	       (flags & PF_X ? (uint32_t)PAGE_EXECUTE : 0);
}

void capture_core_plan(const struct capture *capture, enum chop_capture_moment moment,
		       struct core_plan *plan)
{
	const struct thread_state *thread = thread_at(capture, moment);
	cleanup_buf struct buf note = { 0 };

	/* In the order of the kernel: debuggers take what follows PRSTATUS as its thread's. */
	add_prstatus(capture, thread, plan);
	add_prpsinfo(capture, plan);
	add_siginfo(moment == CHOP_AT_ENTRY ? capture->begin : capture->reached_end, plan);
	if (capture->auxv_size)
		core_add_note(plan, OWNER_CORE, NT_AUXV, capture->auxv, capture->auxv_size);
	add_files(capture, plan);
	add_xstate(thread, plan);
	note_write(capture, moment, &note);
	core_add_note(plan, CHOP_CAPTURE_OWNER, CHOP_CAPTURE_NOTE, note.data, note.length);
	for (size_t i = 0; i < capture->pages.length; i++) {
		const struct capture_page *page = &capture->pages.items[i];

		if (note_has_page(page, moment))
			core_add_page(plan, page->address, to_segment_flags(page->flags));
	}
}

static int read_prstatus(const struct core *core, struct thread_state *thread)
{
	const struct core_note *note = core_find_note(core, OWNER_CORE, NT_PRSTATUS);
	struct elf_prstatus status;

	if (!note || note->size != sizeof(status))
		return err_set(CHOP_USAGE, EBADMSG, "%s is damaged: it has no registers",
			       core->name);
	memcpy(&status, note->data, sizeof(status));
	memcpy(&thread->regs, &status.pr_reg, sizeof(thread->regs));
	return 0;
}

/* The note may be shorter than the state was: arch_xstate_core_size(). */
static int read_xstate(const struct core *core, struct thread_state *thread)
{
	const struct core_note *note = core_find_note(core, OWNER_LINUX, CHOP_NT_XSTATE);

	if (!note && !thread->xstate_size)
		return 0;
	if (!note || note->size < CHOP_FPREGS_SIZE || note->size > thread->xstate_size ||
	    thread->xstate_size > CHOP_XSTATE_MAX)
		return err_set(CHOP_USAGE, EBADMSG,
			       "%s is damaged: its extended registers have impossible sizes",
			       core->name);
	free(thread->xstate);
	thread->xstate = xcalloc(1, thread->xstate_size);
	memcpy(thread->xstate, note->data, note->size);
	return 0;
}

static void read_auxv(const struct core *core, struct capture *capture)
{
	const struct core_note *note = core_find_note(core, OWNER_CORE, NT_AUXV);

	if (!note || capture->auxv)
		return;
	capture->auxv = xmalloc(note->size + 1);
	memcpy(capture->auxv, note->data, note->size);
	capture->auxv_size = note->size;
}

static void read_entry_pages(const struct core *core, struct capture *capture)
{
	for (size_t i = 0; i < core->runs.length; i++) {
		const struct core_run *run = &core->runs.items[i];

		for (uint64_t at = 0; at < run->size; at += CHOP_PAGE_SIZE)
			*vec_push(&capture->pages) = (struct capture_page){
				.address = run->address + at,
				.flags = from_segment_flags(run->flags),
				.before = core->data + run->offset + at,
			};
	}
}

static int read_end_pages(const struct core *core, struct capture *capture)
{
	size_t at = 0;

	for (size_t i = 0; i < core->runs.length; i++) {
		const struct core_run *run = &core->runs.items[i];

		for (uint64_t k = 0; k < run->size; k += CHOP_PAGE_SIZE) {
			struct capture_page *pages = capture->pages.items;

			while (at < capture->pages.length && pages[at].address < run->address + k)
				at++;
			if (at == capture->pages.length || pages[at].address != run->address + k)
				return err_set(CHOP_USAGE, EBADMSG,
					       "%s does not fit its capture: page 0x%" PRIx64
					       " is not part of it",
					       core->name, run->address + k);
			pages[at].after = core->data + run->offset + k;
		}
	}
	return 0;
}

int capture_core_read(const void *data, size_t size, const char *file,
		      enum chop_capture_moment moment, struct capture *capture)
{
	struct thread_state *thread = moment == CHOP_AT_ENTRY ? &capture->entry : &capture->end;
	cleanup_core struct core core = { 0 };
	const struct core_note *note;
	int err = core_open(data, size, file, CHOP_CAPTURE_OWNER, &core);

	if (err)
		return err;
	note = core_find_note(&core, CHOP_CAPTURE_OWNER, CHOP_CAPTURE_NOTE);
	if (!note)
		return err_set(CHOP_USAGE, EBADMSG, "%s is damaged: its chop note is missing",
			       file);
	if (moment == CHOP_AT_ENTRY) {
		read_entry_pages(&core, capture);
		read_auxv(&core, capture);
	} else {
		err = read_end_pages(&core, capture);
	}
	if (!err)
		err = read_prstatus(&core, thread);
	if (!err)
		err = note_read(note->data, note->size, file, moment, capture);
	if (!err)
		err = read_xstate(&core, thread);
	return err;
}
