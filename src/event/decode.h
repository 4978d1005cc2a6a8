/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls as text: the names, arguments and results strace would print (format of its
 * version 6.1). What is printed comes from the tables of arch/calls.h; structures and calls
 * that are not regular have code of their own in decode_FAMILY.c.
 */
#ifndef EVENT_DECODE_H
#define EVENT_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/calls.h"
#include "base/buf.h"

struct decode_options {
	size_t string_limit; /* bytes of text shown, and elements of a vector (strace: 32) */
	bool verbose;	     /* whole structures */
	bool paths;	     /* 3</etc/passwd> */
	bool hex_strings;    /* \x61\x62 for every string */
	bool hex_binary;     /* the same for strings with bytes that are not ASCII text */
};

/* The memory and descriptors of the calling thread at the moment of the event. */
struct decode_memory {
	/* Bytes readable from the front of the range, at most size; 0 when there are none. */
	size_t (*read)(void *context, uint64_t address, void *data, size_t size);
	/* What a descriptor (or AT_FDCWD) stands for; false when not known. */
	bool (*path)(void *context, int fd, struct buf *path);
	void *context;
};

#define DECODE_ARGS_MAX 8

/* One argument in the text of a call, for formats that keep them apart. */
struct decode_arg {
	const char *name;
	uint32_t start, end; /* in struct decode_call.text */
};

/* A call being shown: between its entry and its exit one of these belongs to a thread. */
struct decode_call {
	struct call_instance call;
	const struct call *entry; /* NULL: a number the table does not know */
	struct call_shape shape;
	struct buf text;     /* "openat(AT_FDCWD, ...": with ")" after decode_exit */
	size_t enter_length; /* of the text when the call was entered */
	struct buf note;     /* said of the result in parentheses; often empty */
	struct decode_arg args[DECODE_ARGS_MAX];
	uint8_t arg_count;
	uint8_t next;		      /* argument to be shown next */
	bool separator;		      /* a ", " is due before the next argument */
	bool whole;		      /* the exit has nothing to add */
	bool result_replaced;	      /* the note holds all there is to say instead of a number */
	uint64_t saved;		      /* what an irregular call keeps from entry to exit */
	const struct call *restarted; /* restart_syscall: the call that was interrupted, if known */
};
void decode_call_release(struct decode_call *decode);

/* Show the name and what is known before the call runs. call->call must be filled in. */
void decode_enter(struct decode_call *decode, const struct decode_options *options,
		  const struct decode_memory *memory);
/* Show the rest, up to and with ")". call->call.result must be filled in. */
void decode_exit(struct decode_call *decode, const struct decode_options *options,
		 const struct decode_memory *memory);
/* Append the result: "3", "-1 ENOENT (No such file or directory)", "? ERESTARTSYS (...)". */
void decode_result(const struct decode_call *decode, const struct decode_options *options,
		   const struct decode_memory *memory, struct buf *out);

/* Did the call fail? */
static inline bool decode_failed(int64_t result)
{
	return result < 0 && result >= -4095;
}

/* Name of an errno of the kernel's, restart codes included, or NULL; *text may be NULL. */
const char *decode_errno(unsigned int error, const char **text);

/* "SIGINT"; unknown numbers as such. Appends. */
void decode_signal_name(struct buf *out, int sig);
/* "{si_signo=SIGUSR1, si_code=SI_USER, ...}" from a siginfo_t of `size` bytes. Appends. */
void decode_siginfo(struct buf *out, const void *info, size_t size,
		    const struct decode_options *options);

#endif
