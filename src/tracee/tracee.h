/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program under ptrace. The rule above all: it behaves as if nobody watched, and
 * whatever happens to us it is let go whole. One thread of ours drives it (ptrace wants
 * that); other threads of ours may only read and write its memory.
 *
 * Functions return 0 or -errno; where the cause is one a user can understand, a message
 * is recorded (base/err.h). -ESRCH means that the thread or the program is gone; the
 * matching event is on its way.
 */
#ifndef TRACEE_TRACEE_H
#define TRACEE_TRACEE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "arch/arch.h"
#include "base/vec.h"

enum event_kind {
	EVENT_BREAKPOINT, /* one of ours; the pc is at its address */
	EVENT_SIGNAL,	  /* about to be delivered: thread->info */
	EVENT_CALL_ENTRY, /* at the entry of a system call, under RUN_CALLS or with `calls` */
	EVENT_CALL_EXIT,  /* at its exit */
	EVENT_STEPPED,	  /* after RUN_STEP */
	EVENT_STOPPED,	  /* after thread_interrupt */
	EVENT_POINT,	  /* a BPF program has stopped it (thread_at_point) */
	EVENT_EXEC,	  /* the program became another; all but the thread is new */
	EVENT_EXIT,	  /* the program is gone: tracee->exit_status */
	EVENT_INTERRUPT,  /* a signal came for us (interrupt.h) */
	EVENT_TIME,	  /* the time of interrupt_at has come */
};

struct event {
	enum event_kind kind;
	struct thread *thread; /* NULL for EVENT_EXIT, EVENT_INTERRUPT, EVENT_TIME */
	uint64_t address;      /* EVENT_BREAKPOINT */
};

/* How a thread goes on. */
enum run { RUN_FREE, RUN_CALLS, RUN_STEP };

struct thread {
	pid_t tid;
	pid_t inner_pid, inner_tid; /* its process and itself as it knows them; 0: not asked yet */
	uint64_t stops;		    /* ptrace stops we have seen */
	enum run run;		    /* how it went on last */
	bool stopped;		    /* in a ptrace stop that we have seen */
	bool queued;		    /* its event is still in the queue */
	bool foreign;		    /* shares the memory but is another process (vfork child) */
	bool suspended;		    /* in vfork until the child lets go: cannot be stopped */
	bool exiting;		    /* past PTRACE_EVENT_EXIT: runs no more code of the program */
	bool group_stopped;	    /* the stop is a job-control one */
	bool stop_wanted;	    /* thread_interrupt was called */
	bool filtered;		    /* has seccomp filters: suspended while we make calls in it */
	bool info_stale;	    /* calls were injected since `info` was read */
	bool calls;		    /* RUN_FREE stops at system calls, too */
	bool call_counted;	    /* the call it makes next was told of before */
	bool point_owed;	    /* the next SIGSTOP from us repeats that of a BPF program */
	bool again;		    /* the next hit at again_pc with again_sp was counted before */
	uint64_t again_pc, again_sp;
	siginfo_t info; /* of the signal stop it is or was in */
};

/* A thread that stopped while we waited for something else. */
struct queued_stop {
	pid_t tid;
	bool breakpoint; /* one of ours, pc already put back to `address` */
	int status;	 /* as from waitpid */
	uint64_t address;
};

struct breakpoint;
struct module;
struct trampolines;

/* A child that waits for another tracer (handover.h). */
struct handover {
	uint64_t pc; /* where its code was changed, and what was there */
	uint8_t original[ARCH_WAIT_HERE_MAX];
};

struct tracee {
	pid_t pid;
	bool child;	   /* we started it */
	unsigned int held; /* nesting of threads_stop */
	enum run run_all;  /* how threads go on when all do, and new ones: RUN_FREE or RUN_CALLS */
	bool guarded;	   /* memory is watched: an instruction's effect is not to be imitated */
	bool calls;	   /* threads_watch_calls */
	/*
	 * Called when a thread is about to end, before the kernel writes what it owes to
	 * other threads: clear_child_tid, robust mutexes. May be NULL.
	 */
	void (*exiting)(void *context, struct thread *thread);
	void *exiting_context;
	/*
	 * Called when a thread is stopped by a SIGSEGV: true when that is dealt with, and the
	 * thread is to go on as if nothing had been. It may make calls in it. May be NULL.
	 */
	bool (*faulted)(void *context, struct thread *thread);
	void *faulted_context;
	/* Called for each child, which another tracer is to take over; NULL: they are let go. */
	void (*born)(void *context, pid_t pid, const struct handover *handover);
	void *born_context;
	/* Told which thread runs code of ours from now on, 0: none does. May be NULL. */
	void (*errand)(void *context, pid_t tid);
	void *errand_context;
	int fault_event; /* fault_event.h; 0: none */
	bool ending;	 /* a thread reported its end to one that waited for something else */
	bool gone;	 /* exited, or let go */
	int exit_status; /* as from waitpid, once gone */
	struct thread_vec VEC_BODY(struct thread *) threads;
	struct queued_stop_vec VEC_BODY(struct queued_stop) queue;
	uint64_t children;     /* forked, and let go */
	struct u64vec newborn; /* ids of children whose first stop may not have been seen yet */
	struct breakpoint_vec VEC_BODY(struct breakpoint *) breakpoints;
	struct module_vec VEC_BODY(struct module *) modules; /* program first, then link order */
	char *program;					     /* its executable; owned */
	bool hide_wanted, hides;       /* hide.h: asked for; in force in this image */
	struct thread *cpuid_recorded; /* whose cpuid is answered elsewhere; or NULL */
	int memory, pagemap;	       /* /proc/PID/mem and /proc/PID/pagemap */
	uint64_t *auxv;		       /* pairs of type and value; owned */
	size_t auxv_size;	       /* bytes */
	uint64_t r_debug;	/* the dynamic linker's; 0 until known and for static programs */
	uint64_t loader_break;	/* where it tells of new modules; 0 for static programs */
	bool loaded;		/* the start-up libraries are mapped and relocated */
	uint64_t call_pc;	/* a system-call instruction of the program */
	uint64_t runner, table; /* injected code and data; 0 when not there */
	struct trampolines *trampolines; /* trampoline.h; NULL without */
};

struct spawn_options {
	char *const *argv;   /* NULL-terminated; argv[0] is looked up in PATH */
	bool lazy;	     /* leave LD_BIND_NOW alone */
	bool hide;	     /* instructions whose results no replay repeats (hide.h) */
	const char *preload; /* library for LD_PRELOAD, before those that are in it; or NULL */
};

/*
 * Start a program; it stops after its exec, before its first instruction, with address
 * randomisation off. -errno with status 126 or 127 when it cannot be run. Release with
 * tracee_release in any case.
 */
int tracee_spawn(struct tracee *tracee, const struct spawn_options *options);
/*
 * Take over a running process: all its threads are stopped (threads_stop; threads_resume lets
 * them go on), *thread is one that can make calls. -errno with a message; tracee_detach lets
 * it go on as if nothing had been, in any case. `handover` for one that waits for that.
 */
int tracee_attach(struct tracee *tracee, pid_t pid, const struct handover *handover,
		  struct thread **thread);
/* At EVENT_EXEC: forget the old image, open the new one. The thread stays stopped. */
int tracee_renew(struct tracee *tracee, struct thread *thread);
/*
 * Let go of children forked a moment ago, which the kernel stops for us, perhaps later than now:
 * they have our breakpoints in their memory, and nobody else would ever let them run.
 */
void tracee_release_newborn(struct tracee *tracee);
/* Put its memory right and let the program go, wherever it is. */
void tracee_detach(struct tracee *tracee);
/* End a program that has not executed an instruction yet. */
void tracee_kill(struct tracee *tracee);
/* After tracee_detach, for a child: wait for its end and set exit_status. */
void tracee_await_exit(struct tracee *tracee);
void tracee_release(struct tracee *tracee);

/* Wait for the next thing worth knowing; the thread stays stopped until resumed. */
void tracee_next(struct tracee *tracee, struct event *event);
/* The same for one thread, the others standing still; EVENT_EXIT when it is gone. */
void tracee_next_of(struct tracee *tracee, struct thread *thread, struct event *event);

#endif
