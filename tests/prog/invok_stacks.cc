// flags: -O1 -fno-optimize-sibling-calls -pthread -Wno-infinite-recursion
// SPDX-License-Identifier: Apache-2.0
/*
 * Functions that are left in all the ways there are: exceptions in threads, longjmp,
 * coroutines, fork, vfork, pthread_exit; a backtrace. Prints what came of each.
 */
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <thread>
#include <vector>

#include <execinfo.h>
#include <pthread.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

struct guard {
	~guard() { ++count; }
	static thread_local long count;
};
thread_local long guard::count;

static jmp_buf env;
static sigjmp_buf signal_env;
static ucontext_t outside, inside;
static long coroutine_sum, ticks;

extern "C" {
__attribute__((noinline)) long thrower(long depth)
{
	guard g;

	if (!depth)
		throw std::runtime_error("x");
	return thrower(depth - 1) + 1;
}

__attribute__((noinline)) long jumper(long depth)
{
	if (!depth)
		longjmp(env, 1);
	return jumper(depth - 1) + 1;
}

__attribute__((noinline)) long step(long x)
{
	swapcontext(&inside, &outside);
	return x + 1;
}

__attribute__((noinline)) long resume(void)
{
	swapcontext(&outside, &inside);
	return coroutine_sum;
}

__attribute__((noinline)) long forker(long x)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		return -1;
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status) + x;
}

__attribute__((noinline)) int helper(int x)
{
	__asm__ volatile("");
	return x + 1;
}

__attribute__((noinline)) int vforker(int x)
{
	int status;
	pid_t pid = vfork();

	if (!pid)
		_exit(helper(x));
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

__attribute__((noinline)) int tracer(int depth)
{
	void *frames[64];

	if (!depth)
		return backtrace(frames, 64);
	return tracer(depth - 1) + 0 * depth;
}

__attribute__((noinline)) void *leaver(void *value)
{
	guard g;

	if (value)
		pthread_exit(value);
	return value;
}

__attribute__((noinline)) long handled(long x)
{
	__asm__ volatile("");
	return x + 1;
}
}

static void coroutine()
{
	for (long i = 0; i < 100; i++)
		coroutine_sum += step(i);
}

static void on_tick(int)
{
	if (handled(++ticks) % 2)
		siglongjmp(signal_env, 1);
}

static long interrupted()
{
	struct itimerval often = { { 0, 500 }, { 0, 500 } }, never = {};
	volatile long wrong = 0, jumps = 0;

	signal(SIGALRM, on_tick);
	setitimer(ITIMER_REAL, &often, nullptr);
	while (ticks < 100) {
		if (sigsetjmp(signal_env, 1)) {
			jumps = jumps + 1;
			continue;
		}
		for (int i = 0; i < 100000; i++)
			wrong = wrong + (handled(i) != i + 1);
	}
	setitimer(ITIMER_REAL, &never, nullptr);
	return jumps > 0 && !wrong;
}

static long throw_often()
{
	long caught = 0;

	for (int i = 0; i < 200; i++) {
		try {
			thrower(i % 10);
		} catch (const std::exception &) {
			caught++;
		}
	}
	return caught + guard::count;
}

int main()
{
	std::vector<std::thread> threads;
	long caught[8] = {}, sum = 0, result = 0;
	volatile long jumps = 0;
	pthread_t thread;
	void *value;

	for (int i = 0; i < 8; i++)
		threads.emplace_back([&caught, i] { caught[i] = throw_often(); });
	for (auto &one : threads)
		one.join();
	for (long one : caught)
		sum += one;
	printf("caught %ld\n", sum);
	for (volatile int i = 0; i < 1000; i = i + 1) {
		if (!setjmp(env))
			jumper(i % 7);
		else
			jumps = jumps + 1;
	}
	printf("jumps %ld\n", jumps);
	getcontext(&inside);
	inside.uc_stack.ss_sp = malloc(65536);
	inside.uc_stack.ss_size = 65536;
	inside.uc_link = &outside;
	makecontext(&inside, coroutine, 0);
	for (int i = 0; i < 100; i++)
		result = resume();
	printf("coroutine %ld\n", result);
	fflush(stdout);
	result = forker(7);
	if (result == -1) {
		printf("child %d\n", helper(4));
		fflush(stdout);
		_exit(5);
	}
	printf("fork %ld vfork %d\n", result, vforker(3));
	printf("backtrace %d\n", tracer(5) >= 7);
	pthread_create(&thread, nullptr, leaver, (void *)42);
	pthread_join(thread, &value);
	printf("exit %ld\n", (long)value);
	printf("handlers %ld\n", interrupted());
	return 7;
}
