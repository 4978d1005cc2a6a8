// flags: -O1 -pthread
// SPDX-License-Identifier: Apache-2.0
/*
 * Threads, for what follows whole programs: how each lives and dies, what they wait for, signals
 * between them, children, and code that changes while others run. Prints what must be so.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 8
#define ROUNDS	2000

extern char **environ;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static atomic_int many, flag;
static long total;

static void start(pthread_t *thread, void *(*function)(void *), long argument) {
	if (pthread_create(thread, NULL, function, (void *)argument))
		abort();
}

static void each(void *(*function)(void *)) {
	pthread_t threads[THREADS];

	for (long i = 0; i < THREADS; i++)
		start(&threads[i], function, i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

/* -- counted: thread i makes 1000 * (i + 1) rounds of three references and four instructions */

void counted_loop(long rounds, long *memory);
__asm__(".text\n"
	".globl counted_loop\n"
	"counted_loop:\n"
	"1:	mov (%rsi), %rax\n"
	"	addq $1, 8(%rsi)\n"
	"	dec %rdi\n"
	"	jnz 1b\n"
	".globl counted_end\n"
	"counted_end:\n"
	"	ret\n");

static void *count(void *argument) {
	long memory[2] = { 0 }, rounds = 1000 * ((long)argument + 1);

	counted_loop(rounds, memory);
	if (memory[1] != rounds)
		abort();
	return NULL;
}

static int counted(void) {
	each(count);
	puts("counted");
	return 0;
}

/* -- mutexes, conditions, semaphores, spinning */

static void *add(void *argument) {
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&mutex);
		total += (long)argument;
		pthread_mutex_unlock(&mutex);
		many++;
	}
	return NULL;
}

static int turn;

static void *in_turn(void *argument) {
	for (int i = 0; i < 50; i++) {
		pthread_mutex_lock(&mutex);
		while (turn % THREADS != (int)(long)argument)
			pthread_cond_wait(&cond, &mutex);
		turn++;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static int mutexes(void) {
	each(add);
	printf("%ld %d\n", total, many);
	each(in_turn);
	printf("%d\n", turn);
	return 0;
}

/* -- threads that start and end all the time, joined or not */

static sem_t ended;

static void *brief(void *argument) {
	char *memory = malloc(100 + (size_t)(long)argument);

	memset(memory, 1, 100);
	many += memory[99];
	free(memory);
	return argument;
}

static void *brief_alone(void *argument) {
	pthread_detach(pthread_self());
	brief(argument);
	sem_post(&ended);
	return NULL;
}

static void *starter(void *argument) {
	for (long i = 0; i < 25; i++) {
		pthread_t thread;
		void *got;

		start(&thread, brief, i);
		pthread_join(thread, &got);
		if (got != (void *)i)
			abort();
		start(&thread, brief_alone, i);
		sem_wait(&ended);
	}
	return argument;
}

static int churn(void) {
	sem_init(&ended, 0, 0);
	each(starter);
	printf("%d\n", many);
	return 0;
}

/* -- more at once than can be followed */

static void *wait_flag(void *unused) {
	many++;
	pthread_mutex_lock(&mutex);
	while (!flag)
		pthread_cond_wait(&cond, &mutex);
	pthread_mutex_unlock(&mutex);
	return unused;
}

static void release_all(void) {
	pthread_mutex_lock(&mutex);
	flag = 1;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&mutex);
}

static int crowd(void) {
	static pthread_t threads[210];
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (int i = 0; i < 210; i++) {
		if (pthread_create(&threads[i], &attr, wait_flag, NULL))
			abort();
	}
	release_all();
	for (int i = 0; i < 210; i++)
		pthread_join(threads[i], NULL);
	printf("%d\n", many);
	return 0;
}

/* -- signals */

static _Thread_local volatile int seen;

static void on_signal(int number) {
	(void)number;
	seen++;
}

static void *be_told(void *unused) {
	many++;
	while (seen < 20)
		if (unused)
			pause();
	return unused;
}

static int signals(void) {
	pthread_t threads[THREADS];
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGUSR1, &action, NULL);
	for (long i = 0; i < THREADS; i++)
		start(&threads[i], be_told, i % 2);
	while (many < THREADS)
		usleep(1000);
	for (int i = 0; i < THREADS; i++) {
		while (pthread_tryjoin_np(threads[i], NULL)) {
			pthread_kill(threads[i], SIGUSR1);
			usleep(200);
		}
	}
	printf("signals %d\n", seen);
	return 0;
}

/* -- cancellation: of a thread that waits, and of one that computes */

static void cleanup(void *unused) {
	(void)unused;
	many += 10;
}

static void *wait_for_ever(void *argument) {
	pthread_cleanup_push(cleanup, NULL);
	many++;
	if (argument) {
		pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
		for (;;)
			total++;
	}
	for (;;)
		sleep(1000);
	pthread_cleanup_pop(0);
	return NULL;
}

static int cancel(void) {
	pthread_t threads[4];
	void *got;

	for (long i = 0; i < 4; i++)
		start(&threads[i], wait_for_ever, i % 2);
	while (many < 4)
		usleep(1000);
	for (int i = 0; i < 4; i++) {
		pthread_cancel(threads[i]);
		pthread_join(threads[i], &got);
		printf("%d ", got == PTHREAD_CANCELED);
	}
	printf("%d\n", many);
	return 0;
}

/* -- a robust mutex whose owner dies */

static pthread_mutex_t robust;

static void *die_with_it(void *unused) {
	pthread_mutex_lock(&robust);
	return unused;
}

static int owner_dies(void) {
	pthread_mutexattr_t attr;
	pthread_t thread;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &attr);
	start(&thread, die_with_it, 0);
	pthread_join(thread, NULL);
	puts(pthread_mutex_lock(&robust) == EOWNERDEAD ? "dead" : "not dead");
	return 0;
}

/* -- the end, while others compute, wait, and start threads */

static void *compute(void *argument) {
	many++;
	for (;;) {
		total++;
		if (!argument)
			getppid();
	}
	return NULL;
}

static void *end_all(void *unused) {
	exit(7);
	return unused;
}

static int ends(void) {
	pthread_t thread;

	for (long i = 0; i < 4; i++)
		start(&thread, compute, i % 2);
	while (many < 4)
		usleep(1000);
	puts("ends");
	start(&thread, end_all, 0);
	for (;;)
		pause();
	return 1;
}

static void *last_words(void *unused) {
	char text[100], byte = 0;
	FILE *status;

	/* until the first one is gone */
	for (int i = 0; i < 10000 && byte != 'Z'; i++) {
		usleep(1000);
		status = fopen("/proc/self/stat", "r");
		if (fscanf(status, "%*d %99s %c", text, &byte) != 2)
			abort();
		fclose(status);
	}
	signal(SIGUSR1, on_signal);
	raise(SIGUSR1);
	printf("last words %c %d\n", byte, seen);
	printf("%.0f %d\n", strtod("1e3", NULL), abs(atoi("-3")));
	fflush(stdout);
	return unused;
}

static int main_ends(void) {
	pthread_t thread;

	start(&thread, last_words, 0);
	pthread_exit(NULL);
	return 1;
}

static void *fault(void *unused) {
	*(volatile int *)unused = 1;
	return unused;
}

static int killed(void) {
	pthread_t thread;

	for (long i = 0; i < 4; i++)
		start(&thread, compute, i % 2);
	while (many < 4)
		usleep(1000);
	start(&thread, fault, 0);
	for (;;)
		pause();
	return 1;
}

/* -- children of threads */

static void *have_children(void *argument) {
	char *const echo[] = { "true", NULL };
	int status;
	pid_t pid;

	for (int i = 0; i < 4; i++) {
		if (posix_spawnp(&pid, "true", NULL, NULL, echo, environ))
			abort();
		waitpid(pid, &status, 0);
		many += status == 0;
		pid = fork();
		if (!pid) {
			pthread_mutex_lock(&mutex);
			_exit(3);
		}
		waitpid(pid, &status, 0);
		many += WIFEXITED(status) && WEXITSTATUS(status) == 3;
	}
	return argument;
}

static int children(void) {
	each(have_children);
	printf("%d\n", many);
	return 0;
}

static void *execute(void *unused) {
	execlp("echo", "echo", "executed", NULL);
	return unused;
}

static int executes(void) {
	pthread_t thread;

	for (long i = 0; i < 4; i++)
		start(&thread, compute, i % 2);
	while (many < 4)
		usleep(1000);
	start(&thread, execute, 0);
	for (;;)
		pause();
	return 1;
}

/* -- code that changes while others run it: mov $N, %eax; ret */

static unsigned char *code;
static int version;
static pthread_barrier_t barrier;

/* Between two barriers the first thread writes; then all run what it wrote. */
static void *run_code(void *unused) {
	for (int i = 0; i < 30; i++) {
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		if (((int (*)(void))code)() != version)
			abort();
	}
	return unused;
}

static void write_code(int value) {
	unsigned char text[] = { 0xb8, 0, 0, 0, 0, 0xc3 };

	memcpy(text + 1, &value, 4);
	memcpy(code, text, sizeof(text));
}

static void *map_code(void *where) {
	return mmap(where, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS | (where ? MAP_FIXED : 0), -1, 0);
}

static int changes(void) {
	pthread_t threads[4];

	code = map_code(NULL);
	pthread_barrier_init(&barrier, NULL, 5);
	for (int i = 0; i < 4; i++)
		start(&threads[i], run_code, 0);
	for (int i = 0; i < 30; i++) {
		pthread_barrier_wait(&barrier);
		version = i;
		/* in place, in new memory, and with its rights changed */
		if (i % 3 == 1)
			code = map_code(code);
		if (i % 3 == 2)
			mprotect(code, 4096, PROT_READ | PROT_WRITE);
		write_code(i);
		if (i % 3 == 2)
			mprotect(code, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
		pthread_barrier_wait(&barrier);
		if (((int (*)(void))code)() != i)
			abort();
	}
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	puts("changes");
	return 0;
}

/* -- what cannot be followed, in one of them: all go on as they would have */

static void *own_page(void *unused) {
	unsigned char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* movl $7, 110(page); mov 120(page), %eax; ret */
	static const unsigned char text[] = { 0xc7, 0x05, 100, 0, 0, 0, 7, 0, 0, 0,
					      0x8b, 0x05, 104, 0, 0, 0, 0xc3 };

	memcpy(page, text, sizeof(text));
	total += ((long (*)(void))page)();
	return unused;
}

static int leaves(void) {
	pthread_t thread, spinning, waiting[3];
	pthread_t locked[2];

	many = 0;
	start(&spinning, be_told, 0);
	start(&waiting[0], wait_flag, 0);
	start(&waiting[1], be_told, 1);
	start(&waiting[2], wait_for_ever, 0);
	start(&locked[0], add, 1);
	start(&locked[1], add, 2);
	while (many < 4)
		usleep(1000);
	start(&thread, own_page, 0);
	pthread_join(thread, NULL);
	release_all();
	pthread_join(waiting[0], NULL);
	signal(SIGUSR1, on_signal);
	while (pthread_tryjoin_np(spinning, NULL)) {
		pthread_kill(spinning, SIGUSR1);
		usleep(200);
	}
	while (pthread_tryjoin_np(waiting[1], NULL)) {
		pthread_kill(waiting[1], SIGUSR1);
		usleep(200);
	}
	pthread_join(locked[0], NULL);
	pthread_join(locked[1], NULL);
	pthread_cancel(waiting[2]);
	pthread_join(waiting[2], NULL);
	printf("left %ld\n", total);
	return 0;
}

int main(int argc, char **argv) {
	static const struct {
		const char *name;
		int (*run)(void);
	} all[] = {
		{ "counted", counted },	  { "mutexes", mutexes },     { "churn", churn },
		{ "crowd", crowd },	  { "signals", signals },     { "cancel", cancel },
		{ "robust", owner_dies }, { "ends", ends },	      { "main", main_ends },
		{ "killed", killed },	  { "children", children },   { "executes", executes },
		{ "changes", changes },	  { "leaves", leaves },
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		if (argc > 1 && !strcmp(argv[1], all[i].name))
			return all[i].run();
	}
	return 2;
}
