/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What the BPF programs of `chop probe` and the tool say to each other. Numbers are in the
 * machine's byte order: both sides run on it.
 */
#ifndef CHOP_PROBE_EVENT_H
#define CHOP_PROBE_EVENT_H

#include <chop/event.h>

#ifdef __bpf__
typedef __s32 chop_s32;
typedef __s64 chop_s64;
#else
typedef int32_t chop_s32;
typedef int64_t chop_s64;
#endif

#define CHOP_PROBE_ARGS	    8
#define CHOP_PROBE_TESTS    4
#define CHOP_PROBE_LOADS    4
#define CHOP_PROBE_FRAMES   127
#define CHOP_PROBE_TEXT	    1024 /* bytes for all texts of a record */
#define CHOP_PROBE_TEXT_MAX 512	 /* bytes of one text, its NUL included */

/* Where a value comes from. */
enum chop_probe_from {
	CHOP_FROM_CONSTANT,
	CHOP_FROM_REGISTER, /* at byte `base` of struct pt_regs */
	CHOP_FROM_FIELD,    /* at byte `base` of a tracepoint's record, `size` bytes */
	CHOP_FROM_ADDRESS,  /* the address of that byte */
};
enum chop_probe_kind {
	CHOP_KIND_NUMBER,
	CHOP_KIND_TEXT,	    /* the number is the address of a text */
	CHOP_KIND_LOCATION, /* a 32-bit number: offset in the record, length << 16 (__data_loc) */
};

/*
 * A value: the base, plus an index register if there is one, is loaded through `loads` times,
 * each time after offset[i] was added; of memory the last load takes `size` bytes, the others
 * a pointer. `after` is added to the result, which is cut to `size` bytes.
 */
struct chop_probe_fetch {
	chop_u8 from, kind, size, loads;
	chop_u8 is_signed;
	chop_u8 kernel;	   /* memory is the kernel's */
	chop_u8 has_index; /* `index` << `scale` is added before the first load */
	chop_u8 scale;
	chop_u16 base, index; /* offsets in struct pt_regs */
	chop_u16 width;	      /* of a text inside the record: its bytes; else 0 */
	chop_u16 pad;
	chop_s32 offset[CHOP_PROBE_LOADS];
	chop_s32 after; /* added to the result */
	chop_u32 pad2;
	chop_u64 constant;
};

enum chop_probe_op {
	CHOP_TEST_EQ = 1,
	CHOP_TEST_NE,
	CHOP_TEST_LT,
	CHOP_TEST_LE,
	CHOP_TEST_GT,
	CHOP_TEST_GE,
	CHOP_TEST_BITS, /* some of these bits are set */
};
struct chop_probe_test {
	chop_u8 arg, op, is_signed, pad[5];
	chop_u64 value;
};

static inline chop_u64 chop_probe_sized(const struct chop_probe_fetch *fetch, chop_u64 value)
{
	chop_u32 unused = 64 - 8 * (fetch->size & 15);

	if (unused > 56)
		return value;
	value <<= unused;
	return fetch->is_signed ? (chop_u64)((chop_s64)value >> unused) : value >> unused;
}

/* Whether a test of a value holds: the same in the kernel and in the tool. */
static inline int chop_probe_holds(const struct chop_probe_test *test, chop_u64 value)
{
	int less = test->is_signed ? (chop_s64)value < (chop_s64)test->value : value < test->value;

	switch (test->op) {
	case CHOP_TEST_EQ:
		return value == test->value;
	case CHOP_TEST_NE:
		return value != test->value;
	case CHOP_TEST_LT:
		return less;
	case CHOP_TEST_LE:
		return less || value == test->value;
	case CHOP_TEST_GT:
		return !less && value != test->value;
	case CHOP_TEST_GE:
		return !less;
	default:
		return (value & test->value) != 0;
	}
}

/* What to do at a site; all tests must hold. */
struct chop_probe_plan {
	chop_u8 arg_count, test_count, pad[6];
	struct chop_probe_fetch fetch[CHOP_PROBE_ARGS];
	struct chop_probe_test test[CHOP_PROBE_TESTS];
};

/* The cookie of a site: its row, its plan << 32. */

enum chop_probe_mode {
	CHOP_PROBE_RECORDS, /* each hit is a record */
	CHOP_PROBE_COUNTS,  /* hits are counted in the kernel */
	CHOP_PROBE_VALUES,  /* argument 0 goes into a histogram in the kernel */
	CHOP_PROBE_STOPS,   /* each hit is a record, and stops the thread for its tracer */
};
enum chop_probe_by { CHOP_BY_NOTHING, CHOP_BY_THREAD, CHOP_BY_PROCESS };

/* A count: of hits (bucket 0) or of values of a bucket. */
struct chop_probe_key {
	chop_u32 row, id; /* id: thread, process or 0 */
	chop_u32 bucket;
	chop_u32 pad;
};
/* Of the values of a row and id. */
struct chop_probe_sum {
	chop_u64 count, sum;
};

/*
 * Buckets of histograms. Powers of two: CHOP_BUCKET_ZERO is 0, n above it 2^(n-1) up to
 * 2^n - 1, n below it the negatives of these. Linear: 0 is below `low`, then each `step`.
 */
#define CHOP_BUCKET_ZERO 64
#define CHOP_BUCKETS	 1024 /* most linear ones */

/* A hit; head.number is the row. */
struct chop_probe_record {
	struct chop_live_head head;
	chop_u32 plan, pad;
	chop_u32 unread; /* a bit for each argument that could not be read */
	chop_u32 used;	 /* bytes of `text` */
	char comm[16];
	chop_u64 value[CHOP_PROBE_ARGS]; /* of a text: its offset in `text` | length << 32 */
};
struct chop_probe_record_text {
	struct chop_probe_record record;
	char text[CHOP_PROBE_TEXT + CHOP_PROBE_TEXT_MAX];
};
struct chop_probe_record_stack {
	struct chop_probe_record_text with_text;
	chop_u64 caller; /* at the top of the user stack at a function's entry, or 0 */
	chop_s32 user_size, kernel_size; /* bytes; negative: an error */
	chop_u64 user[CHOP_PROBE_FRAMES], kernel[CHOP_PROBE_FRAMES];
};

/* head.flags */
#define CHOP_PROBE_ENTRY 1 /* the first instruction of a function: `caller` can be told */

#endif
