/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this machine allows, found out by doing it: each facility is tried once, when it is
 * first asked for, and the answer kept. `chop check` prints all of it; whoever needs a
 * facility asks here and quotes the remedy when it is missing.
 */
#ifndef TRACEE_PROBE_H
#define TRACEE_PROBE_H

#include <stdbool.h>
#include <stdint.h>

enum probe_id {
	/* needed by trace, snippet and verify */
	PROBE_PTRACE,	   /* start a program and stop it */
	PROBE_MEMORY,	   /* write a read-only page of it (breakpoints) */
	PROBE_PERSONALITY, /* ADDR_NO_RANDOMIZE */
	PROBE_UFFD,	   /* missing faults, the kernel's own included */
	PROBE_UFFD_ASYNC,  /* asynchronous write protection */
	PROBE_PAGEMAP,	   /* PAGEMAP_SCAN */
	PROBE_FS_BASE,	   /* a snippet sets its thread pointer */
	/* used when there */
	PROBE_ATTACH,	   /* a process that was not started by us */
	PROBE_UFFD_DEVICE, /* /dev/userfaultfd */
	PROBE_UFFD_UNPOPULATED,
	PROBE_UFFD_MOVE,
	PROBE_SECCOMP,	     /* SECCOMP_RET_TRAP */
	PROBE_USER_DISPATCH, /* Syscall User Dispatch */
	PROBE_GUARD,	     /* MADV_GUARD_INSTALL */
	PROBE_CPUID_FAULT,
	PROBE_AVX512,
	PROBE_AMX,
	PROBE_HW_COUNTERS, /* perf_event_open, PERF_TYPE_HARDWARE */
	PROBE_SW_CLOCK,
	PROBE_UPROBE,
	PROBE_KPROBE,
	PROBE_TRACEFS,
	PROBE_BPF,	   /* a raw tracepoint program and a ring buffer */
	PROBE_BTF,	   /* the kernel's types, for BPF programs that read its structures */
	PROBE_PAGE_TABLES, /* a process's page tables, read by BPF */
	PROBE_COUNT
};

enum probe_answer { PROBE_NO, PROBE_LIMITED, PROBE_YES };

struct probe_result {
	enum probe_answer answer;
	int error;	  /* errno of the attempt, 0 when there is none to tell */
	char detail[160]; /* what was seen: a sentence part, or "" */
};

/* What does not depend on the machine. Strings are static. */
struct probe_info {
	const char *name;  /* stable, for scripts: "uffd-async" */
	const char *title; /* for people */
	const char *used_for;
	const char *remedy; /* when the kernel or processor does not have it; NULL: none */
	const char *denied; /* when it is there but not for us (EPERM, EACCES); NULL: as above */
	bool core;	    /* trace, snippet and verify cannot do without */
};

const struct probe_info *probe_info(enum probe_id id);
/* The answer, probing now when this is the first time. Never fails. Not thread-safe. */
const struct probe_result *probe(enum probe_id id);
/* What to do about an answer that is not PROBE_YES, or NULL when nothing helps. */
const char *probe_remedy(enum probe_id id);

#endif
