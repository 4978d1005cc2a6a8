/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of a live program share. */
#ifndef MEMTRACE_LIVE_PRIVATE_H
#define MEMTRACE_LIVE_PRIVATE_H

#include <signal.h>

#include "base/buf.h"
#include "memtrace/engine.h"
#include "memtrace/live.h"
#include "memtrace/turn.h"

#define LIVE_SIGNALS 65
/* Answer of live_call: a signal came before the kernel was asked, or it wants to be asked again. */
#define LIVE_AGAIN (-512L)

/* As the kernel has it. */
struct live_action {
	uint64_t handler, flags, restorer, mask;
};

/* Where the program's parts are. */
struct live_image {
	uint64_t entry;	      /* of the program */
	uint64_t start;	      /* where execution begins: its interpreter's entry, or its own */
	uint64_t base;	      /* of the interpreter, 0 for none */
	uint64_t phdr, phnum; /* its program headers */
	uint64_t low, high;   /* of its own memory, without the heap */
	uint64_t code, code_end, data, data_end;
	uint64_t sp; /* initial stack pointer */
	uint64_t args, args_end, env, env_end;
	bool stack_executable;
};

/* What the program's threads have in common. */
struct live_process {
	const struct live_program *program;
	unsigned int executions;     /* times it was replaced by another program */
	struct engine_config config; /* of the threads' engines */
	struct region_report *report;
	struct ring_set *rings;
	struct turn turn;
	struct cache_arenas arenas;
	struct live *threads[RING_SET_MAX]; /* by the number of their ring; NULL: never used */
	uint32_t nthreads;		    /* that run */
	uint32_t started;		    /* that ever ran */
	uint32_t resting;		    /* that wait to go on untranslated, all together */
	bool open;			    /* they may */
	struct live_image image;
	struct span_vec ours;	       /* memory that was there before */
	char *exe;		       /* absolute path of the program */
	uint64_t brk_start, brk;       /* the program's, not this process' */
	uint64_t checked, checked_end; /* of a mapping whose code cannot be written */
	struct u64vec guarded;	       /* pages that only we keep from being written */
	struct live_action actions[LIVE_SIGNALS];
	pid_t pid;
};

/* One of the program's threads; a thread of this process. The turn is its own while in C. */
struct live {
	struct live_process *process;
	struct engine *engine;
	struct ring *ring;
	uint32_t number; /* of the ring */
	bool runs;	 /* otherwise the structure waits for another thread */
	/* signals, as the program sees them */
	uint64_t mask; /* blocked, bit n-1 for signal n */
	stack_t altstack;
	pid_t tid;
	volatile int pending;  /* signal that came, to be delivered when the code rests */
	volatile bool kicked;  /* a call was interrupted by ourselves */
	volatile bool in_call; /* waits for the kernel, without the turn */
	bool synchronous;      /* the code caused the signal */
	siginfo_t info;	       /* of it */
	uint64_t trap[3];      /* of it: number, error code, address */
	uint64_t *frame;       /* room for a signal frame that the program leaves by */
	uint8_t *stack;	       /* what we run on; NULL: the process' own */
	struct chop_regs regs; /* to begin with */
	uint8_t *xstate;       /* the same */
	struct engine_stop stop;
};

/* load.c: 0, or -errno with a message recorded. The stack's top is `sp`. */
int live_load(struct live *live);

/* live_exec.c */
/*
 * execve: the other program becomes this one, and is traced as well. ENGINE_CONTINUE with its
 * first registers; anything else: it must be left to the kernel.
 */
enum engine_result live_execute(struct live *live, struct chop_regs *regs);
/* Close descriptors from `first` on that are not for another program. */
void live_close_on_exec(int first);

/* live.c */
void live_start_regs(const struct live *live, struct chop_regs *regs);
/* Extended state as after exec, CHOP_PAGE_SIZE bytes; owned by the process. */
uint8_t *live_start_xstate(void);
/* What the kernel shows of this process is the program's. */
void live_show_program(const struct live *live);
void live_end(struct live *live, enum live_state state, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The program ends now, with all of its threads: the last words of the trace. */
void live_finish(struct live *live, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* End the trace; the program goes on untranslated from regs, if only to its own death. */
void live_leave(struct live *live, const struct chop_regs *regs, enum live_state state,
		const char *fmt, ...) __attribute__((format(printf, 4, 5), noreturn));
/* Go on untranslated. Every signal is blocked; the turn is given back. */
void live_go(struct live *live, const struct chop_regs *regs) __attribute__((noreturn));
/* Its fault cannot be told exactly: the program ends by it. */
void live_faulted(struct live *live) __attribute__((noreturn));
/* In a child of the program: go on from regs, nobody traces it. */
void live_child(struct live *live, const struct chop_regs *regs, bool own_memory)
	__attribute__((noreturn));

/* live_threads.c */
/* A structure for one more thread, with an engine. NULL with a message recorded. */
struct live *live_thread_create(struct live_process *process);
/* Whether these are the flags of a thread as C libraries start it. */
bool live_is_thread(uint64_t flags);
/* clone: start the thread; what the call returns. */
long live_thread_start(struct live *live, const struct chop_regs *regs);
/* exit: of the thread. */
void live_thread_exit(struct live *live, int status) __attribute__((noreturn));
/*
 * All others wait outside translated code, until live_resume. False: all are about to leave,
 * and nothing is to be said of the trace any more.
 */
bool live_stop(struct live *live);
void live_resume(struct live *live);
/* After live_stop: the stream of all threads up to where they are. */
void live_hand_over(struct live *live);
/* After live_stop, for good: bring the others out of their calls, ready to go on untranslated. */
void live_gather(struct live *live);
/* The engine's hook: this thread is one of them. */
void live_left(void *context, const struct chop_regs *regs);
/* The program's code in [start, end) changes; others may be stopped by that. */
void live_forget(struct live *live, uint64_t start, uint64_t end);
/* Whether [start, end) holds anything of the threads' engines. */
bool live_owns(const struct live *live, uint64_t start, uint64_t end);
/* In a signal handler: whether it is us who had the thread come to rest. */
bool live_is_kick(const struct live *live, const siginfo_t *info);

/* live_guard.c */
/* Write-protect the code at pc; false when it is not of the kind that can be. */
bool live_guard(struct live *live, uint64_t pc);
/* Let the program write there again. */
void live_unguard(struct live *live, uint64_t start, uint64_t end);
/* At a fault: true when a guard was all there was to it. */
bool live_guard_hit(struct live *live, const struct chop_regs *regs, uint64_t address);

/* live_calls.c: the engine's hook. */
enum engine_result live_system_call(void *context, struct chop_regs *regs);

/* live_signals.c */
void live_signals_start(struct live *live);
/* As exec does: no handlers, no alternate stack. */
void live_signals_reset(struct live *live);
/* The kernel's view becomes the program's; every signal stays blocked. */
void live_signals_leave(struct live *live);
/* What came and was not delivered comes again. */
void live_signals_requeue(struct live *live);
/* Make an execve as the program would: with its signals, which are ours again if it fails. */
long live_signals_execute(struct live *live, long (*make)(void *context), void *context);
/* Those calls of the program that are about signals; true when it was one. */
bool live_signal_call(struct live *live, struct chop_regs *regs, long *result);
void live_fault(void *context, int signal, siginfo_t *info, void *frame);
/* The engine's hook: deliver what is pending. */
enum engine_result live_parked(void *context, struct chop_regs *regs);
/* The engine's hook: code that is not there, or that causes a signal by itself. */
enum engine_result live_refused(void *context, struct chop_regs *regs);
/* A call was interrupted: whether it is to be made again once the signal was seen to. */
bool live_restarts(const struct live *live, long number);
/* Block everything but faults; returns nothing, live_signals_unblock undoes it. */
void live_signals_block(void);
void live_signals_unblock(struct live *live);

/* live_frame.c: what the kernel puts on a stack for a handler. */
/* Size of a frame; at least. */
size_t live_frame_size(struct live *live);
/*
 * Build at `to`, in our memory, the frame that is to lie at address `at` (16n + 8).
 * Returns false when the program's stack is not there.
 */
void live_frame_fill(struct live *live, const struct chop_regs *regs, uint64_t *to, uint64_t at);
/* Deliver live->pending to its handler: change regs. False: no room on the stack. */
bool live_frame_push(struct live *live, struct chop_regs *regs);
/* rt_sigreturn. False: there is no frame. */
bool live_frame_pop(struct live *live, struct chop_regs *regs);

/* live_enter.S: the call, unless *pending; LIVE_AGAIN then. */
long live_call(long number, const uint64_t args[6], const volatile int *pending);
/* Labels within it, for the signal handler: before the kernel is entered, and what then. */
extern const char live_call_begin[], live_call_end[], live_call_skip[];
/* Give up the lock, then end this thread. */
void live_exit_thread(_Atomic uint32_t *lock, int status) __attribute__((noreturn));
/* clone in the same memory: the child calls child(argument) on that stack. */
long live_clone(long flags, void *stack, void *parent_tid, void *child_tid, uint64_t tls,
		void (*child)(void *), void *argument);

#endif
