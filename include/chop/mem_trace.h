/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading memory traces written by `chop mem`, from C; link with libchop.a and
 * libzstd.
 *
 *	struct chop_mem_reader *reader;
 *	struct chop_mem_record records[1024];
 *	long count;
 *
 *	if (chop_mem_open("x.mem", 0, &reader))
 *		errx(1, "%s", chop_mem_error(reader));
 *	while ((count = chop_mem_read(reader, records, 1024)) > 0)
 *		use(records, count);
 *	if (count < 0)
 *		errx(1, "%s", chop_mem_error(reader));
 *	chop_mem_close(reader);
 *
 * Records come in the order of execution: each instruction's fetch, then its accesses,
 * reads before writes. The file format is described in docs/design/memtrace.md.
 */
#ifndef CHOP_MEM_TRACE_H
#define CHOP_MEM_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum chop_mem_kind {
	CHOP_MEM_READ,
	CHOP_MEM_WRITE,
	CHOP_MEM_FETCH,	   /* an instruction: address and ip are its own, size its length */
	CHOP_MEM_PREFETCH, /* a line that a prefetch names; no data moves */
	CHOP_MEM_FLUSH,	   /* a line that clflush and the like name */
	CHOP_MEM_KINDS
};

struct chop_mem_record {
	uint64_t ip;	  /* of the instruction */
	uint64_t address; /* first byte */
	uint32_t size;	  /* bytes */
	uint16_t thread;  /* the chunk's thread, from 0 */
	uint8_t kind;	  /* enum chop_mem_kind */
	uint8_t reserved; /* 0 */
};

/* How recording ended. */
enum chop_mem_outcome {
	CHOP_MEM_COMPLETE,    /* at the region's end */
	CHOP_MEM_LIMITED,     /* at the number of references asked for */
	CHOP_MEM_INTERRUPTED, /* by a signal to the recorder */
	CHOP_MEM_NO_SPACE,    /* the file could not be written further */
	CHOP_MEM_REFUSED,     /* at an instruction or system call it cannot follow */
	CHOP_MEM_DIVERGED,    /* the code did not do what the recording says */
	CHOP_MEM_CRASHED,     /* the code, or the recorder, caused a fault */
	CHOP_MEM_CUT_OFF,     /* the file has no end */
};

enum chop_mem_verified {
	CHOP_MEM_NOT_VERIFIED,
	CHOP_MEM_EQUAL,	 /* registers and memory ended as in the capture */
	CHOP_MEM_DIFFERS /* they did not */
};

struct chop_mem_info {
	uint64_t instructions, references; /* in the file; references: reads and writes */
	uint64_t region_instructions, region_references; /* those not sampled included */
	uint64_t sample_on, sample_period;		 /* references; 0 when all were recorded */
	uint64_t chunks;
	enum chop_mem_outcome outcome;
	enum chop_mem_verified verified;
	const char *text;	 /* a sentence about the outcome, or "" */
	const char *description; /* JSON: program, region, mappings */
	bool fetches;		 /* whether instruction fetches are returned by default */
};

enum chop_mem_open_flag {
	CHOP_MEM_PARTIAL = 1 << 0, /* also read files that were cut off */
};

struct chop_mem_reader;

/*
 * Open a trace. 0 or -errno; in both cases *reader can be asked for the error and must be
 * closed (NULL when there is no memory, which every function accepts).
 */
int chop_mem_open(const char *path, unsigned int flags, struct chop_mem_reader **reader);
/* The same for `size` bytes in memory, which must stay; `name` is for messages. */
int chop_mem_open_memory(const void *data, size_t size, const char *name, unsigned int flags,
			 struct chop_mem_reader **reader);
void chop_mem_close(struct chop_mem_reader *reader);
/* What is wrong, one line. Never NULL. */
const char *chop_mem_error(const struct chop_mem_reader *reader);

/* Valid while the reader is open. */
const struct chop_mem_info *chop_mem_info(const struct chop_mem_reader *reader);

/* Which kinds to return: bit 1 << kind each. Before the first read or after a seek. */
void chop_mem_select(struct chop_mem_reader *reader, unsigned int kinds);

/* The next records, at most `count`: how many, 0 at the end, -EINVAL when damaged. */
long chop_mem_read(struct chop_mem_reader *reader, struct chop_mem_record *records, long count);

/*
 * Go on reading at the first record of the instruction that is number `instruction`, or
 * that makes reference number `reference`, counted in the region from 0; of a sampled
 * trace at the first one recorded from there on. 0 or -EINVAL.
 */
int chop_mem_seek_instruction(struct chop_mem_reader *reader, uint64_t instruction);
int chop_mem_seek_reference(struct chop_mem_reader *reader, uint64_t reference);

/* The code of the instruction at ip: its length (bytes copied to code), 0 when unknown. */
unsigned int chop_mem_code(struct chop_mem_reader *reader, uint64_t ip, uint8_t code[15]);

#endif
