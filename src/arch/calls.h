/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the system calls of this architecture are: names, classes, arguments, and which memory
 * the kernel reads and writes. The tables come from data/ (mk/syscalls.awk) and are constant.
 *
 * A type is a scalar ("int", "fd"), a structure ("timespec"), text or bytes. An argument whose
 * `dir` is CALL_VALUE is a scalar of its type; any other points to `memory`.
 */
#ifndef ARCH_CALLS_H
#define ARCH_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* -- names of constants ----------------------------------------------------------------- */

struct call_name {
	const char *name;
	uint64_t value;
};

enum call_names_style { CALL_NAMES_ENUM, CALL_NAMES_FLAGS };

/* The rows of data/flags.tbl; that file tells what they mean. */
struct call_names {
	uint8_t style;
	bool loose;
	uint16_t count, pick_count; /* the first pick_count items are values of `pick` */
	uint8_t shift;		    /* bits from here up are a number; 0 for none */
	const char *unknown;	    /* said of unknown values; NULL for nothing */
	const char *zero;	    /* name of 0, or NULL */
	const char *shift_name;
	const struct call_name *items;
	uint64_t pick, octal, decimal;
};

/* Name of a value of an enumeration, or NULL. */
const char *call_name_of(const struct call_names *names, uint64_t value);

/* -- types ------------------------------------------------------------------------------ */

enum call_format {
	CALL_NONE,
	CALL_SIGNED,
	CALL_UNSIGNED,
	CALL_HEX,
	CALL_OCTAL,
	CALL_POINTER, /* hexadecimal, 0 is NULL */
	CALL_FD,
	CALL_DIRFD, /* a descriptor or AT_FDCWD */
	CALL_SIGNAL,
	CALL_ID, /* user or group; all ones is -1 */
	CALL_MODE,
	CALL_DEV,
	CALL_KEY, /* System V IPC key */
	CALL_NAMES,
	CALL_TEXT,    /* char[N] */
	CALL_PATH,    /* bytes up to a NUL */
	CALL_STRING,  /* the same, shown up to a limit */
	CALL_BYTES,   /* any bytes */
	CALL_STRINGS, /* vector of pointers to text, ended by NULL */
	CALL_STRUCT,
	CALL_OPAQUE, /* shown by code */
	CALL_PAD,
};

struct call_field;
struct call_type {
	const char *name;
	uint32_t size;	/* bytes of one element; 0 when it is not memory (fdset and others) */
	uint8_t format; /* enum call_format */
	uint8_t field_count;
	const struct call_names *names;	 /* of CALL_NAMES */
	const struct call_field *fields; /* of CALL_STRUCT, and of some CALL_OPAQUE */
};
extern const struct call_type call_type_table[];
extern const size_t call_type_count;

/* NULL when there is none. */
const struct call_type *call_type_find(const char *name);

/* -- memory ----------------------------------------------------------------------------- */

enum call_dir {
	CALL_VALUE,	   /* not a pointer */
	CALL_IN,	   /* the kernel reads */
	CALL_OUT,	   /* the kernel writes when the call succeeds (result >= 0) */
	CALL_OUT_POSITIVE, /* writes when the result is above 0 */
	CALL_OUT_ALWAYS,   /* may write whatever the result */
	CALL_INOUT,	   /* reads, then writes; the value after the call tells */
	CALL_INOUT_EARLY,  /* reads, then may write; the value before the call tells */
};

enum call_count_from {
	CALL_COUNT_CONST,
	CALL_COUNT_ARG,	    /* argument `index` */
	CALL_COUNT_POINTED, /* the number argument `index` points to */
	CALL_COUNT_RESULT,
	CALL_COUNT_FIELD, /* field `index` of the same structure */
};

struct call_count {
	uint8_t from;
	uint32_t index; /* or the constant */
};

struct call_memory {
	const struct call_type *type;
	struct call_count count; /* elements; after the call for what the kernel writes */
	struct call_count limit; /* elements there is room for */
	bool bits;		 /* the count is bits: rounded up to whole 64-bit words */
	bool sum;		 /* what the elements point to holds `result` bytes in all */
	bool array;		 /* shown as [a, b] */
};

enum call_field_flag { CALL_FIELD_VERBOSE = 1, CALL_FIELD_NONZERO = 2 };

struct call_field {
	const char *name;
	const struct call_type *type;
	uint32_t offset, count;
	uint8_t flags;
	uint8_t dir; /* CALL_VALUE, or what `memory` behind the pointer is */
	struct call_memory memory;
};

struct call_arg {
	const char *name;
	const struct call_type *type;
	uint8_t dir;
	struct call_memory memory;
};

/* -- calls ------------------------------------------------------------------------------ */

enum call_class {
	CALL_FILE = 1 << 0,
	CALL_DESC = 1 << 1,
	CALL_PROCESS = 1 << 2,
	CALL_NETWORK = 1 << 3,
	CALL_SIGNAL_CLASS = 1 << 4,
	CALL_IPC = 1 << 5,
	CALL_MEMORY = 1 << 6,
	CALL_CREDS = 1 << 7,
	CALL_CLOCK = 1 << 8,
	CALL_PURE = 1 << 9,
	CALL_STAT = 1 << 10,
	CALL_LSTAT = 1 << 11,
	CALL_FSTAT = 1 << 12,
	CALL_ALL_STAT = 1 << 13,
	CALL_STATFS = 1 << 14,
	CALL_FSTATFS = 1 << 15,
	CALL_ALL_STATFS = 1 << 16,
};

struct call_variant {
	uint64_t value, mask;
	uint8_t shift, selector; /* applies when ((args[selector] & mask) >> shift) == value */
	uint8_t arg_count;
	bool partial;
	const struct call_type *result;
	const struct call_arg *args;
};

struct call {
	const char *name; /* NULL for a number that is no call */
	uint32_t classes; /* enum call_class */
	uint8_t arg_count;
	bool partial; /* may write memory its arguments do not tell of */
	uint16_t variant_count;
	const struct call_type *result;
	const struct call_arg *args;
	const struct call_variant *variants;
};
extern const struct call call_table[];
extern const size_t call_table_count;

/* Value of a class by its name in -e trace=%NAME ("file", "network", "%stat"), or 0. */
uint32_t call_class_find(const char *name);
/* Name of class bit n, or NULL past the last. */
const char *call_class_name(unsigned int n);

/*
 * The name the kernel has for it, in its tracepoints and functions: "newfstat" for "fstat". Most
 * are the same.
 */
const char *call_kernel_name(const char *name);
/* The call of a number, or NULL. */
const struct call *call_find(long number);
/* The number of a call, or -1. */
long call_number(const char *name);

/* The shape a call has with these arguments: its own or that of a variant. */
struct call_shape {
	const struct call_type *result;
	const struct call_arg *args;
	uint8_t arg_count;
	bool partial;
};
void call_shape_of(const struct call *call, const uint64_t args[6], struct call_shape *shape);

/* -- which memory a call reads and writes ------------------------------------------------ */

/* One call, as the functions below need it. */
struct call_instance {
	long number;
	uint64_t args[6];
	int64_t result; /* negative errno, or the result */
	/*
	 * What the numbers behind pointers were before the call (*ARGUMENT in the table):
	 * filled by call_enter, so that a length the kernel changes still limits the buffer.
	 */
	uint64_t pointed[6];
};

/* Reads memory of the caller: 0 or -errno. */
typedef int (*call_read_fn)(void *context, uint64_t address, void *data, size_t size);
/* Takes one piece of memory; anything but 0 ends the walk and is returned. */
typedef int (*call_range_fn)(void *context, uint64_t address, uint64_t size);

/* Before the call runs: note the lengths behind pointers. */
void call_enter(struct call_instance *call, call_read_fn read, void *context);

/*
 * Every piece of memory the kernel reads (before the call) or may have written (after it, from
 * its result). Pieces may overlap, and a written piece may hold bytes the kernel left alone,
 * never the other way round - unless the return value is 1: the table does not know all that
 * this call writes (an unknown ioctl, say). 0 otherwise, or what `range` returned.
 */
int call_inputs(const struct call_instance *call, call_read_fn read, call_range_fn range,
		void *context);
int call_outputs(const struct call_instance *call, call_read_fn read, call_range_fn range,
		 void *context);
/* Before the call: every piece the kernel may write, however the call ends. Results as above. */
int call_rooms(const struct call_instance *call, call_read_fn read, call_range_fn range,
	       void *context);

#endif
