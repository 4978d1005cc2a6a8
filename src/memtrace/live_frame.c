// SPDX-License-Identifier: Apache-2.0
/*
 * Signal frames, as arch/x86/kernel/signal_64.c builds them and Documentation/arch/x86/xstate.rst
 * and asm/sigcontext.h describe them.
 */
#include "memtrace/live_private.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/alloc.h"

#define RED_ZONE      128
#define FLAGS_DEFAULT 0x202
#define FLAGS_USER    0x244dd5UL /* what sigreturn may change: FIX_EFLAGS and the status flags */
#define FLAGS_CLEARED 0x10500UL	 /* DF, TF, RF are 0 in a handler */
#define XSTATE_MAGIC1 0x46505853U
#define XSTATE_MAGIC2 0x46505845U
#define SW_RESERVED   464 /* offset of struct _fpx_sw_bytes in the extended state */
#define XSTATE_BV     512
#define UC_FLAGS      7 /* UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS */
#define USER_CS	      0x33
#define USER_SS	      0x2b

struct frame {
	uint64_t pretcode;
	uint64_t flags, link;
	stack_t stack;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip;
	uint64_t eflags;
	uint16_t cs, gs, fs, ss;
	uint64_t err, trapno, oldmask, cr2, fpstate, reserved[8];
	uint64_t mask;
	siginfo_t info;
};
_Static_assert(offsetof(struct frame, r8) == 8 + 40, "the kernel's layout");
_Static_assert(offsetof(struct frame, mask) == 8 + 40 + 256, "the kernel's layout");

struct sw_bytes {
	uint32_t magic1, extended_size;
	uint64_t features;
	uint32_t size, padding[7];
};

size_t live_frame_size(struct live *live)
{
	size_t xsize;

	engine_xstate(live->engine, &xsize);
	return sizeof(struct frame) + xsize + 4 + 128;
}

static void put_regs(struct frame *f, const struct chop_regs *r)
{
	f->r8 = r->r8;
	f->r9 = r->r9;
	f->r10 = r->r10;
	f->r11 = r->r11;
	f->r12 = r->r12;
	f->r13 = r->r13;
	f->r14 = r->r14;
	f->r15 = r->r15;
	f->rdi = r->rdi;
	f->rsi = r->rsi;
	f->rbp = r->rbp;
	f->rbx = r->rbx;
	f->rdx = r->rdx;
	f->rax = r->rax;
	f->rcx = r->rcx;
	f->rsp = r->rsp;
	f->rip = r->rip;
	f->eflags = r->eflags;
	f->cs = USER_CS;
	f->ss = USER_SS;
}

static void get_regs(const struct frame *f, struct chop_regs *r)
{
	r->r8 = f->r8;
	r->r9 = f->r9;
	r->r10 = f->r10;
	r->r11 = f->r11;
	r->r12 = f->r12;
	r->r13 = f->r13;
	r->r14 = f->r14;
	r->r15 = f->r15;
	r->rdi = f->rdi;
	r->rsi = f->rsi;
	r->rbp = f->rbp;
	r->rbx = f->rbx;
	r->rdx = f->rdx;
	r->rax = f->rax;
	r->rcx = f->rcx;
	r->rsp = f->rsp;
	r->rip = f->rip;
	r->eflags = (r->eflags & ~FLAGS_USER) | (f->eflags & FLAGS_USER);
}

/* The extended state with the words that tell the kernel how much there is. */
static void put_xstate(struct live *live, uint8_t *to)
{
	size_t size;
	const uint8_t *xstate = engine_xstate(live->engine, &size);
	struct sw_bytes sw = { .magic1 = XSTATE_MAGIC1,
			       .extended_size = (uint32_t)size + 4,
			       .size = (uint32_t)size };
	uint32_t magic2 = XSTATE_MAGIC2;

	memcpy(to, xstate, size);
	memcpy(&sw.features, to + XSTATE_BV, sizeof(sw.features));
	sw.features |= 3; /* always there: x87 and SSE */
	memcpy(to + SW_RESERVED, &sw, sizeof(sw));
	memcpy(to + size, &magic2, sizeof(magic2));
}

void live_frame_fill(struct live *live, const struct chop_regs *regs, uint64_t *to, uint64_t at)
{
	struct frame *f = (struct frame *)to;
	uint64_t fpstate = (at + sizeof(*f) + 63) & ~63UL;

	memset(f, 0, sizeof(*f));
	put_regs(f, regs);
	f->flags = UC_FLAGS;
	f->stack = live->altstack;
	f->mask = live->mask;
	f->info = live->info;
	f->trapno = live->trap[0];
	f->err = live->trap[1];
	f->cr2 = live->trap[2];
	f->fpstate = fpstate;
	put_xstate(live, (uint8_t *)to + (fpstate - at));
}

static bool on_altstack(const struct live *live, uint64_t sp)
{
	uint64_t low = (uintptr_t)live->altstack.ss_sp;

	return sp > low && sp - low <= live->altstack.ss_size;
}

static bool copy_to_program(uint64_t at, const void *data, size_t size)
{
	struct iovec local = { (void *)(uintptr_t)data, size };
	struct iovec remote = { (void *)(uintptr_t)at, size };

	return process_vm_writev(gettid(), &local, 1, &remote, 1, 0) == (ssize_t)size;
}

static bool copy_from_program(void *data, uint64_t at, size_t size)
{
	struct iovec local = { data, size };
	struct iovec remote = { (void *)(uintptr_t)at, size };

	return process_vm_readv(gettid(), &local, 1, &remote, 1, 0) == (ssize_t)size;
}

/* As after exec: what a handler starts with. */
static void reset_xstate(struct live *live)
{
	size_t size;
	uint8_t *xstate = engine_xstate(live->engine, &size);
	static const uint32_t control = 0x37f, mxcsr = 0x1f80;

	memset(xstate, 0, XSTATE_BV + 64);
	memcpy(xstate, &control, 2);
	memcpy(xstate + 24, &mxcsr, sizeof(mxcsr));
}

bool live_frame_push(struct live *live, struct chop_regs *regs)
{
	const struct live_action *action = &live->process->actions[live->pending];
	size_t size = live_frame_size(live);
	uint64_t sp = regs->rsp - RED_ZONE, at;
	struct frame *f;

	if (action->flags & SA_ONSTACK && live->altstack.ss_size && !on_altstack(live, regs->rsp))
		sp = (uintptr_t)live->altstack.ss_sp + live->altstack.ss_size;
	at = ((sp - size) & ~63UL) - 8;
	live_frame_fill(live, regs, live->frame, at);
	f = (struct frame *)live->frame;
	f->pretcode = action->restorer;
	/* where the extended state goes is counted from the program's address */
	if (!copy_to_program(at, live->frame, f->fpstate - at + (size - sizeof(*f) - 128)))
		return false;
	reset_xstate(live);
	regs->rsp = at;
	regs->rdi = (uint64_t)live->pending;
	regs->rsi = at + offsetof(struct frame, info);
	regs->rdx = at + offsetof(struct frame, flags);
	regs->rax = 0;
	regs->rip = action->handler;
	regs->eflags &= ~FLAGS_CLEARED;
	return true;
}

static bool pop_xstate(struct live *live, uint64_t from)
{
	size_t size;
	struct sw_bytes sw;
	cleanup_free uint8_t *xstate = NULL;
	uint64_t features;

	engine_xstate(live->engine, &size);
	xstate = xcalloc(1, size + 64);
	if (!copy_from_program(xstate, from, 512))
		return false;
	memcpy(&sw, xstate + SW_RESERVED, sizeof(sw));
	features = 3; /* without the magic words it is x87 and SSE only */
	if (sw.magic1 == XSTATE_MAGIC1 && sw.size <= size &&
	    copy_from_program(xstate, from, sw.size))
		memcpy(&features, xstate + XSTATE_BV, sizeof(features));
	memset(xstate + SW_RESERVED, 0, 48);
	memcpy(xstate + XSTATE_BV, &features, sizeof(features));
	engine_set_xstate(live->engine, xstate, size);
	return true;
}

bool live_frame_pop(struct live *live, struct chop_regs *regs)
{
	struct frame f;

	if (!copy_from_program(&f, regs->rsp - 8, sizeof(f)))
		return false;
	if (f.fpstate && !pop_xstate(live, f.fpstate))
		return false;
	get_regs(&f, regs);
	live->mask = f.mask;
	live->altstack = f.stack;
	return true;
}
