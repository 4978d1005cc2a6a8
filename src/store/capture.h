/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A capture in memory: what src/capture fills, src/store writes and reads, and
 * src/snippet, memtrace and fmt work from. Addresses are run-time addresses of the
 * captured program unless a comment says otherwise.
 */
#ifndef STORE_CAPTURE_H
#define STORE_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <chop/arch.h>

#include "base/vec.h"
#include "store/syslog.h"

/* One thread at one moment. */
struct thread_state {
	struct chop_regs regs;
	uint8_t *xstate;			  /* NT_X86_XSTATE as ptrace gives it; owned */
	size_t xstate_size;			  /* bytes */
	uint64_t sigmask;			  /* blocked signals, bit n-1 for signal n */
	uint64_t altstack_address, altstack_size; /* sigaltstack; size 0 when none */
	uint32_t altstack_flags;
};

enum page_flag {
	PAGE_READ = 1 << 0, /* protection of the mapping at entry */
	PAGE_WRITE = 1 << 1,
	PAGE_EXECUTE = 1 << 2,
	PAGE_SHARED = 1 << 3,  /* the mapping was MAP_SHARED */
	PAGE_SUPPORT = 1 << 4, /* not touched: kept so that debuggers find modules */
	PAGE_GONE = 1 << 6,    /* unmapped or replaced by the region: nothing at the end */
	PAGE_ALWAYS = 1 << 5,  /* the back end includes it whether touched or not */
};

struct capture_page {
	uint64_t address;      /* page-aligned */
	uint32_t flags;	       /* enum page_flag */
	uint32_t order;	       /* first-touch order from 1; 0 when not known */
	const uint8_t *before; /* CHOP_PAGE_SIZE bytes: content at entry */
	const uint8_t *after;  /* content at the end, NULL when equal to `before` */
};

/* A line of /proc/PID/maps at entry. */
struct capture_mapping {
	uint64_t start, end, offset, inode;
	uint32_t device_major, device_minor;
	uint32_t flags; /* PAGE_READ, PAGE_WRITE, PAGE_EXECUTE, PAGE_SHARED */
	char *path;	/* file, "[heap]" and the like, or ""; owned */
};

/* How a capture ends. */
enum end_kind {
	END_AT_ADDRESS, /* before the instruction at one of `ends` executes */
	END_AT_RETURN,	/* at ends[0], the return address, with sp above the entry's */
	/*
	 * At reached_end with the general registers of the end: it was passed an unknown number
	 * of times before (a moment in time, the Nth time an address is reached).
	 */
	END_AT_STATE,
};

struct capture {
	unsigned int id;     /* N of N.core, from 0 */
	uint64_t invocation; /* of the region, from 0 */
	pid_t pid, tid;
	char *program;	/* path of the executable; owned */
	char *function; /* symbol, or NULL; owned */
	char *module;	/* path of the module the addresses belong to; owned */
	char *backend;	/* "uffd", ...; owned */
	char *left_out; /* what was left out on purpose, or NULL; owned */
	enum end_kind end_kind;
	uint64_t begin;	      /* where it began */
	struct u64vec ends;   /* all end addresses */
	uint64_t reached_end; /* the one it stopped at */
	struct thread_state entry, end;
	uint64_t rseq_address; /* area the kernel writes at any time; 0 when none */
	uint32_t rseq_size;
	uint64_t duration_ns;	      /* wall time of the region under the back end */
	uint32_t cpu[CHOP_CPU_WORDS]; /* of the machine that captured; 0 when not known */
	struct capture_page_vec VEC_BODY(struct capture_page) pages;	  /* sorted by address */
	struct capture_mapping_vec VEC_BODY(struct capture_mapping) maps; /* sorted */
	/* Pairs of pages that are the same memory, where `maps` do not tell (of a snippet). */
	struct u64vec aliases;
	struct syslog calls; /* what its system calls and signals did, in order */
	uint8_t *auxv;	     /* as /proc/PID/auxv; owned */
	size_t auxv_size;
	struct warning_vec VEC_BODY(char *) warnings; /* sentences; owned */
	/* Memory the page pointers point into: freed with the capture. */
	struct arena_vec VEC_BODY(struct {
		void *memory;
		size_t size;
	}) arenas;
};

/* Empty, captured on this machine. */
void capture_init(struct capture *capture);
void capture_release(struct capture *capture);
#define cleanup_capture __attribute__((cleanup(capture_release)))

/*
 * Memory for page contents that lives as long as the capture; size in bytes.
 * NULL when there is none. The memory is zeroed.
 */
uint8_t *capture_arena(struct capture *capture, size_t size);
/* A page's content, copied there; NULL when there is no memory. */
uint8_t *capture_keep(struct capture *capture, const uint8_t *content);

/* Sort pages by address. Every other function expects them sorted. */
void capture_sort(struct capture *capture);
/* The page that holds an address, or NULL. */
const struct capture_page *capture_find(const struct capture *capture, uint64_t address);
/* The mapping that holds an address, or NULL. */
const struct capture_mapping *capture_mapping_at(const struct capture *capture, uint64_t address);
/* Add a warning sentence, printf style. */
void capture_warn(struct capture *capture, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Note something as left out on purpose, printf style: no snippet can be made of it. */
void capture_leave_out(struct capture *capture, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* 0, or -EINVAL with a message when something was left out. */
int capture_check_whole(const struct capture *capture);
/* The region ended in its last system call (it exits, say), which was not made. */
bool capture_ends_in_call(const struct capture *capture);
/* Pages that count as touched: all but PAGE_SUPPORT ones. */
size_t capture_touched(const struct capture *capture);

#endif
