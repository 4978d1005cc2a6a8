// SPDX-License-Identifier: Apache-2.0
/* The system-call table against the C library's headers, and against what the kernel does. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "arch/arch.h"
#include "arch/calls.h"

static void numbers(void **state)
{
	(void)state;
	assert_int_equal(call_number("read"), SYS_read);
	assert_int_equal(call_number("newfstatat"), SYS_newfstatat);
	assert_int_equal(call_number("io_pgetevents"), SYS_io_pgetevents);
	assert_int_equal(call_number("clone3"), SYS_clone3);
	assert_int_equal(call_number("futex_waitv"), SYS_futex_waitv);
	assert_int_equal(call_number("no such call"), -1);
	assert_string_equal(arch_call_name(SYS_getppid), "getppid");
	assert_null(arch_call_name(-1));
	assert_null(arch_call_name(400));
	assert_null(arch_call_name(1 << 20));
	assert_int_equal(call_class_find("file"), CALL_FILE);
	assert_int_equal(call_class_find("%stat"), CALL_ALL_STAT);
	assert_int_equal(call_class_find("nonsense"), 0);
	assert_true(call_find(SYS_openat)->classes & CALL_FILE);
	assert_true(call_find(SYS_mmap)->classes & CALL_MEMORY);
}

static void sizes(void **state)
{
	static const struct {
		const char *name;
		size_t size;
	} known[] = {
		{ "timespec", sizeof(struct timespec) },
		{ "timeval", sizeof(struct timeval) },
		{ "itimerspec", sizeof(struct itimerspec) },
		{ "itimerval", sizeof(struct itimerval) },
		{ "stat", sizeof(struct stat) },
		{ "statx", sizeof(struct statx) },
		{ "statfs", sizeof(struct statfs) },
		{ "pollfd", sizeof(struct pollfd) },
		{ "siginfo", sizeof(siginfo_t) },
		{ "stack_t", sizeof(stack_t) },
		{ "iovec", sizeof(struct iovec) },
		{ "iovec_out", sizeof(struct iovec) },
		{ "msghdr_in", sizeof(struct msghdr) },
		{ "mmsghdr_out", sizeof(struct mmsghdr) },
		{ "rlimit", sizeof(struct rlimit) },
		{ "rusage", sizeof(struct rusage) },
		{ "sysinfo", sizeof(struct sysinfo) },
		{ "tms", sizeof(struct tms) },
		{ "utsname", sizeof(struct utsname) },
		{ "epoll_event", sizeof(struct epoll_event) },
		{ "sembuf", sizeof(struct sembuf) },
		{ "semid_ds", sizeof(struct semid_ds) },
		{ "shmid_ds", sizeof(struct shmid_ds) },
		{ "msqid_ds", sizeof(struct msqid_ds) },
		{ "flock", sizeof(struct flock) },
		{ "timex", sizeof(struct timex) },
		{ "sigevent", sizeof(struct sigevent) },
		{ "winsize", sizeof(struct winsize) },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const struct call_type *type = call_type_find(known[i].name);

		if (!type || type->size != known[i].size)
			fail_msg("%s: %u, not %zu bytes", known[i].name, type ? type->size : 0,
				 known[i].size);
	}
}

static void well_formed(void **state)
{
	(void)state;
	for (size_t n = 0; n < call_table_count; n++) {
		const struct call *call = &call_table[n];

		if (!call->name)
			continue;
		assert_non_null(call->result);
		for (unsigned int i = 0; i < call->variant_count; i++) {
			const struct call_variant *v = &call->variants[i];

			assert_true(v->selector < v->arg_count);
			for (unsigned int k = 0; k < v->arg_count; k++)
				assert_non_null(v->args[k].type);
		}
		for (unsigned int k = 0; k < call->arg_count; k++) {
			const struct call_arg *arg = &call->args[k];

			assert_non_null(arg->name);
			assert_true(arg->dir == CALL_VALUE || arg->memory.type);
		}
	}
}

/* -- what the kernel writes ------------------------------------------------------------- */

#define ARENA 65536
static uint8_t arena[ARENA] __attribute__((aligned(4096)));
static uint8_t before[ARENA], told[ARENA], room[ARENA];

static int read_self(void *context, uint64_t address, void *data, size_t size)
{
	uint64_t start = (uint64_t)(uintptr_t)arena;

	(void)context;
	if (address < start || address + size > start + ARENA)
		return -EFAULT;
	memcpy(data, (const void *)(uintptr_t)address, size);
	return 0;
}

static int tell(void *context, uint64_t address, uint64_t size)
{
	uint64_t start = (uint64_t)(uintptr_t)arena;

	(void)context;
	assert_true(address >= start && address + size <= start + ARENA);
	memset(told + (address - start), 1, size);
	return 0;
}

/*
 * Run a call whose pointers lie in the arena; every byte it changed must be told of, and no
 * more than `most` bytes in all. Returns the result.
 */
static long run(size_t most, int expect, long number, ...)
{
	struct call_instance call = { .number = number };
	size_t count = 0;
	va_list args;
	long result;
	int status;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		call.args[i] = va_arg(args, uint64_t);
	va_end(args);
	call_enter(&call, read_self, NULL);
	memcpy(before, arena, ARENA);
	memset(told, 0, ARENA);
	assert_int_equal(call_rooms(&call, read_self, tell, NULL), expect);
	memcpy(room, told, ARENA);
	memset(told, 0, ARENA);
	result = syscall(number, call.args[0], call.args[1], call.args[2], call.args[3],
			 call.args[4], call.args[5]);
	call.result = result < 0 ? -errno : result;
	status = call_outputs(&call, read_self, tell, NULL);
	assert_int_equal(status, expect);
	for (size_t i = 0; i < ARENA; i++) {
		if (arena[i] != before[i] && !told[i])
			fail_msg("%s wrote byte %zu", arch_call_name(number), i);
		if (told[i] && !room[i])
			fail_msg("%s had no room at byte %zu", arch_call_name(number), i);
		count += told[i];
	}
	if (count > most)
		fail_msg("%s: %zu bytes told, at most %zu", arch_call_name(number), count, most);
	return call.result;
}

#define P(offset) ((uint64_t)(uintptr_t)(arena + (offset)))
#define ZERO	  (uint64_t)0
#define N(value)  (uint64_t)(value)

static void fresh(void)
{
	memset(arena, 0xa5, ARENA);
}

static void writes_files(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct iovec iov[2] = { { arena + 4096, 100 }, { arena + 8192, 100 } };

	(void)state;
	fresh();
	assert_int_equal(run(300, 0, SYS_read, N(fd), P(0), N(300), ZERO, ZERO, ZERO), 300);
	fresh();
	assert_int_equal(run(0, 0, SYS_read, N(-1), P(0), N(300), ZERO, ZERO, ZERO), -EBADF);
	fresh();
	memcpy(arena, iov, sizeof(iov));
	assert_int_equal(run(200, 0, SYS_readv, N(fd), P(0), N(2), ZERO, ZERO, ZERO), 200);
	fresh();
	assert_int_equal(run(144, 0, SYS_fstat, N(fd), P(0), ZERO, ZERO, ZERO, ZERO), 0);
	fresh();
	assert_int_equal(run(120, 0, SYS_fstatfs, N(fd), P(0), ZERO, ZERO, ZERO, ZERO), 0);
	fresh();
	assert_true(run(4096, 0, SYS_getdents64, N(dir), P(0), N(4096), ZERO, ZERO, ZERO) > 0);
	fresh();
	strcpy((char *)arena, "/proc/self/exe");
	assert_true(run(1000, 0, SYS_readlink, P(0), P(4096), N(1000), ZERO, ZERO, ZERO) > 0);
	assert_int_equal(run(256, 0, SYS_statx, N(AT_FDCWD), P(0), ZERO, N(0xfff), P(4096), ZERO),
			 0);
	fresh();
	assert_true(run(500, 0, SYS_getcwd, P(0), N(500), ZERO, ZERO, ZERO, ZERO) > 0);
	close(fd);
	close(dir);
}

static void writes_network(void **state)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	struct iovec iov[2] = { { arena + 4096, 5 }, { arena + 8192, 100 } };
	struct msghdr message = { .msg_name = arena + 1024, .msg_namelen = 110, .msg_iov = NULL };
	int sv[2], length = 4;

	(void)state;
	fresh();
	assert_int_equal(
		run(8, 0, SYS_socketpair, N(AF_UNIX), N(SOCK_DGRAM), ZERO, P(0), ZERO, ZERO), 0);
	memcpy(sv, arena, 8);
	fresh();
	memcpy(arena, &length, 4);
	/* The kernel says the name's true length, but writes only what there is room for. */
	assert_int_equal(run(8, 0, SYS_getsockname, N(sv[0]), P(512), P(0), ZERO, ZERO, ZERO), 0);
	assert_int_equal(bind(sv[1], (struct sockaddr *)&name, sizeof(name.sun_family)), 0);
	assert_int_equal(send(sv[0], "twelve bytes", 12, 0), 12);
	fresh();
	memcpy(arena + 256, iov, sizeof(iov));
	message.msg_iov = (struct iovec *)(arena + 256);
	message.msg_iovlen = 2;
	memcpy(arena, &message, sizeof(message));
	assert_int_equal(run(56 + 110 + 12, 0, SYS_recvmsg, N(sv[1]), P(0), ZERO, ZERO, ZERO, ZERO),
			 12);
	fresh();
	memcpy(arena, &length, 4);
	assert_int_equal(
		run(8, 0, SYS_getsockopt, N(sv[0]), N(SOL_SOCKET), N(SO_TYPE), P(64), P(0), ZERO),
		0);
	close(sv[0]);
	close(sv[1]);
}

static void writes_rest(void **state)
{
	static const struct timespec soon = { 0, 1000 };
	int fds[2], count = 0;

	(void)state;
	fresh();
	assert_int_equal(run(8, 0, SYS_pipe, P(0), ZERO, ZERO, ZERO, ZERO, ZERO), 0);
	memcpy(fds, arena, 8);
	fresh();
	assert_int_equal(run(16, 0, SYS_clock_gettime, ZERO, P(0), ZERO, ZERO, ZERO, ZERO), 0);
	memcpy(arena, &soon, sizeof(soon));
	assert_int_equal(run(16, 0, SYS_nanosleep, P(0), P(64), ZERO, ZERO, ZERO, ZERO), 0);
	fresh();
	assert_int_equal(run(144, 0, SYS_getrusage, ZERO, P(0), ZERO, ZERO, ZERO, ZERO), 0);
	fresh();
	assert_int_equal(run(390, 0, SYS_uname, P(0), ZERO, ZERO, ZERO, ZERO, ZERO), 0);
	fresh();
	assert_true(run(128, 0, SYS_sched_getaffinity, ZERO, N(128), P(0), ZERO, ZERO, ZERO) > 0);
	fresh();
	assert_int_equal(run(33, 0, SYS_getrandom, P(0), N(33), ZERO, ZERO, ZERO, ZERO), 33);
	fresh();
	assert_int_equal(run(4, 0, SYS_ioctl, N(fds[0]), N(FIONREAD), P(0), ZERO, ZERO, ZERO), 0);
	memcpy(&count, arena, 4);
	assert_int_equal(count, 0);
	/* A request the table does not know must not pass for one that writes nothing. */
	assert_int_equal(run(ARENA, 1, SYS_ioctl, N(fds[0]), N(0x12345678), P(0), ZERO, ZERO, ZERO),
			 -ENOTTY);
	fresh();
	((struct pollfd *)arena)->fd = fds[0];
	((struct pollfd *)arena)->events = POLLIN;
	assert_int_equal(run(8, 0, SYS_poll, P(0), N(1), ZERO, ZERO, ZERO, ZERO), 0);
	memset(arena, 0, 4096);
	memset(arena + 64, 0xff, 8);
	assert_true(run(16 + 8, 0, SYS_select, N(1), P(64), ZERO, ZERO, P(0), ZERO) >= 0);
	fresh();
	assert_int_equal(run(16, 0, SYS_prctl, N(16), P(0), ZERO, ZERO, ZERO, ZERO), 0);
	close(fds[0]);
	close(fds[1]);
}

/* -- what the kernel reads -------------------------------------------------------------- */

static void reads(void **state)
{
	struct call_instance call = { .number = SYS_openat, .args = { N(AT_FDCWD), P(16) } };
	struct iovec iov[2] = { { arena + 1024, 3 }, { arena + 2048, 5 } };
	size_t count = 0;

	(void)state;
	memset(arena, 0, ARENA);
	memset(told, 0, ARENA);
	strcpy((char *)arena + 16, "/etc/passwd");
	assert_int_equal(call_inputs(&call, read_self, tell, NULL), 0);
	for (size_t i = 0; i < ARENA; i++)
		count += told[i];
	assert_int_equal(count, sizeof("/etc/passwd"));
	assert_int_equal(told[16 + 11], 1);

	memset(told, 0, ARENA);
	memcpy(arena, iov, sizeof(iov));
	call = (struct call_instance){ .number = SYS_writev, .args = { 1, P(0), 2 } };
	assert_int_equal(call_inputs(&call, read_self, tell, NULL), 0);
	count = 0;
	for (size_t i = 0; i < ARENA; i++)
		count += told[i];
	assert_int_equal(count, sizeof(iov) + 8);
	assert_true(told[1026] && !told[1027] && told[2052] && !told[2053]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),	  cmocka_unit_test(sizes),
		cmocka_unit_test(well_formed),	  cmocka_unit_test(writes_files),
		cmocka_unit_test(writes_network), cmocka_unit_test(writes_rest),
		cmocka_unit_test(reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
