// SPDX-License-Identifier: Apache-2.0
/* Families of system calls on processes, signals, users and time. */
#include "syscalls_family.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <time.h>

static void on_signal(int signal)
{
	(void)signal;
}

static pid_t child(void (*run)(void))
{
	pid_t pid = fork();

	if (!pid) {
		run();
		_exit(0);
	}
	return pid;
}

/* -- processes ----------------------------------------------------------------------------------- */

static void forking(void)
{
	int status;

	if (!fork())
		_exit(7);
	wait(&status);
	if (!vfork())
		_exit(0);
	wait(NULL);
	wait(&status);
}

static void clones(void)
{
	struct clone_args args = { .flags = CLONE_FS, .exit_signal = SIGCHLD };
	int status;

	if (!syscall(SYS_clone, CLONE_FILES | CLONE_FS | SIGCHLD, NULL, NULL, NULL, NULL))
		_exit(1);
	waitpid(-1, &status, __WALL);
	if (!syscall(SYS_clone3, &args, sizeof(args)))
		_exit(2);
	waitpid(-1, &status, __WALL);
	syscall(SYS_clone3, NOWHERE, sizeof(args));
	syscall(SYS_clone3, &args, 8);
}

static void executing(void)
{
	char *const arguments[] = { "echo", "an \"argument\"", "a rather long argument, cut short",
				    NULL };
	char *const environment[] = { "A=1", "B=2", NULL };

	execve("/nowhere/at/all", arguments, environment);
	execve(".", arguments, NULL);
	execveat(AT_FDCWD, "nothing", arguments, environment, AT_SYMLINK_NOFOLLOW);
	if (!fork())
		execve("/bin/true", arguments, environment);
	wait(NULL);
	execve("/bin/true", arguments, environment);
}

static void by_descriptor(void)
{
	char *const arguments[] = { "true", NULL };
	int fd = open("/bin/true", O_PATH | O_CLOEXEC);

	execveat(fd, "", arguments, arguments + 1, AT_EMPTY_PATH);
}

static void fail(void)
{
	_exit(5);
}

static void die(void)
{
	raise(SIGTERM);
}

static void stop(void)
{
	raise(SIGSTOP);
}

static void waiting(void)
{
	struct rusage usage;
	siginfo_t info;
	int status;
	pid_t pid;

	waitpid(-1, &status, WNOHANG);
	waitpid(child(fail), &status, 0);
	pid = child(die);
	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
	wait4(pid, &status, 0, &usage);
	pid = child(stop);
	waitpid(pid, &status, WUNTRACED);
	kill(pid, SIGCONT);
	waitpid(pid, &status, 0);
	waitid(P_ALL, 0, &info, WEXITED | WSTOPPED);
	waitid(P_PIDFD, 99, &info, WEXITED);
}

static void leaving(void)
{
	exit(42);
}

/* Long enough to be waited for. */
static void *thread(void *unused)
{
	usleep(family_pause());
	syscall(SYS_getppid);
	return unused;
}

static void threads(void)
{
	pthread_t one, two;

	pthread_create(&one, NULL, thread, NULL);
	pthread_join(one, NULL);
	pthread_create(&two, NULL, thread, NULL);
	pthread_join(two, NULL);
}

static void *execute(void *unused)
{
	usleep(family_pause());
	execl("/bin/true", "true", (char *)NULL);
	return unused;
}

static void from_thread(void)
{
	pthread_t one;

	pthread_create(&one, NULL, execute, NULL);
	pthread_join(one, NULL);
}

static void descriptors_of(void)
{
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	syscall(SYS_pidfd_open, 0, 0);
	syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0);
	syscall(SYS_pidfd_getfd, fd, 1, 0);
	syscall(SYS_kcmp, getpid(), getpid(), 0, 1, 2);
}

static void tracing(void)
{
	ptrace(PTRACE_PEEKDATA, 1, NOWHERE, NULL);
	ptrace(PTRACE_SETOPTIONS, -5, NULL, PTRACE_O_TRACEFORK | PTRACE_O_TRACESYSGOOD);
	ptrace(PTRACE_ATTACH, -5, NULL, NULL);
}

/* -- signals --------------------------------------------------------------------------------------- */

static void actions(void)
{
	struct sigaction action = { .sa_handler = on_signal,
				    .sa_flags = SA_RESTART | SA_RESETHAND };

	sigaction(SIGUSR1, &action, NULL);
	sigaddset(&action.sa_mask, SIGINT);
	action.sa_flags = SA_SIGINFO | SA_NODEFER;
	sigaction(SIGUSR2, &action, NULL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGKILL, SIG_IGN);
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR2);
	kill(getpid(), SIGHUP);
	kill(getpid(), 0);
	kill(getpid(), 99);
}

static void masks(void)
{
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGRTMIN + 3);
	sigprocmask(SIG_BLOCK, &set, &old);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, &old);
	raise(SIGUSR1);
	sigpending(&set);
	sigprocmask(99, &set, NULL);
}

static void queues(void)
{
	struct timespec none = { 0, 0 };
	siginfo_t info = { .si_signo = SIGUSR1, .si_code = SI_QUEUE };
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 5 });
	sigtimedwait(&set, &info, &none);
	sigtimedwait(&set, &info, &none);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	read(fd, &info, sizeof(info));
	syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1);
	syscall(SYS_rt_tgsigqueueinfo, getpid(), 1, SIGUSR1, &info);
}

static void alternative(void)
{
	static char room[65536];
	stack_t stack = { .ss_sp = room, .ss_size = sizeof(room) }, old;

	sigaltstack(&stack, &old);
	sigaltstack(NULL, &old);
	stack.ss_flags = SS_DISABLE;
	sigaltstack(&stack, NULL);
}

static void alarms(void)
{
	struct itimerval soon = { { 0, family_pause() }, { 0, family_pause() } }, old;
	struct itimerval none = { { 0, 0 }, { 0, 0 } };

	signal(SIGALRM, on_signal);
	alarm(100);
	alarm(0);
	setitimer(ITIMER_REAL, &soon, &old);
	pause();
	setitimer(ITIMER_REAL, &none, NULL);
	getitimer(ITIMER_VIRTUAL, &old);
	setitimer(99, &soon, NULL);
}

static void suspending(void)
{
	struct itimerval soon = { { 0, 0 }, { 0, 2000 } };
	sigset_t none, some;

	sigemptyset(&none);
	sigemptyset(&some);
	sigaddset(&some, SIGALRM);
	sigprocmask(SIG_BLOCK, &some, NULL);
	signal(SIGALRM, on_signal);
	setitimer(ITIMER_REAL, &soon, NULL);
	sigsuspend(&none);
}

static void crash(void)
{
	*(volatile char *)NOWHERE = 1;
}

static void divide(void)
{
	volatile int zero = 0;

	zero = 1 / zero;
}

static void broken(void)
{
	int ends[2];

	pipe(ends);
	close(ends[0]);
	write(ends[1], "x", 1);
}

static void killed(void)
{
	kill(getpid(), SIGKILL);
}

static void interrupted(void)
{
	pid_t pid = getpid();
	char c;
	int ends[2];

	pipe(ends);
	signal(SIGUSR1, on_signal);
	if (!fork()) {
		usleep(family_pause());
		kill(pid, SIGUSR1);
		usleep(family_pause());
		write(ends[1], "x", 1);
		_exit(0);
	}
	read(ends[0], &c, 1);
	wait(NULL);
}

/* -- users and limits ----------------------------------------------------------------------------------- */

static void users(void)
{
	gid_t groups[3] = { 1, 2, 3 };
	uid_t a, b, c;

	getuid();
	geteuid();
	getgid();
	getegid();
	getresuid(&a, &b, &c);
	getresgid(&a, &b, &c);
	getgroups(0, NULL);
	syscall(SYS_setgroups, 3, groups);
	getgroups(3, groups);
	syscall(SYS_setfsuid, 1);
	syscall(SYS_setregid, -1, 5);
	syscall(SYS_setresgid, 5, -1, 5);
	syscall(SYS_setgid, 6);
	syscall(SYS_setreuid, -1, 5);
	syscall(SYS_setresuid, 5, 5, 5);
	syscall(SYS_setuid, 0);
}

static void sessions(void)
{
	getpgid(0);
	getsid(0);
	setpgid(0, 0);
	getpgrp();
	setsid();
	getsid(-1);
}

static void capabilities(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	syscall(SYS_capget, &header, NULL);
	syscall(SYS_capget, &header, data);
	data[0].effective = 1 << CAP_KILL;
	data[0].permitted = 1 << CAP_KILL | 1 << CAP_CHOWN;
	data[0].inheritable = data[1].effective = data[1].permitted = data[1].inheritable = 0;
	syscall(SYS_capset, &header, data);
	header.version = 5;
	syscall(SYS_capget, &header, data);
}

static void limits(void)
{
	struct rlimit limit = { 10, RLIM_INFINITY };
	struct rusage usage;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = 4096;
	setrlimit(RLIMIT_CORE, &limit);
	prlimit(0, RLIMIT_CPU, NULL, &limit);
	syscall(SYS_getrlimit, RLIMIT_AS, &limit);
	getrlimit(99, &limit);
	getrusage(RUSAGE_CHILDREN, &usage);
	getpriority(PRIO_PROCESS, 0);
	setpriority(PRIO_PROCESS, 0, 5);
	getpriority(PRIO_PROCESS, 0);
}

static void scheduling(void)
{
	struct sched_param parameter = { .sched_priority = 5 };
	struct timespec interval;
	cpu_set_t set;

	sched_getscheduler(0);
	sched_getparam(0, &parameter);
	sched_setscheduler(0, SCHED_FIFO, &parameter);
	parameter.sched_priority = 0;
	sched_setscheduler(0, SCHED_BATCH, &parameter);
	sched_getscheduler(0);
	sched_get_priority_max(SCHED_FIFO);
	sched_rr_get_interval(0, &interval);
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
	sched_getaffinity(0, sizeof(set), &set);
	sched_yield();
	syscall(SYS_sched_getattr, 0, NOWHERE, 48, 0);
	syscall(SYS_getcpu, NULL, NULL, NULL);
	syscall(SYS_ioprio_get, 1, 0);
	syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 4);
	syscall(SYS_ioprio_get, 1, 0);
}

static void control(void)
{
	char name[16];
	int value;

	prctl(PR_SET_NAME, "other name");
	prctl(PR_GET_NAME, name);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	prctl(PR_GET_PDEATHSIG, &value);
	prctl(PR_GET_DUMPABLE);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN);
	prctl(PR_GET_SECCOMP);
	prctl(PR_SET_SECUREBITS, 3);
	prctl(PR_GET_SECUREBITS);
	prctl(PR_GET_TIMERSLACK);
	prctl(PR_GET_KEEPCAPS);
	prctl(PR_GET_TSC, &value);
	prctl(PR_GET_TIMING);
	prctl(PR_MCE_KILL_GET, 0, 0, 0, 0);
	prctl(PR_GET_SPECULATION_CTRL, 0, 0, 0, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_GET_CHILD_SUBREAPER, &value);
	prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0);
	prctl(9999, 1, 2, 3, 4);
	syscall(SYS_arch_prctl, 0x1003, &(unsigned long){ 0 });
	personality(0xffffffff);
	personality(ADDR_NO_RANDOMIZE | PER_LINUX);
	personality(PER_BSD);
	personality(0);
}

static void confining(void)
{
	syscall(SYS_seccomp, 2, 0, NULL);
	syscall(SYS_seccomp, 99, 1, NULL);
	syscall(SYS_unshare, CLONE_NEWNS | 0x1);
	syscall(SYS_setns, -1, CLONE_NEWNET);
	syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
	syscall(SYS_bpf, 9999, NULL, 0);
	syscall(SYS_perf_event_open, NULL, -1, 0, -1, 8);
	syscall(SYS_add_key, "user", "name", "payload", 7, -2);
	syscall(SYS_request_key, "user", "nothing", NULL, 0);
	syscall(SYS_keyctl, 0, -3, 0);
}

/* -- the machine and time ----------------------------------------------------------------------------------- */

static void machine(void)
{
	struct utsname name;
	struct tms tms;
	char random[4];

	uname(&name);
	uname(NOWHERE);
	times(&tms);
	syscall(SYS_getrandom, random, 0, 1);
	syscall(SYS_syslog, 10, NULL, 0);
	syscall(SYS_sethostname, NOWHERE, 5);
	syscall(SYS_reboot, 1, 2, 3, NULL);
	syscall(SYS_delete_module, "nothing", O_NONBLOCK);
	syscall(SYS_init_module, NOWHERE, 5, "");
	syscall(SYS_quotactl, 0, NULL, 0, NULL);
	syscall(999, 1, 2, 3, 4, 5, 6);
}

static void clocks(void)
{
	struct timespec time = { 0, 1000 }, rest;
	struct timex adjust = { 0 };

	syscall(SYS_clock_getres, CLOCK_MONOTONIC, &time);
	syscall(SYS_clock_gettime, 99, &time);
	nanosleep(&time, &rest);
	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
	clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &time, NULL);
	time.tv_nsec = -1;
	nanosleep(&time, NULL);
	syscall(SYS_clock_settime, 99, &time);
	syscall(SYS_clock_adjtime, CLOCK_REALTIME, &adjust);
	adjust.modes = ADJ_TICK;
	adjust.tick = 1;
	syscall(SYS_adjtimex, &adjust);
}

static void timers(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_NONE, .sigev_signo = SIGUSR1 };
	struct itimerspec when = { { 1, 0 }, { 100, 0 } }, old;
	timer_t timer = NULL;

	timer_create(CLOCK_MONOTONIC, &event, &timer);
	timer_settime(timer, TIMER_ABSTIME, &when, &old);
	timer_settime(timer, 0, &when, &old);
	timer_getoverrun(timer);
	timer_delete(timer);
	syscall(SYS_timer_gettime, 77, &old);
}

int main(int argc, char **argv)
{
	static const struct family families[] = {
		{ "forking", forking },
		{ "clones", clones },
		{ "executing", executing },
		{ "by_descriptor", by_descriptor },
		{ "waiting", waiting },
		{ "leaving", leaving },
		{ "threads", threads },
		{ "from_thread", from_thread },
		{ "descriptors_of", descriptors_of },
		{ "tracing", tracing },
		{ "actions", actions },
		{ "masks", masks },
		{ "queues", queues },
		{ "alternative", alternative },
		{ "alarms", alarms },
		{ "suspending", suspending },
		{ "crash", crash },
		{ "divide", divide },
		{ "broken", broken },
		{ "killed", killed },
		{ "interrupted", interrupted },
		{ "users", users },
		{ "sessions", sessions },
		{ "capabilities", capabilities },
		{ "limits", limits },
		{ "scheduling", scheduling },
		{ "control", control },
		{ "confining", confining },
		{ "machine", machine },
		{ "clocks", clocks },
		{ "timers", timers },
		{ NULL, NULL },
	};

	return family_main(families, argc, argv);
}
