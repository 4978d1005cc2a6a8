/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system-call log of a capture (N.sys, chop/syslog.h), one record after the other, with what
 * is known of the program's memory at each. Apart from source_log.c because chop/syslog.h and
 * chop/event.h both have events.
 */
#ifndef EVENT_CALL_LOG_H
#define EVENT_CALL_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct call_log;

enum call_log_kind {
	CALL_LOG_CALL,
	CALL_LOG_LAST,	 /* a call the region ends in: it never returned */
	CALL_LOG_SIGNAL, /* a handler is entered */
	CALL_LOG_RETURN, /* from a handler: args[0] is the stack pointer, result what it gives */
	CALL_LOG_OTHER,	 /* nothing a program asks the kernel for (cpuid, rdtsc) */
};

struct call_log_record {
	enum call_log_kind kind;
	pid_t tid, pid;
	int number; /* of the call or signal */
	uint64_t args[6];
	int64_t result;
	uint64_t info; /* SIGNAL: address of its siginfo */
};

/*
 * Open the log at `path`, DIR/N.sys, compressed or not. In a trace directory everything is
 * checked, and the capture's pages help to tell what calls were given. 0 or -errno with a
 * message recorded; call_log_close is due only after 0.
 */
int call_log_open(const char *path, struct call_log **log);
/* The next record; false at the end. */
bool call_log_next(struct call_log *log, struct call_log_record *record);
/*
 * Memory at the record that was read last: what the kernel wrote; and what the call read, if
 * the contents known of it are those the program had (the log keeps their hash). Bytes from the
 * front of the range. For struct decode_memory.
 */
size_t call_log_read(void *log, uint64_t address, void *data, size_t size);
void call_log_close(struct call_log *log);

#endif
