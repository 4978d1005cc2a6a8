// SPDX-License-Identifier: Apache-2.0
#include "memtrace/live.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/prctl.h>

#include "arch/arch.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/io.h"
#include "memtrace/live_private.h"

#define FLAGS_DEFAULT 0x202
#define XSTATE_BV     512
#define BREAKPOINT    0xcc

/* ---- the process as the kernel shows it */

/* brk: the program's heap becomes the kernel's. Nothing is lost when the kernel refuses. */
static void show_as_program(const struct live *live, bool brk)
{
	const struct live_image *image = &live->process->image;
	uint64_t own = (uintptr_t)sbrk(0);
	struct prctl_mm_map map = {
		.start_code = image->code,
		.end_code = image->code_end,
		.start_data = image->data,
		.end_data = image->data_end,
		.start_brk = brk ? live->process->brk_start : own,
		.brk = brk ? live->process->brk : own,
		.start_stack = image->sp,
		.arg_start = image->args,
		.arg_end = image->args_end,
		.env_start = image->env,
		.env_end = image->env_end,
		.exe_fd = (uint32_t)-1,
	};

	prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof(map), 0);
}

/* A program's children and what goes on untranslated need the heap where the program has it. */
static int check_kernel(void)
{
	unsigned int size = 0;

	if (!prctl(PR_SET_MM, PR_SET_MM_MAP_SIZE, &size, 0, 0) &&
	    size == sizeof(struct prctl_mm_map))
		return 0;
	return err_set(CHOP_MISSING, ENOSYS,
		       "this kernel has no PR_SET_MM_MAP, which live programs need "
		       "(CONFIG_CHECKPOINT_RESTORE)");
}

static void set_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	prctl(PR_SET_NAME, slash ? slash + 1 : path);
}

void live_show_program(const struct live *live)
{
	set_name(live->process->program->path); /* of a script its own */
	show_as_program(live, false);
}

/* ---- the end of the trace */

/* The mappings, for whoever wants names of addresses. */
static void note_mappings(struct live *live)
{
	struct region_report *report = live->process->report;
	int fd = open("/proc/thread-self/maps", O_RDONLY | O_CLOEXEC);
	ssize_t got = 1;

	report->maps_size = 0;
	report->heap = live->process->brk_start;
	report->heap_end = live->process->brk;
	while (fd >= 0 && got > 0) {
		got = read(fd, report->maps + report->maps_size,
			   sizeof(report->maps) - report->maps_size);
		report->maps_size += got > 0 ? (size_t)got : 0;
	}
	close(fd);
}

void live_end(struct live *live, enum live_state state, const char *fmt, ...)
{
	struct region_report *report = live->process->report;
	va_list args;

	va_start(args, fmt);
	vsnprintf(report->text, sizeof(report->text), fmt, args);
	va_end(args);
	note_mappings(live);
	report->live = state;
	ring_set_finish(live->process->rings);
}

void live_finish(struct live *live, const char *fmt, ...)
{
	char text[REGION_TEXT];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (!live_stop(live))
		return;
	live_hand_over(live);
	live_end(live, LIVE_EXITED, "%s", text);
}

static void __attribute__((noreturn))
leave(struct live *live, const struct chop_regs *regs, bool gives_turn)
{
	sigaltstack(&live->altstack, NULL);
	live_frame_fill(live, regs, live->frame, (uintptr_t)live->frame);
	if (gives_turn)
		turn_give(&live->process->turn);
	engine_leave(live->engine, regs->fs_base, regs->gs_base, live->frame);
}

void live_go(struct live *live, const struct chop_regs *regs)
{
	leave(live, regs, true);
}

void live_leave(struct live *live, const struct chop_regs *regs, enum live_state state,
		const char *fmt, ...)
{
	char text[REGION_TEXT];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	live_signals_block();
	if (!live_stop(live)) /* another one was first */
		live_left(live, regs);
	live_unguard(live, 0, UINT64_MAX / 2);
	live_hand_over(live);
	live_end(live, state, "%s", text);
	live_gather(live);
	show_as_program(live, true);
	live_signals_requeue(live); /* it is blocked, and comes when the program goes on */
	live_signals_leave(live);
	live->process->open = true;
	live_go(live, regs);
}

void live_child(struct live *live, const struct chop_regs *regs, bool own_memory)
{
	if (own_memory)
		show_as_program(live, true);
	live_signals_leave(live);
	leave(live, regs, false); /* with the parent's memory the turn remains the parent's */
}

/* ---- the engine's hooks */

struct look {
	struct live *live;
	uint64_t pc;
};

static void look_at(void *context, uint64_t start, uint64_t end, const char *name)
{
	struct look *look = context;

	(void)name;
	if (look->pc < start || look->pc >= end)
		return;
	look->live->process->checked = start;
	look->live->process->checked_end = end;
}

/* Code that can be written may change behind our back. */
static bool can_be_written(struct live *live, uint64_t pc)
{
	struct look look = { live, pc };

	if (pc >= live->process->checked && pc < live->process->checked_end)
		return false;
	if (layout_read_code(look_at, &look))
		return false;
	return pc < live->process->checked || pc >= live->process->checked_end;
}

/* Bytes from pc on that nobody can write. */
static uint64_t constant_at(struct live *live, uint64_t pc)
{
	if (can_be_written(live, pc) && (!live_guard(live, pc) || can_be_written(live, pc)))
		return 0;
	return live->process->checked_end - pc;
}

static size_t read_code(void *context, uint64_t pc, uint8_t *code, size_t size)
{
	struct live *live = context;
	/* Where the kernel makes a call of going there, nothing can be read. */
	uint64_t constant = arch_emulated_call(pc) < 0 ? constant_at(live, pc) : 0;

	/* an instruction may lie in two mappings */
	if (constant && constant < size)
		constant += constant_at(live, live->process->checked_end);
	if (size > constant)
		size = constant;
	memcpy(code, (const void *)(uintptr_t)pc, size);
	/* somebody's uprobe in a file that we run, too */
	if (size && code[0] == BREAKPOINT)
		layout_file_byte(pc, code);
	return size;
}

/* Room for the heap to grow. */
static bool in_use(void *context, uint64_t start, uint64_t end)
{
	const struct live *live = context;

	return end > live->process->brk_start && start < live->process->brk_start + (512UL << 20);
}

static void ending(void *context, const struct engine_stop *stop)
{
	struct live *live = context;

	if (stop->result == ENGINE_FAULT)
		return; /* it is not known where exactly: live_run ends the program */
	if (stop->result == ENGINE_REFUSED && layout_holds(stop->regs.rip) &&
	    can_be_written(live, stop->regs.rip))
		live_leave(live, &stop->regs, LIVE_LEFT,
			   "the code at %#lx is in memory that the program can also write",
			   stop->regs.rip);
	live_leave(live, &stop->regs, LIVE_LEFT, "%s", stop->reason);
}

/* ---- running */

static void add_span(void *context, uint64_t start, uint64_t end, const char *name)
{
	struct live *live = context;

	(void)name;
	*vec_push(&live->process->ours) = (struct span){ start, end };
}

void live_start_regs(const struct live *live, struct chop_regs *regs)
{
	memset(regs, 0, sizeof(*regs));
	regs->rip = live->process->image.start;
	regs->rsp = live->process->image.sp;
	regs->eflags = FLAGS_DEFAULT;
}

uint8_t *live_start_xstate(void)
{
	uint8_t *xstate = page_alloc(CHOP_PAGE_SIZE * 4);
	static const uint32_t control = 0x37f, mxcsr = 0x1f80;

	memcpy(xstate, &control, 2);
	memcpy(xstate + 24, &mxcsr, sizeof(mxcsr));
	return xstate;
}

void live_faulted(struct live *live)
{
	live_finish(live, "%s", live->stop.reason);
	signal(live->stop.signal, SIG_DFL);
	syscall(SYS_tgkill, getpid(), gettid(), live->stop.signal);
	_exit(128 + live->stop.signal);
}

static void run(struct live *live)
{
	struct region_report *report = live->process->report;
	struct chop_regs regs;

	live_start_regs(live, &regs);
	live_show_program(live);
	report->started = true;
	report->live = LIVE_TRACING;
	live_signals_start(live);
	turn_take(&live->process->turn);
	engine_run(live->engine, &regs, live_start_xstate(), CHOP_PAGE_SIZE, &live->stop);
	/* only faults in places that cannot be told exactly come here */
	live_faulted(live);
}

void live_run(const struct live_program *program, struct ring_set *rings, struct mem_tables *tables,
	      struct region_report *report)
{
	static struct live_process process;
	static struct live first = { .process = &process };
	struct live *live = &first; /* to load with */
	int error = check_kernel();

	process.program = program;
	process.rings = rings;
	process.report = report;
	process.config = (struct engine_config){ .tables = tables,
						 .read_code = read_code,
						 .system_call = live_system_call,
						 .parked = live_parked,
						 .refused = live_refused,
						 .fault = live_fault,
						 .ending = ending,
						 .left = live_left,
						 .turn = &process.turn,
						 .arenas = &process.arenas,
						 .no_values = program->no_values,
						 .in_use = in_use };
	live_close_on_exec(3);
	if (!error)
		error = layout_read(add_span, live);
	if (!error)
		error = live_load(live);
	if (!error)
		live = live_thread_create(&process);
	if (!error && live)
		run(live);
	snprintf(report->text, sizeof(report->text), "%s", err_message());
	report->status = err_status();
	ring_set_finish(rings);
}
