/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a program spends its time: samples of the instruction pointer, taken by the kernel
 * (perf_event_open(2)) while the program runs undisturbed, with the functions they are in.
 */
#ifndef PROFILE_PROFILE_H
#define PROFILE_PROFILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/vec.h"

struct profile_options {
	char *const *argv;  /* NULL-terminated command, followed with its children; or NULL: pid */
	pid_t pid;	    /* a running process, with its threads and new children */
	uint64_t frequency; /* samples a second of each CPU's time */
	uint64_t timeout;   /* ns after which sampling ends; 0: with the program */
	bool user_only;	    /* not the time in the kernel */
	bool silent;	    /* the command's standard output goes to /dev/null */
};

enum profile_kind {
	PROFILE_FUNCTION,
	PROFILE_MODULE,	 /* in a file, but in no function with a name */
	PROFILE_UNKNOWN, /* in no file: generated code (JIT) */
	PROFILE_KERNEL,
};

/* A function, or what is known instead. */
struct profile_entry {
	enum profile_kind kind;
	/*
	 * Decoded (C++), or the address of a function without a name, known by its frame
	 * information; NULL unless it is a function. Owned.
	 */
	char *name;
	char *symbol;	  /* as in the symbol table, or NULL; owned */
	const char *path; /* of the module; NULL for the kernel and unknown; the profile's */
	uint64_t address; /* in the file */
	uint64_t samples;
	uint64_t first; /* samples in the first process, the command itself */
};
struct profile_entry_vec VEC_BODY(struct profile_entry);

struct profile_module {
	const char *path; /* NULL: see kind */
	enum profile_kind kind;
	uint64_t samples;
};

struct profile {
	struct profile_entry_vec entries;				   /* most samples first */
	struct profile_module_vec VEC_BODY(struct profile_module) modules; /* likewise */
	struct strvec paths;						   /* owned */
	uint64_t samples, lost;
	unsigned int processes; /* that were seen in samples */
	const char *event;	/* what was counted: "cycles" or "cpu-clock" */
	bool no_kernel;		/* its time could not be sampled */
	int interrupted;	/* signal that ended it, or 0 */
	bool ended;		/* the command ended: exit_status as from waitpid */
	int exit_status;
};

/*
 * Sample until the program ends, time is up, or a signal comes; the program is not stopped
 * by us. A command is waited for. 0, or -errno with a message.
 */
int profile_run(const struct profile_options *options, struct profile *profile);
void profile_release(struct profile *profile);
/* "libz.so.1", "[kernel]", "[unknown]" */
const char *profile_module_name(enum profile_kind kind, const char *path);

/* -- used inside src/profile ------------------------------------------------------------------ */

/* What the kernel told, of all processors, in no order. */
enum sampled_kind { SAMPLED_IP, SAMPLED_MAP, SAMPLED_FORK, SAMPLED_EXEC };
struct sampled {
	uint64_t time;
	enum sampled_kind kind;
	bool kernel;
	pid_t pid, parent;
	uint64_t address, size, offset; /* SAMPLED_IP: address; of a map all three */
	size_t path;			/* of a map: index in paths */
};
struct sampled_vec VEC_BODY(struct sampled);

/* Order what was sampled, and count it by function; profile->paths are the paths. */
void profile_count(struct profile *profile, struct sampled_vec *sampled, pid_t first);

#endif
