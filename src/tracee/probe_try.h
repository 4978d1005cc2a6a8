/* SPDX-License-Identifier: Apache-2.0 */
/* The attempts behind probe.h, one function a facility. Private to src/tracee. */
#ifndef TRACEE_PROBE_TRY_H
#define TRACEE_PROBE_TRY_H

#include "tracee/probe.h"

/* Set the answer; `fmt` is the detail, may be NULL. */
void probe_yes(struct probe_result *result, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void probe_limited(struct probe_result *result, int error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void probe_no(struct probe_result *result, int error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Run work(argument) in a child process that can be broken by it; it has five seconds.
 * Returns what work returned (0 to 125), or -signal when it died of one, or -errno-256
 * when there could be no child.
 */
int probe_in_child(int (*work)(void *argument), void *argument);

/* probe_process.c */
void probe_ptrace(struct probe_result *result);
void probe_attach(struct probe_result *result);
void probe_memory(struct probe_result *result);
void probe_personality(struct probe_result *result);
void probe_seccomp(struct probe_result *result);
void probe_user_dispatch(struct probe_result *result);

/* probe_memory.c */
void probe_uffd(struct probe_result *result);
void probe_uffd_device(struct probe_result *result);
void probe_uffd_async(struct probe_result *result);
void probe_uffd_unpopulated(struct probe_result *result);
void probe_uffd_move(struct probe_result *result);
void probe_pagemap(struct probe_result *result);
void probe_guard(struct probe_result *result);

/* probe_event.c */
void probe_hw_counters(struct probe_result *result);
void probe_sw_clock(struct probe_result *result);
void probe_uprobe(struct probe_result *result);
void probe_kprobe(struct probe_result *result);
void probe_tracefs(struct probe_result *result);
void probe_bpf(struct probe_result *result);
void probe_btf(struct probe_result *result);
void probe_page_tables(struct probe_result *result);

#endif
