// flags: -O1
// SPDX-License-Identifier: Apache-2.0
/*
 * `step_ips FILE COMMAND...`: run a command one instruction at a time by ptrace and write the
 * address of each, 8 bytes, to FILE. A repeated string instruction stops at each of its
 * iterations; it is written once.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* Whether the instruction at rip has a repeat prefix. */
static int is_repeated(pid_t pid, uint64_t ip) {
	long word = ptrace(PTRACE_PEEKTEXT, pid, (void *)ip, NULL);

	return (word & 0xff) == 0xf3 || (word & 0xff) == 0xf2;
}

int main(int argc, char **argv) {
	FILE *out = argc > 2 ? fopen(argv[1], "w") : NULL;
	uint64_t last = 0;
	int status;
	pid_t pid;

	if (!out)
		return 2;
	pid = fork();
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execv(argv[2], argv + 2);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		struct user_regs_struct regs;

		if (ptrace(PTRACE_GETREGS, pid, NULL, &regs))
			break;
		if (regs.rip != last || !is_repeated(pid, last))
			fwrite(&regs.rip, 8, 1, out);
		last = regs.rip;
		ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
	}
	fclose(out);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
