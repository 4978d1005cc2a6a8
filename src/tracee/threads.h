/* SPDX-License-Identifier: Apache-2.0 */
/* The threads of a traced program: stopping, resuming, registers. */
#ifndef TRACEE_THREADS_H
#define TRACEE_THREADS_H

#include "tracee/tracee.h"

/* PTRACE_O_ options of all threads. */
#define TRACE_OPTIONS                                                                           \
	(PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | \
	 PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT)

#define SIGNAL_BIT(n) ((uint64_t)1 << ((n)-1))
/* Signals an instruction can cause: blocked, they would kill. */
#define SIGNALS_SYNCHRONOUS                                                                   \
	(SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGBUS) | SIGNAL_BIT(SIGILL) | SIGNAL_BIT(SIGFPE) | \
	 SIGNAL_BIT(SIGTRAP) | SIGNAL_BIT(SIGSYS))
#define SIGNALS_ASYNCHRONOUS (~SIGNALS_SYNCHRONOUS)

struct thread *thread_find(const struct tracee *tracee, pid_t tid);
struct thread *thread_add(struct tracee *tracee, pid_t tid);
void thread_drop(struct tracee *tracee, struct thread *thread);
/* Threads of the program (vfork children not counted) that still run code. */
size_t thread_count(const struct tracee *tracee);

/*
 * Id of a thread under whose /proc entry the program's memory is to be seen: once the
 * first thread has ended, /proc/PID shows none.
 */
pid_t thread_alive(const struct tracee *tracee);

/* Let a stopped thread go on, delivering `signal` (0: none). */
int thread_resume(struct thread *thread, enum run run, int signal);
/* Deliver what an EVENT_SIGNAL told of, and go on. */
int thread_forward(struct thread *thread, enum run run);

/* Ask a running thread to stop: EVENT_STOPPED follows, unless it stops for another reason. */
void thread_interrupt(struct thread *thread);

/* The same for a thread that stands still: it stops before it executes anything. */
void thread_stop_next(struct thread *thread);

/*
 * Stop every thread but one (NULL: all); what happens to them meanwhile is queued. Calls
 * nest: threads_resume of the outermost lets them go on.
 */
void threads_stop(struct tracee *tracee, const struct thread *but);
/*
 * With the others stopped: wait until those that are about to end have ended, because until
 * then the kernel writes memory for them (clear_child_tid, robust mutexes).
 */
void threads_await_ends(const struct tracee *tracee);
void threads_resume(struct tracee *tracee, const struct thread *but);

/* Have all threads stop at system calls when they run freely, or no longer. */
void threads_watch_calls(struct tracee *tracee, bool on);

/*
 * Is the signal a thread has stopped for one from a BPF program (bpf_send_signal_thread), which
 * the program must never get? It is a SIGSTOP: no thread can block or ignore that.
 */
bool thread_at_point(const struct thread *thread);
bool thread_is_point(const struct thread *thread, const siginfo_t *info);
/* With all threads stopped to be let go: take back such signals, and stops at system calls. */
void threads_drop_points(struct tracee *tracee);

/*
 * All threads but one are stopped: another one that can make calls, those included that were
 * just born; or NULL.
 */
struct thread *threads_other(struct tracee *tracee, const struct thread *but);

int thread_get_regs(const struct thread *thread, struct chop_regs *regs);
int thread_set_regs(const struct thread *thread, const struct chop_regs *regs);
int thread_get_mask(const struct thread *thread, uint64_t *mask);
int thread_set_mask(const struct thread *thread, uint64_t mask);

#endif
