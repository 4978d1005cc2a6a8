// SPDX-License-Identifier: Apache-2.0
/*
 * The threads of a live program: each is a thread of this process, with an engine, a ring and
 * a stack to run C code on. What they need is kept for the next one when a thread ends. All
 * C code but waiting for the kernel runs one at a time (turn.h).
 */
#include "memtrace/live_private.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "memtrace/engine_private.h"

#define HOST_STACK  (256UL << 10)
#define XSTATE_ROOM 16384UL
#define THREADS_MAX 200		/* at once: so many have room in one arena */
#define CACHE_PIECE (2UL << 20) /* of all but the first thread: they share the neighbourhood */
#define FAR_STEP    (1UL << 30)
#define KICK	    SIGSYS /* never blocked, and hardly ever sent */
#define KICK_AGAIN  256	   /* looks until the next one, each some 50 us */
#define PATIENCE    4096   /* looks for calls that cannot be interrupted */

/* ---- life */

static uint32_t free_number(const struct live_process *process)
{
	uint32_t number = 0;

	while (number < THREADS_MAX && process->threads[number] && process->threads[number]->runs)
		number++;
	return number;
}

static struct live *make_thread(struct live_process *process, uint32_t number)
{
	struct live *live = xcalloc(1, sizeof(*live));
	struct engine_config config = process->config;

	live->process = process;
	live->number = number;
	live->ring = ring_set_use(process->rings, number);
	config.context = live;
	config.ring = live->ring;
	config.id = number + 1;
	config.cache_size = number ? CACHE_PIECE : 0;
	config.far = RING_FAR + (number + 1) * FAR_STEP;
	if (!live->ring)
		err_set(CHOP_MISSING, ENOMEM, "memory for the stream of a thread");
	if (!live->ring || engine_create(&config, &live->engine)) {
		free(live);
		return NULL;
	}
	live->frame = xcalloc(1, live_frame_size(live));
	return live;
}

struct live *live_thread_create(struct live_process *process)
{
	uint32_t number = free_number(process);
	struct live *live;

	if (number == THREADS_MAX) {
		err_set(CHOP_MISSING, EAGAIN, "the program has more than %d threads at once",
			THREADS_MAX);
		return NULL;
	}
	live = process->threads[number];
	if (!live)
		live = make_thread(process, number);
	if (!live)
		return NULL;
	process->threads[number] = live;
	live->pending = 0;
	live->synchronous = false;
	memset(live->trap, 0, sizeof(live->trap));
	live->altstack = (stack_t){ .ss_flags = SS_DISABLE };
	live->runs = true;
	engine_set_thread(live->engine, process->started++);
	process->nthreads++;
	return live;
}

static void release(struct live *live)
{
	live->runs = false;
	live->process->nthreads--;
}

bool live_is_thread(uint64_t flags)
{
	uint64_t wanted = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD;

	return (flags & (wanted | CLONE_VFORK)) == wanted;
}

/* What a thread is given by the one that starts it. */
static int prepare(struct live *new, const struct live *live, const struct chop_regs *regs)
{
	size_t size;
	const uint8_t *xstate = engine_xstate(live->engine, &size);

	if (!new->stack)
		new->stack = page_alloc(HOST_STACK);
	if (!new->xstate)
		new->xstate = page_alloc(XSTATE_ROOM);
	if (!new->stack || !new->xstate)
		return -ENOMEM;
	memcpy(new->xstate, xstate, size);
	new->mask = live->mask;
	new->regs = *regs;
	new->regs.rax = 0;
	if (regs->rsi)
		new->regs.rsp = regs->rsi;
	if (regs->rdi & CLONE_SETTLS)
		new->regs.fs_base = regs->r8;
	return 0;
}

/* The new thread, on its own stack, with our thread pointer and every signal blocked. */
static void in_thread(void *argument)
{
	struct live *live = argument;

	turn_take(&live->process->turn);
	live->tid = gettid();
	engine_attach(live->engine);
	live_signals_unblock(live);
	engine_run(live->engine, &live->regs, live->xstate, XSTATE_ROOM, &live->stop);
	live_faulted(live);
}

long live_thread_start(struct live *live, const struct chop_regs *regs)
{
	struct live *new = live_thread_create(live->process);
	static const uint64_t all = ~0UL;
	long result;

	if (!new) {
		struct chop_regs again = *regs;

		again.rip -= 2;
		live_leave(live, &again, LIVE_LEFT, "%s", err_message());
	}
	if (prepare(new, live, regs)) {
		release(new);
		return -EAGAIN;
	}
	/* what it sees of ours was done before */
	engine_hand_over(live->engine);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof(all));
	result = live_clone((long)(regs->rdi | CLONE_SETTLS), new->stack + HOST_STACK,
			    (void *)regs->rdx, (void *)regs->r10, get_base(live->engine, 1),
			    in_thread, new);
	if (result < 0)
		release(new);
	live_signals_unblock(live);
	return result;
}

void live_thread_exit(struct live *live, int status)
{
	static const uint64_t all = ~0UL;

	engine_hand_over(live->engine);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof(all));
	/* what was meant for the process is for the others */
	if (live->pending && live->info.si_code != SI_TKILL)
		syscall(SYS_rt_sigqueueinfo, live->process->pid, live->pending, &live->info);
	if (live->process->nthreads == 1 && !live->process->turn.leaving)
		live_end(live, LIVE_EXITED, "%s", "");
	release(live);
	live_exit_thread(&live->process->turn.lock, status);
}

/* ---- all of them */

/* Have a thread come to rest, as any signal does; or out of a call. */
static void kick(const struct live *live)
{
	siginfo_t info = { .si_signo = KICK, .si_code = SI_QUEUE };

	info.si_pid = live->process->pid;
	info.si_value.sival_ptr = live->process;
	syscall(SYS_rt_tgsigqueueinfo, live->process->pid, live->tid, KICK, &info);
}

PLAIN_CONTEXT bool live_is_kick(const struct live *live, const siginfo_t *info)
{
	return info->si_signo == KICK && info->si_code == SI_QUEUE &&
	       info->si_value.sival_ptr == live->process;
}

/* The next of the other threads, or NULL. */
static struct live *next_other(const struct live *live, uint32_t *number)
{
	while (*number < RING_SET_MAX) {
		struct live *other = live->process->threads[(*number)++];

		if (other && other->runs && other != live)
			return other;
	}
	return NULL;
}

bool live_stop(struct live *live)
{
	struct turn *turn = &live->process->turn;
	struct live *other;

	if (live->process->nthreads == 1)
		return !turn->leaving;
	turn_stop(turn, live->number + 1);
	for (uint32_t i = 0; (other = next_other(live, &i));) {
		for (unsigned int looks = 0; engine_in_code(other->engine); looks++) {
			if (looks % KICK_AGAIN == 0)
				kick(other);
			turn_yield(turn);
		}
	}
	return !turn->leaving;
}

void live_resume(struct live *live)
{
	if (live->process->turn.stopping == live->number + 1)
		turn_resume(&live->process->turn);
}

void live_hand_over(struct live *live)
{
	struct live *other;

	for (uint32_t i = 0; (other = next_other(live, &i));)
		engine_hand_over(other->engine);
	engine_hand_over(live->engine);
}

void live_gather(struct live *live)
{
	struct live_process *process = live->process;
	struct live *other;

	process->turn.leaving = true;
	live_resume(live);
	for (unsigned int looks = 0; looks < PATIENCE && process->resting + 1 < process->nthreads;
	     looks++) {
		for (uint32_t i = 0; looks % KICK_AGAIN == 0 && (other = next_other(live, &i));) {
			if (other->in_call)
				kick(other);
		}
		turn_yield(&process->turn);
	}
}

void live_left(void *context, const struct chop_regs *regs)
{
	struct live *live = context;
	struct live_process *process = live->process;

	live_signals_block();
	live_resume(live);
	process->resting++;
	while (!process->open)
		turn_yield(&process->turn);
	live_signals_requeue(live);
	live_go(live, regs);
}

void live_forget(struct live *live, uint64_t start, uint64_t end)
{
	struct live_process *process = live->process;
	struct live *other;
	bool covers = false;

	for (uint32_t i = 0; !covers && (other = next_other(live, &i));)
		covers = engine_covers(other->engine, start, end);
	if (covers)
		live_stop(live);
	for (uint32_t i = 0; i < RING_SET_MAX && process->threads[i]; i++)
		engine_forget(process->threads[i]->engine, start, end);
}

bool live_owns(const struct live *live, uint64_t start, uint64_t end)
{
	if (cache_arenas_hold(&live->process->arenas, start, end))
		return true;
	for (uint32_t i = 0; i < RING_SET_MAX && live->process->threads[i]; i++) {
		const struct live *one = live->process->threads[i];
		uint64_t stack = (uintptr_t)one->stack;

		if (engine_owns(one->engine, start, end) ||
		    (stack && start < stack + HOST_STACK && end > stack))
			return true;
	}
	return false;
}
