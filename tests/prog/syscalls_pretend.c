// SPDX-License-Identifier: Apache-2.0
/*
 * System calls that are made but not carried out: seccomp answers them with 0 or EPERM. Reads
 * them from a file (tests/cmd/syscalls_corpus.py), so that what tracers make of them can be
 * compared for every call and every structure, also for those nobody should carry out.
 */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMORY	    ((void *)0x10000000)
#define MEMORY_SIZE (1 << 18)

struct record {
	uint32_t number, fails;
	uint64_t args[6];
	uint32_t size, pad; /* bytes of memory that follow */
};

/* Two ways into the kernel; the filter tells them apart by where the call comes from. */
long pretend_success(const uint64_t *number_and_args);
long pretend_failure(const uint64_t *number_and_args);
extern const char after_success[], after_failure[];

#define ENTRY(name, after)                       \
	__asm__(".text\n"                        \
		".globl " name "\n" name ":\n"   \
		"	push %rbx\n"                   \
		"	mov %rdi, %rbx\n"              \
		"	mov (%rbx), %rax\n"            \
		"	mov 8(%rbx), %rdi\n"           \
		"	mov 16(%rbx), %rsi\n"          \
		"	mov 24(%rbx), %rdx\n"          \
		"	mov 32(%rbx), %r10\n"          \
		"	mov 40(%rbx), %r8\n"           \
		"	mov 48(%rbx), %r9\n"           \
		"	syscall\n"                     \
		".globl " after "\n" after ":\n" \
		"	pop %rbx\n"                    \
		"	ret\n")
ENTRY("pretend_success", "after_success");
ENTRY("pretend_failure", "after_failure");

static int install_filter(void)
{
	uint32_t success = (uint32_t)(uintptr_t)after_success;
	uint32_t failure = (uint32_t)(uintptr_t)after_failure;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, instruction_pointer)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, success, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, failure, 2, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int main(int argc, char **argv)
{
	int fd = argc > 1 ? open(argv[1], O_RDONLY) : -1;
	struct stat status;
	const char *calls;
	struct record record;

	if (fd < 0 || fstat(fd, &status))
		return 2;
	calls = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (mmap(MEMORY, MEMORY_SIZE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED ||
	    calls == MAP_FAILED || install_filter())
		return 3;
	/* From here on a reader of the trace counts. */
	if (write(1, "", 0))
		return 4;
	for (off_t at = 0; at < status.st_size; at += (off_t)sizeof(record) + record.size) {
		uint64_t call[7];

		memcpy(&record, calls + at, sizeof(record));
		memcpy(MEMORY, calls + at + sizeof(record), record.size);
		call[0] = record.number;
		memcpy(call + 1, record.args, sizeof(record.args));
		(record.fails ? pretend_failure : pretend_success)(call);
	}
	_exit(0);
}
