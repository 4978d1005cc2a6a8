/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every invocation of functions, or of a region, of a program: when, how long, from where.
 * The program notes entries and exits itself (tracee/trampoline_clock.h) where it can be
 * made to; elsewhere, and for counters, it stops at them.
 */
#ifndef INVOK_INVOK_H
#define INVOK_INVOK_H

#include "invok/stats.h"

/* A function, or the region, that was watched. */
struct invok_function {
	char *name;	    /* owned */
	char *module;	    /* file name of the program or library; owned */
	uint64_t address;   /* run-time, of its entry; the first, where it has several */
	bool region;	    /* not a function: nobody calls it */
	const char *reason; /* why the program stops at it; NULL: it does not */
	struct stats stats;
};
struct invok_function_vec VEC_BODY(struct invok_function);

struct invok_options {
	char *const *argv;	    /* NULL-terminated command; NULL: pid */
	pid_t pid;		    /* a running program */
	const char *module;	    /* where the functions or addresses are, or NULL */
	struct strvec functions;    /* as elf/resolve.h understands them; borrowed */
	struct u64vec begins, ends; /* instead: static or run-time addresses; borrowed */
	bool all;		    /* instead: every function of the module (the program) */
	bool lazy;		    /* leave LD_BIND_NOW alone */
	bool breakpoints;	    /* stop at all entries and exits */
	bool counters;		    /* read counters there, which takes that */
	bool allocations;	    /* count calls of malloc and its like inside */
	int cpu;		    /* the program runs on this one; -1: wherever */
	bool terminate;		    /* send it SIGTERM when it is let go before its end */
	uint64_t timeout;	    /* ns after which it is let go; 0: none */
	/* Called for each invocation, maybe by another thread. False: let the program go. */
	bool (*call)(void *context, const struct invok_call *call);
	/* The program was let go, and is not waited for yet; may be NULL. */
	void (*released)(void *context);
	void *context;
};

/* What is counted at entries and exits, in this order (struct invok_call.counters). */
enum invok_counter {
	INVOK_CYCLES,
	INVOK_INSTRUCTIONS,
	INVOK_READS, /* of the data cache of the first level, and writes; then its misses */
	INVOK_WRITES,
	INVOK_READ_MISSES,
	INVOK_WRITE_MISSES,
	INVOK_FAULTS,
	INVOK_SWITCHES,
	INVOK_COUNTERS,
};
extern const char *const invok_counter_names[INVOK_COUNTERS];

struct invok_result {
	struct invok_function_vec functions; /* by their id; those of marks have no name */
	struct invok_call whole;
	unsigned int levels;
	double ns;		  /* nanoseconds of a tick */
	uint64_t zero;		  /* ticks at the program's start */
	uint64_t wall;		  /* ns from start to end of watching */
	uint64_t counted;	  /* bits: enum invok_counter that were read */
	uint64_t lost, unmatched; /* events never finished; exits without an entry */
	uint64_t crowded;	  /* threads that could not be watched */
	uint64_t children;	  /* forked, and not watched */
	size_t stopping;	  /* functions at which the program stops */
	struct stub_cost cost;	  /* subtracted, ticks */
	int interrupted;	  /* signal that ended it, or 0 */
	bool timed_out;
	bool ended; /* the program ended: exit_status as from waitpid */
	int exit_status;
	struct caller_vec VEC_BODY(char *) names; /* of callers, by their order in `named` */
	struct map named;			  /* return address -> index in names */
};

/*
 * Watch a program to its end, or until something ends that: then it goes on alone, and is
 * waited for unless a signal it did not get ended the watching. 0, or -errno with a message.
 */
int invok_run(const struct invok_options *options, struct invok_result *result);
/* Without functions and regions: the command as a whole, one invocation. */
int invok_whole(const struct invok_options *options, struct invok_result *result);
/* Is it one of the functions that `allocations` counts, and which therefore are not measured? */
bool invok_is_allocator(const char *name);
void invok_result_release(struct invok_result *result);
/* "main+0x1f" for a return address; valid as long as the result. */
const char *invok_caller(const struct invok_result *result, uint64_t address);

#endif
