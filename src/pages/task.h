/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traced threads, of any number of processes, under ptrace. Each wait is for one thread
 * or for any; stops that come while another is waited for stay with their thread until
 * the main loop asks. No PTRACE_O_EXITKILL: when we die the programs go on (the pagers
 * put their memory back).
 */
#ifndef PAGES_TASK_H
#define PAGES_TASK_H

#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "arch/arch.h"
#include "base/map.h"
#include "base/vec.h"

struct space;

struct process {
	pid_t pid;
	uint32_t inside; /* the pid namespace it lives in (inner_id.h); 0: ours */
	struct space *space;
	unsigned int tasks;
	int status;	      /* of its end, as from waitpid */
	bool silent_children; /* of the kind that send no SIGCHLD; it may wait for them */
	/* affinity.c: */
	bool pinned; /* to `cpu`; its own choice was `cpus` */
	bool shown;  /* it asked, or has several threads: it keeps its own choice */
	int cpu;
	cpu_set_t cpus;
};

enum task_where {
	TASK_RUNNING,
	TASK_ENTRY,  /* stopped at a system call's entry */
	TASK_EXIT,   /* stopped at a system call's exit */
	TASK_SIGNAL, /* stopped before a signal */
	TASK_GROUP,  /* in a job-control stop */
	TASK_EVENT,  /* stopped in a ptrace event, or on our request */
};

struct task {
	pid_t tid;
	pid_t inner; /* what it is called in its own pid namespace */
	struct process *process;
	enum task_where where;
	bool pending;	  /* `status` is a stop the main loop has not seen */
	bool held;	  /* stopped by tasks_stop, to go on with tasks_go */
	bool waiting;	  /* at a call's entry, until another's call is over (calls.c) */
	bool pinned;	  /* pages were pinned for its end */
	bool interrupted; /* we asked it to stop; that stop is still to come */
	bool suspended;	  /* in vfork until the child lets go: cannot be stopped */
	bool exiting;	  /* past PTRACE_EVENT_EXIT */
	bool fresh;	  /* its first stop has not been seen */
	int status;	  /* as from waitpid */
	int signal;	  /* to deliver when it goes on */
	/* the system call it is in */
	bool in_call;
	int call;
	bool changed; /* hide.c: it has other arguments than the program gave it */
	uint64_t args[6];
	uint64_t call_ip;
	uint64_t clear_tid; /* address the kernel clears at its end; 0 none, or not known */
};

struct tasks {
	struct map by_tid; /* struct task * */
	struct task_vec VEC_BODY(struct task *) all;
	struct process_vec VEC_BODY(struct process *) processes;
	VEC(struct task *) ready; /* with a pending stop */
};

#define TASK_OPTIONS                                                                              \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | \
	 PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT)

void tasks_release(struct tasks *tasks);
struct task *task_find(const struct tasks *tasks, pid_t tid);
struct task *task_add(struct tasks *tasks, pid_t tid, struct process *process);
/* Forget a task; its process goes when it was the last one and its status is known. */
void task_drop(struct tasks *tasks, struct task *task);
struct process *process_add(struct tasks *tasks, pid_t pid, struct space *space);
void process_drop(struct tasks *tasks, struct process *process);

/* What a wait status means for the task; sets `where`. */
void task_note(struct task *task, int status);
/*
 * Wait until this task stops; its status is noted. 0, or -ESRCH when it is gone (the
 * status is pending for the main loop).
 */
int task_wait(struct tasks *tasks, struct task *task);
/* Make a noted stop pending for the main loop. */
void task_postpone(struct tasks *tasks, struct task *task);
void task_unpostpone(struct tasks *tasks, struct task *task);
/* Let a stopped task go on to its next system call stop, delivering task->signal. */
int task_go(struct task *task);
/* Stop all tasks of a space but one; they are `held` unless they stopped for a reason. */
void tasks_stop(struct tasks *tasks, const struct space *space, const struct task *but);
/* Let the held ones go on. */
void tasks_go(struct tasks *tasks, const struct space *space);

/* -- registers and calls in the task's name ------------------------------------------- */

int task_get_regs(const struct task *task, struct chop_regs *regs);
int task_set_regs(const struct task *task, const struct chop_regs *regs);

/* The system call a task is at the entry or exit of, from PTRACE_GET_SYSCALL_INFO. */
struct task_call {
	bool entry;
	int number;	  /* entry */
	uint64_t args[6]; /* entry */
	uint64_t ip;
	int64_t result; /* exit */
};
int task_call_info(const struct task *task, struct task_call *call);

/*
 * Make one system call as the task, by the system-call instruction at `pc`. It must be
 * stopped anywhere but at a call's entry. Its registers and signal mask are as before
 * afterwards. 0, or -ESRCH.
 */
int task_inject(struct tasks *tasks, struct task *task, uint64_t pc, const struct arch_entry *call,
		int64_t *result);

#endif
