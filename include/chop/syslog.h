/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system-call log of a capture (N.sys): what every call and signal of a region did,
 * in order, so that a replay gives the same results without executing anything.
 *
 * A file is a struct chop_syslog_header followed by the payload, a sequence of records, each
 *
 *	struct chop_event
 *	struct chop_event_range inputs[event.inputs]	what the call read, hashed together
 *	{ struct chop_event_range, bytes, padding to 8 } x event.writes
 *							what the kernel wrote
 *	struct chop_event_signal			only for CHOP_EVENT_SIGNAL
 *	xstate bytes, padding to 8			xstate_size of it
 *
 * Little-endian, every record starts at a multiple of 8. The same payload is embedded
 * in snippets, whose runtime walks it; readers must not trust any field:
 * chop_event_next() below checks the bounds of one record.
 */
#ifndef CHOP_SYSLOG_H
#define CHOP_SYSLOG_H

#include <stddef.h>
#include <stdint.h>

#include <chop/assert.h>
#include <chop/arch.h>

#define CHOP_SYSLOG_MAGIC   "CHOPSYS" /* 8 bytes with the NUL */
#define CHOP_SYSLOG_VERSION 1

struct chop_syslog_header {
	char magic[8];
	uint32_t version;
	uint32_t reserved;     /* 0 */
	uint64_t events;       /* number of records */
	uint64_t payload_size; /* bytes that follow */
	uint64_t hash;	       /* XXH64, seed 0, of the payload */
};
CHOP_STATIC_ASSERT(sizeof(struct chop_syslog_header) == 40, "file format");

enum chop_event_kind {
	CHOP_EVENT_CALL = 1,   /* a system call */
	CHOP_EVENT_SIGNAL = 2, /* a signal delivered to a handler; number 0: the return from one */
	CHOP_EVENT_TSC = 3,    /* rdtsc, rdtscp: result is the counter, args[0] is TSC_AUX */
	CHOP_EVENT_CPUID = 4,  /* args 0-1: leaf, subleaf; args 2-5: eax ebx ecx edx */
	CHOP_EVENT_MEMORY = 5, /* at the end: what memory mapped by the region holds (inputs) */
};

enum chop_event_flag {
	/* Executed again at replay, at the recorded address (memory management). */
	CHOP_EVENT_EXECUTE = 1 << 0,
	/* The region ends in this call; it never returned. */
	CHOP_EVENT_LAST = 1 << 1,
	/* Output for people: a write to standard output or error (--show-output). */
	CHOP_EVENT_OUTPUT = 1 << 2,
	/* Written bytes were found by write tracking, not by the table. */
	CHOP_EVENT_TRACKED = 1 << 3,
	/* A signal delivered as the call of the record before returned. */
	CHOP_EVENT_NEXT = 1 << 4,
	/*
	 * No call of the region: other threads did it while the region waited in the call of
	 * the next record without this flag (or in the call its signal interrupted).
	 */
	CHOP_EVENT_OTHER = 1 << 5,
};

enum chop_event_memory { CHOP_MEMORY_ANONYMOUS = 1, CHOP_MEMORY_FILE = 2 };

struct chop_event {
	uint32_t size;	     /* of the whole record, a multiple of 8 */
	uint16_t kind;	     /* enum chop_event_kind */
	uint16_t flags;	     /* enum chop_event_flag */
	uint32_t thread;     /* id at capture; with OTHER: of one of those that did it */
	int32_t number;	     /* system call or signal number */
	uint64_t args[6];    /* as in the registers at the call */
	int64_t result;	     /* value returned: -4095..-1 is -errno */
	uint64_t ip;	     /* address of the instruction that made the call */
	uint64_t input_hash; /* chop_hash of the inputs, chained in order from seed 0 */
	uint32_t inputs;
	uint32_t writes;
	/*
	 * What a replay needs beyond arguments and result. brk: page-aligned end of the heap
	 * before and after; shmat: bytes attached; madvise and mremap of memory that was
	 * there at entry: enum chop_event_memory and its protection.
	 */
	uint64_t extra[2];
};
CHOP_STATIC_ASSERT(sizeof(struct chop_event) == 112, "file format");

struct chop_event_range {
	uint64_t address, size; /* bytes of the program's memory */
};

/*
 * Where the program was and goes on when a handler is entered or left. A signal without
 * CHOP_EVENT_NEXT was caused by the instruction at `ip`, or `ip` is a system-call
 * instruction: then the signal came before the call was made (again). A call's arguments
 * of the event are 0 but for the first: si_code.
 */
struct chop_event_signal {
	struct chop_regs at;  /* registers the signal interrupted */
	struct chop_regs to;  /* registers at the handler's first instruction, or after it */
	uint64_t xstate_size; /* bytes of extended state that follow: canonical, cut short */
};

/* A walk over the parts of one record. */
struct chop_event_parts {
	const struct chop_event_range *inputs;
	const uint8_t *writes; /* first write: range, then bytes */
	const struct chop_event_signal *signal;
	const uint8_t *xstate;
};

#define CHOP_EVENT_ALIGN(size) (((size) + 7) & ~(uint64_t)7)

/*
 * Check the record at `payload + *offset` and advance *offset past it. NULL at the end
 * (*offset == size) and on damage (*offset is left where it was).
 */
static inline const struct chop_event *chop_event_next(const uint8_t *payload, uint64_t size,
						       uint64_t *offset,
						       struct chop_event_parts *parts)
{
	const struct chop_event *event = (const struct chop_event *)(payload + *offset);
	uint64_t left = size - *offset, used = sizeof(*event);

	if (*offset > size || left < sizeof(*event) || event->size > left || event->size % 8 ||
	    event->size < sizeof(*event))
		return NULL;
	left = event->size;
	parts->inputs = (const struct chop_event_range *)((const uint8_t *)event + used);
	if (event->inputs > (left - used) / sizeof(struct chop_event_range))
		return NULL;
	used += event->inputs * sizeof(struct chop_event_range);
	parts->writes = (const uint8_t *)event + used;
	for (uint32_t i = 0; i < event->writes; i++) {
		const struct chop_event_range *range =
			(const struct chop_event_range *)((const uint8_t *)event + used);

		if (left - used < sizeof(*range) || range->size > left - used - sizeof(*range))
			return NULL;
		used += sizeof(*range) + CHOP_EVENT_ALIGN(range->size);
		if (used > left)
			return NULL;
	}
	parts->signal = NULL;
	parts->xstate = NULL;
	if (event->kind == CHOP_EVENT_SIGNAL) {
		parts->signal = (const struct chop_event_signal *)((const uint8_t *)event + used);
		if (left - used < sizeof(*parts->signal) ||
		    parts->signal->xstate_size > left - used - sizeof(*parts->signal))
			return NULL;
		used += sizeof(*parts->signal);
		parts->xstate = (const uint8_t *)event + used;
		used += CHOP_EVENT_ALIGN(parts->signal->xstate_size);
	}
	if (used != left)
		return NULL;
	*offset += left;
	return event;
}

/* The write after `range`, for loops over parts.writes. */
static inline const struct chop_event_range *
chop_event_write_after(const struct chop_event_range *range)
{
	const uint8_t *next = (const uint8_t *)(range + 1) + CHOP_EVENT_ALIGN(range->size);

	return (const struct chop_event_range *)next;
}

#endif
