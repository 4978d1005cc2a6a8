// SPDX-License-Identifier: Apache-2.0
#include "tracee/probe.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/probe.h"
#include "base/err.h"
#include "tracee/probe_try.h"

void probe_yes(struct probe_result *result, const char *fmt, ...)
{
	va_list args;

	result->answer = PROBE_YES;
	result->error = 0;
	va_start(args, fmt);
	if (fmt)
		vsnprintf(result->detail, sizeof(result->detail), fmt, args);
	va_end(args);
}

void probe_limited(struct probe_result *result, int error, const char *fmt, ...)
{
	va_list args;

	result->answer = PROBE_LIMITED;
	result->error = error;
	va_start(args, fmt);
	if (fmt)
		vsnprintf(result->detail, sizeof(result->detail), fmt, args);
	va_end(args);
}

void probe_no(struct probe_result *result, int error, const char *fmt, ...)
{
	va_list args;

	result->answer = PROBE_NO;
	result->error = error;
	va_start(args, fmt);
	if (fmt)
		vsnprintf(result->detail, sizeof(result->detail), fmt, args);
	else if (error)
		snprintf(result->detail, sizeof(result->detail), "%s", strerror(error));
	va_end(args);
}

int probe_in_child(int (*work)(void *argument), void *argument)
{
	int status;
	pid_t child = fork();

	if (child < 0)
		return -errno - 256;
	if (!child) {
		/* What the attempt breaks must not run our handlers, nor hang for ever. */
		for (int signal_number = 1; signal_number < 32; signal_number++)
			signal(signal_number, SIG_DFL);
		alarm(5);
		_exit(work(argument) & 127);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* -- facilities of the processor ------------------------------------------------------ */

static int call(void *attempt)
{
	return (*(int (**)(void))attempt)();
}

static int processor(int (*attempt)(void))
{
	return probe_in_child(call, &attempt);
}

static void probe_fs_base(struct probe_result *result)
{
	if (!processor(arch_try_fs_base))
		probe_yes(result, NULL);
	else
		probe_limited(result, ENOTSUP, "by a system call instead");
}

static void probe_cpuid_fault(struct probe_result *result)
{
	int status = processor(arch_try_cpuid_fault);

	if (status == -SIGSEGV)
		probe_yes(result, NULL);
	else
		probe_no(result, status > 0 ? status : ENOTSUP, NULL);
}

static void probe_simple(struct probe_result *result, int (*attempt)(void))
{
	int status = processor(attempt);

	if (!status)
		probe_yes(result, NULL);
	else if (status < 0)
		probe_no(result, ENOTSUP, "%s", strsignal(-status));
	else if (status == ENOTSUP)
		probe_no(result, status, "not in this processor");
	else
		probe_no(result, status, NULL);
}

static void probe_avx512(struct probe_result *result)
{
	probe_simple(result, arch_try_wide_vectors);
}

static void probe_amx(struct probe_result *result)
{
	probe_simple(result, arch_try_matrix);
}

/* -- the table ------------------------------------------------------------------------ */

#define KERNEL_6_7 "needs Linux 6.7 or newer with CONFIG_USERFAULTFD"
#define CONTAINER  "in a container, allow the call in its seccomp profile"
#define UFFD_DENIED \
	"run as root, or sysctl -w vm.unprivileged_userfaultfd=1, or open /dev/userfaultfd to all"
#define PERF_DENIED "run as root, or sysctl -w kernel.perf_event_paranoid=1"
#define ROOT	    "run as root"

static const struct {
	struct probe_info info;
	void (*attempt)(struct probe_result *result);
} probes[PROBE_COUNT] = {
	[PROBE_PTRACE] = { { "ptrace", "ptrace", "starting and stopping programs", NULL,
			     "in a container, run it with --cap-add=SYS_PTRACE", true },
			   probe_ptrace },
	[PROBE_MEMORY] = { { "memory", "way to write a program's code",
			     "breakpoints in a program's code",
			     "boot with proc_mem.force_override=ptrace", NULL, true },
			   probe_memory },
	[PROBE_PERSONALITY] = { { "personality", "way to switch off address randomisation",
				  "address randomisation off: addresses that come again", CONTAINER,
				  NULL, true },
				probe_personality },
	[PROBE_UFFD] = { { "userfaultfd", "userfaultfd", "trace: the pages a region touches",
			   KERNEL_6_7, UFFD_DENIED, true },
			 probe_uffd },
	[PROBE_UFFD_ASYNC] = { { "userfaultfd-async", "userfaultfd WP_ASYNC",
				 "trace: which pages of mapped files a region touches", KERNEL_6_7,
				 UFFD_DENIED, true },
			       probe_uffd_async },
	[PROBE_PAGEMAP] = { { "pagemap-scan", "PAGEMAP_SCAN", "trace: which pages were written",
			      KERNEL_6_7, UFFD_DENIED, true },
			    probe_pagemap },
	[PROBE_FS_BASE] = { { "fsgsbase", "wrfsbase",
			      "snippets: the thread pointer without a system call", NULL, NULL,
			      true },
			    probe_fs_base },
	[PROBE_ATTACH] = { { "attach", "way to attach", "-p PID: programs that run already", NULL,
			     "run as root, or sysctl -w kernel.yama.ptrace_scope=0", false },
			   probe_attach },
	[PROBE_UFFD_DEVICE] = { { "userfaultfd-device", "/dev/userfaultfd",
				  "trace: userfaultfd without being root",
				  "needs Linux 6.1 or newer",
				  "give yourself the device: chmod or setfacl as root", false },
				probe_uffd_device },
	[PROBE_UFFD_UNPOPULATED] = { { "userfaultfd-unpopulated", "userfaultfd WP_UNPOPULATED",
				       "trace: pages that were never written",
				       "needs Linux 6.4 or newer", UFFD_DENIED, false },
				     probe_uffd_unpopulated },
	[PROBE_UFFD_MOVE] = { { "userfaultfd-move", "userfaultfd MOVE",
				"moving pages without copying them",
				"needs Linux 6.8 or newer; chop pages copies them instead",
				UFFD_DENIED, false },
			      probe_uffd_move },
	[PROBE_SECCOMP] = { { "seccomp", "seccomp traps", "snippets that make system calls",
			      "needs a kernel with CONFIG_SECCOMP_FILTER", CONTAINER, false },
			    probe_seccomp },
	[PROBE_USER_DISPATCH] = { { "user-dispatch", "Syscall User Dispatch",
				    "system calls in translated code", "needs Linux 5.11 or newer",
				    CONTAINER, false },
				  probe_user_dispatch },
	[PROBE_GUARD] = { { "guard-pages", "MADV_GUARD_INSTALL",
			    "guard pages without more mappings",
			    "needs Linux 6.13 or newer; mprotect serves instead", NULL, false },
			  probe_guard },
	[PROBE_CPUID_FAULT] = { { "cpuid-fault", "cpuid faulting",
				  "hiding processor features from a program",
				  "needs the processor's help; virtual machines rarely pass it on",
				  NULL, false },
				probe_cpuid_fault },
	[PROBE_AVX512] = { { "avx512", "AVX-512", "snippets of programs that use AVX-512", NULL,
			     NULL, false },
			   probe_avx512 },
	[PROBE_AMX] = { { "amx", "AMX", "snippets of programs that use AMX", NULL, NULL, false },
			probe_amx },
	[PROBE_HW_COUNTERS] = { { "hardware-counters", "hardware counters",
				  "cycles, instructions, cache misses",
				  "needs a processor or virtual machine with counters (a vPMU)",
				  PERF_DENIED, false },
				probe_hw_counters },
	[PROBE_SW_CLOCK] = { { "software-clock", "software clock events", "time per invocation",
			       "needs a kernel with CONFIG_PERF_EVENTS", PERF_DENIED, false },
			     probe_sw_clock },
	[PROBE_UPROBE] = { { "uprobe", "uprobes", "events at functions and USDT points",
			     "needs a kernel with CONFIG_UPROBE_EVENTS", ROOT, false },
			   probe_uprobe },
	[PROBE_KPROBE] = { { "kprobe", "kprobes", "events in the kernel",
			     "needs a kernel with CONFIG_KPROBE_EVENTS", ROOT, false },
			   probe_kprobe },
	[PROBE_TRACEFS] = { { "tracefs", "tracefs", "tracepoints and their fields",
			      "mount -t tracefs tracefs /sys/kernel/tracing", ROOT, false },
			    probe_tracefs },
	[PROBE_BPF] = { { "bpf", "BPF ring buffer and raw tracepoints",
			  "events and page traces at low cost",
			  "needs Linux 5.8 or newer with CONFIG_BPF_SYSCALL and CONFIG_BPF_EVENTS",
			  ROOT, false },
			probe_bpf },
	[PROBE_BTF] = { { "btf", "kernel types (BTF)", "BPF programs on any kernel",
			  "needs a kernel with CONFIG_DEBUG_INFO_BTF", NULL, false },
			probe_btf },
	[PROBE_PAGE_TABLES] = { { "page-tables", "page tables read by BPF",
				  "trace --backend clone: touched pages at nearly full speed", NULL,
				  ROOT, false },
				probe_page_tables },
};

static struct probe_result results[PROBE_COUNT];
static bool probed[PROBE_COUNT];

const struct probe_info *probe_info(enum probe_id id)
{
	return &probes[id].info;
}

const struct probe_result *probe(enum probe_id id)
{
	if (!probed[id])
		probes[id].attempt(&results[id]);
	probed[id] = true;
	return &results[id];
}

const char *probe_remedy(enum probe_id id)
{
	const struct probe_result *result = probe(id);
	const struct probe_info *info = &probes[id].info;

	if (result->answer == PROBE_YES)
		return NULL;
	if ((result->error == EPERM || result->error == EACCES) && info->denied)
		return info->denied;
	return info->remedy;
}
