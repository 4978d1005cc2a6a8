/* SPDX-License-Identifier: Apache-2.0 */
/* What the decoders of src/event share: printing into a call's text. Not for others. */
#ifndef EVENT_DECODE_PRINT_H
#define EVENT_DECODE_PRINT_H

#include "event/decode.h"

#include "call_names.h"

struct decode {
	struct buf *out;
	const struct decode_options *options;
	const struct decode_memory *memory; /* NULL: only what is at hand */
	struct decode_call *call;	    /* NULL outside a call */
	bool exiting;
};

/* -- primitives: decode_print.c ---------------------------------------------------------- */

void dec_text(struct decode *d, const char *text);
void dec_printf(struct decode *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void dec_signed(struct decode *d, int64_t value);
void dec_unsigned(struct decode *d, uint64_t value);
void dec_hex(struct decode *d, uint64_t value);	    /* 0x1f; 0 */
void dec_address(struct decode *d, uint64_t value); /* 0x1f; NULL */
void dec_mode(struct decode *d, uint64_t value);    /* 0644; 000 */
void dec_id(struct decode *d, uint32_t value);	    /* -1 for all ones */
void dec_dev(struct decode *d, uint64_t value);
void dec_fd(struct decode *d, int fd);
void dec_dirfd(struct decode *d, int fd);
void dec_signal(struct decode *d, int sig);
void dec_io_priority(struct decode *d, unsigned int value);
void dec_names(struct decode *d, const struct call_names *names, uint64_t value);
/* A date: 2026-11-21T12:00:00.000000005+0000; fractions of `digits` digits, 0 for none. */
void dec_date(struct decode *d, int64_t sec, uint64_t fraction, int digits);
/* The same as a comment behind a time; nothing for 0 or an impossible fraction. */
void dec_dated(struct decode *d, int64_t sec, uint64_t fraction, int digits);

/* -- text and bytes: decode_text.c ------------------------------------------------------- */

enum dec_quote {
	DEC_QUOTE_NUL = 1,  /* stop before a NUL */
	DEC_QUOTE_HEX = 2,  /* \x61 for each byte */
	DEC_QUOTE_MORE = 4, /* append "..." */
	DEC_QUOTE_PATH = 8, /* of a descriptor: <> instead of "", and not inside */
};
void dec_quoted(struct decode *d, const void *data, size_t size, unsigned int flags);
void dec_path(struct decode *d, uint64_t address);
void dec_string(struct decode *d, uint64_t address);
void dec_bytes(struct decode *d, uint64_t address, uint64_t size);

/* -- memory: decode_memory.c ------------------------------------------------------------- */

/* All of it or false. */
bool dec_read(struct decode *d, uint64_t address, void *data, size_t size);
/* The same, or else the address is printed. */
bool dec_read_or_address(struct decode *d, uint64_t address, void *data, size_t size);
/* A value of a scalar type from an argument register. */
void dec_value(struct decode *d, const struct call_type *type, uint64_t value);
/* A scalar or structure of the type from bytes. */
void dec_item(struct decode *d, const struct call_type *type, const uint8_t *data);
/* Structure or scalar by the name of its type. */
void dec_item_named(struct decode *d, const char *type, const uint8_t *data);
/* Whether an array can be there: its end does not wrap round. `count` is not 0. */
bool dec_in_range(uint64_t address, uint64_t count, uint64_t size);
/* [a, b, c] of `count` elements; more than the limit end in "...". */
void dec_array(struct decode *d, const struct call_type *type, uint64_t address, uint64_t count);
void dec_memory(struct decode *d, const struct call_memory *memory, unsigned int dir,
		uint64_t address);
/* A pointer to one structure of a named type. */
void dec_pointer_to(struct decode *d, const char *type, uint64_t address);

/* -- arguments: decode.c ----------------------------------------------------------------- */

/* A printer of a call prints its arguments one by one between these. */
void dec_arg_begin(struct decode *d, const char *name);
void dec_arg_end(struct decode *d);
/* The next argument as the table says. */
void dec_next(struct decode *d);
/* All that are left. */
void dec_rest(struct decode *d);
/* Leave the next argument out. */
void dec_skip(struct decode *d);
static inline uint64_t dec_arg(const struct decode *d, unsigned int n)
{
	return d->call->call.args[n];
}
static inline bool dec_failed(const struct decode *d)
{
	return decode_failed(d->call->call.result);
}

/* -- families ---------------------------------------------------------------------------- */

struct dec_type {
	const char *name;
	/* One element, already read. */
	void (*item)(struct decode *d, const uint8_t *data);
	/* Memory whose extent the count tells, for types that are no array of elements. */
	void (*memory)(struct decode *d, uint64_t address, uint64_t count);
};
struct dec_call {
	const char *name;
	void (*enter)(struct decode *d); /* NULL: as the table says */
	void (*exit)(struct decode *d);
};
struct dec_family {
	const struct dec_type *types; /* ends with a NULL name */
	const struct dec_call *calls;
};
extern const struct dec_family dec_file, dec_desc, dec_network, dec_process, dec_signals, dec_time,
	dec_ipc, dec_mem, dec_misc, dec_ioctl;

/* The printer of a type or call, or NULL. */
const struct dec_type *dec_type_printer(const struct call_type *type);
const struct dec_call *dec_call_printer(long number);

#define DEC_GET(type, data, offset)                                           \
	({                                                                    \
		type dec_get_;                                                \
		__builtin_memcpy(&dec_get_, (data) + (offset), sizeof(type)); \
		dec_get_;                                                     \
	})

#endif
