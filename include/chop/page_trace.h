/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page traces: which pages a program referred to, as `chop pages` records them, and a
 * reader for other programs. This header needs nothing but the C library's headers; all
 * functions are static inline.
 *
 *	struct chop_page_trace trace;
 *	struct chop_page_record record;
 *
 *	if (chop_page_trace_open(&trace, data, size) == CHOP_PAGE_TRACE_OK)
 *		while (chop_page_trace_next(&trace, &record) > 0)
 *			if (record.kind <= CHOP_PAGE_EXECUTE)
 *				use(record.address / trace.header.page_size);
 *	if (!trace.finished)
 *		warn(trace.cut_short ? "the file is cut short" : "the tracer was killed");
 *
 * The file, everything little-endian:
 *
 *	struct chop_page_trace_header
 *	header.text_size bytes: the traced command line, words separated by spaces
 *	chunks, each struct chop_page_trace_chunk and its payload
 *
 * A chunk can be decoded without the ones before it. Its payload is records:
 *
 *	access	tag u8: bits 0-1 kind (0 to 3), bit 2 THREAD, bit 3 CALL, bit 4 IP, bit 5 AGAIN,
 *		bit 6 NEW, bit 7 clear
 *		THREAD: varint thread id, varint process id (else as in the record before)
 *		zigzag varint: time - time of the record before
 *		zigzag varint: address - address of the access before
 *		CALL: varint system call number + 1 (0: not known which)
 *		IP: zigzag varint: ip - ip of the record with an ip before
 *	event	tag u8: 0x80 | kind - CHOP_PAGE_EVENT
 *		varint size of what follows
 *		varint thread id, varint process id; zigzag varint time as above
 *		6 varints: values; varint length and bytes of a text
 *		(a later version may add fields at the end: use the size)
 *
 * Varints are LEB128 (7 bits a byte, low ones first); zigzag maps n to n << 1 ^ n >> 63.
 * At the start of a chunk every "before" is 0. A reference without a previous record of
 * its page within the window really is a miss of that window: nothing is ever left out
 * silently; records that were lost are counted in a CHOP_PAGE_LOST event.
 */
#ifndef CHOP_PAGE_TRACE_H
#define CHOP_PAGE_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include <chop/assert.h>
#include <string.h>

#define CHOP_PAGE_TRACE_MAGIC	"CHOPPGT" /* 8 bytes with the NUL */
#define CHOP_PAGE_TRACE_VERSION 1
#define CHOP_PAGE_CHUNK_MAGIC	0x4b434750u /* "PGCK" */
#define CHOP_PAGE_CHUNK_MAX	(1u << 20)  /* largest payload, bytes */

enum chop_page_trace_flag {
	CHOP_PAGE_TRACE_FIFO = 1 << 0,	    /* plain FIFO window; otherwise second chance */
	CHOP_PAGE_TRACE_SLICES = 1 << 1,    /* sets of pages per time slice, no order within */
	CHOP_PAGE_TRACE_SAMPLED = 1 << 2,   /* only hash-selected pages: sample_limit */
	CHOP_PAGE_TRACE_HEAP_ONLY = 1 << 3, /* only heap pages were watched */
	CHOP_PAGE_TRACE_NO_IP = 1 << 4,	    /* instruction pointers could not be read */
	CHOP_PAGE_TRACE_ADAPTIVE = 1 << 5,  /* the window changes: CHOP_PAGE_WINDOW events */
};

struct chop_page_trace_header {
	char magic[8];
	uint32_t version;
	uint32_t header_size; /* of this structure: where the text begins */
	uint32_t text_size;
	uint32_t flags;	       /* enum chop_page_trace_flag */
	uint32_t page_size;    /* bytes */
	uint32_t process;      /* the traced process' id */
	uint64_t window;       /* pages kept open at the start; 0 for slices and full traces */
	uint64_t interval;     /* length of a slice, ns */
	uint64_t start_time;   /* time 0 of the records, ns since 1970 */
	uint64_t sample_limit; /* a page is recorded if its hash >> 11 is below this, of 2^53 */
	uint64_t reserved[4];  /* 0 */
};
CHOP_STATIC_ASSERT(sizeof(struct chop_page_trace_header) == 96, "file format");

struct chop_page_trace_chunk {
	uint32_t magic;
	uint32_t size;	   /* bytes of payload */
	uint32_t records;  /* in the payload */
	uint32_t checksum; /* CRC-32 (IEEE 802.3) of the payload */
};
CHOP_STATIC_ASSERT(sizeof(struct chop_page_trace_chunk) == 16, "file format");

/* Events: what values[] and the text hold. Addresses are bytes, protections PROT_ bits. */
enum chop_page_kind {
	CHOP_PAGE_READ = 0,
	CHOP_PAGE_WRITE = 1,
	CHOP_PAGE_EXECUTE = 2,
	CHOP_PAGE_WRITTEN = 3,	/* slices: a page that was opened by a read was written later */
	CHOP_PAGE_EVENT = 16,	/* what follows are events */
	CHOP_PAGE_MAP = 16,	/* start, length, protection, enum chop_page_map, offset; path */
	CHOP_PAGE_UNMAP = 17,	/* start, length */
	CHOP_PAGE_REMAP = 18,	/* old start, old length, new start, new length */
	CHOP_PAGE_PROTECT = 19, /* start, length, protection */
	CHOP_PAGE_ADVISE = 20,	/* start, length, MADV_ value */
	CHOP_PAGE_BREAK = 21,	/* old end of the heap, new end */
	CHOP_PAGE_FORK = 22,	/* the child's process id, 1 if it is not followed */
	CHOP_PAGE_EXEC = 23,	/* the new program's path as text */
	CHOP_PAGE_EXIT = 24,	/* exit status, signal number (0 none) */
	CHOP_PAGE_THREAD = 25,	/* a thread began */
	CHOP_PAGE_THREAD_END = 26,
	CHOP_PAGE_WINDOW = 27, /* pages the window has from now on */
	CHOP_PAGE_SAMPLE = 28, /* sample_limit from now on */
	CHOP_PAGE_SLICE = 29,  /* a slice begins: its number, length in ns */
	CHOP_PAGE_LOST = 30,   /* records lost before this one */
	CHOP_PAGE_NOTE = 31,   /* a sentence for people; start, length it is about or 0 */
	CHOP_PAGE_ALLOC = 33,  /* a block of the heap: start, length, where malloc returns to */
	CHOP_PAGE_END = 32,    /* the trace is complete: accesses, events, lost records */
};

/* What kind of memory a CHOP_PAGE_MAP is about. */
enum chop_page_map {
	CHOP_PAGE_MAP_SHARED = 1 << 0,
	CHOP_PAGE_MAP_ANONYMOUS = 1 << 1,
	CHOP_PAGE_MAP_STACK = 1 << 2,
	CHOP_PAGE_MAP_HEAP = 1 << 3,
	CHOP_PAGE_MAP_FIRST = 1 << 4,	  /* was there when tracing began */
	CHOP_PAGE_MAP_UNWATCHED = 1 << 5, /* its pages are not in the trace */
};

enum chop_page_record_flag {
	CHOP_PAGE_HAS_CALL = 1 << 3,
	CHOP_PAGE_HAS_IP = 1 << 4,
	CHOP_PAGE_AGAIN = 1 << 5, /* the page was still in the window's second segment */
	CHOP_PAGE_NEW = 1 << 6,	  /* the page had no content before: zero-filled */
};

struct chop_page_record {
	uint32_t kind;	  /* enum chop_page_kind */
	uint32_t flags;	  /* enum chop_page_record_flag */
	uint32_t thread;  /* thread id */
	uint32_t process; /* whose address space: process id */
	uint64_t time;	  /* ns since header.start_time */
	/* accesses */
	uint64_t address; /* byte address; for slices the page's address */
	uint64_t ip;	  /* valid with CHOP_PAGE_HAS_IP */
	int32_t call; /* with CHOP_PAGE_HAS_CALL: system call that made the kernel do it, -1 ? */
	/* events */
	uint64_t values[6];
	const char *text; /* in the file's data, not terminated */
	size_t text_size;
};

enum chop_page_trace_error {
	CHOP_PAGE_TRACE_OK = 0,
	CHOP_PAGE_TRACE_FOREIGN = -1, /* no page trace */
	CHOP_PAGE_TRACE_NEWER = -2,   /* of a version this reader does not know */
	CHOP_PAGE_TRACE_DAMAGED = -3, /* bytes were changed, or the header is cut off */
};

struct chop_page_trace {
	struct chop_page_trace_header header;
	const char *text; /* command line, not terminated */
	uint64_t accesses, events, lost;
	int finished;  /* the CHOP_PAGE_END event was read */
	int cut_short; /* the file ends within a chunk; whole records of it were returned */
	/* private */
	const uint8_t *at, *end, *chunk_end;
	uint32_t thread, process, partial;
	uint64_t time, address, ip;
};

static inline uint32_t chop_page_trace_checksum(const void *data, size_t size)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	const uint8_t *byte = (const uint8_t *)data;
	uint32_t crc = 0xffffffff;

	while (size--) {
		crc = table[(crc ^ *byte) & 15] ^ crc >> 4;
		crc = table[(crc ^ (uint32_t)(*byte++ >> 4)) & 15] ^ crc >> 4;
	}
	return ~crc;
}

/* 64 well-mixed bits of a page number (splitmix64, public domain): sampling goes by them. */
static inline uint64_t chop_page_hash(uint64_t page)
{
	page += 0x9e3779b97f4a7c15u;
	page = (page ^ page >> 30) * 0xbf58476d1ce4e5b9u;
	page = (page ^ page >> 27) * 0x94d049bb133111ebu;
	return page ^ page >> 31;
}

/* Begin to read a trace in memory; the memory must stay. enum chop_page_trace_error. */
static inline int chop_page_trace_open(struct chop_page_trace *trace, const void *data, size_t size)
{
	const uint8_t *bytes = (const uint8_t *)data;
	struct chop_page_trace_header *header = &trace->header;
	size_t known = sizeof(*header);

	memset(trace, 0, sizeof(*trace));
	if (size < sizeof(header->magic) || memcmp(bytes, CHOP_PAGE_TRACE_MAGIC, 8))
		return CHOP_PAGE_TRACE_FOREIGN;
	if (size < known)
		return CHOP_PAGE_TRACE_DAMAGED;
	memcpy(header, bytes, known);
	if (header->version != CHOP_PAGE_TRACE_VERSION)
		return CHOP_PAGE_TRACE_NEWER;
	if (header->header_size < known || header->header_size > size ||
	    header->text_size > size - header->header_size || header->page_size < 512 ||
	    (header->page_size & (header->page_size - 1)))
		return CHOP_PAGE_TRACE_DAMAGED;
	trace->text = (const char *)bytes + header->header_size;
	trace->at = trace->chunk_end = bytes + header->header_size + header->text_size;
	trace->end = bytes + size;
	return CHOP_PAGE_TRACE_OK;
}

/* Decode a varint below `end`; 0 when there is none. */
static inline int chop_page_varint(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
	*value = 0;
	for (unsigned int shift = 0; *at < end && shift < 64; shift += 7) {
		uint8_t byte = *(*at)++;

		*value |= (uint64_t)(byte & 127) << shift;
		if (!(byte & 128))
			return 1;
	}
	return 0;
}

static inline int chop_page_delta(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
	uint64_t zigzag;

	if (!chop_page_varint(at, end, &zigzag))
		return 0;
	*value += zigzag >> 1 ^ (0 - (zigzag & 1));
	return 1;
}

static inline int chop_page_ids(struct chop_page_trace *trace, const uint8_t **at,
				const uint8_t *end)
{
	uint64_t thread, process;

	if (!chop_page_varint(at, end, &thread) || !chop_page_varint(at, end, &process))
		return 0;
	trace->thread = (uint32_t)thread;
	trace->process = (uint32_t)process;
	return 1;
}

static inline int chop_page_access(struct chop_page_trace *trace, const uint8_t **at,
				   const uint8_t *end, uint8_t tag, struct chop_page_record *record)
{
	uint64_t call = 0;

	record->kind = tag & 3;
	record->flags = tag & 0x78;
	if ((tag & 4 && !chop_page_ids(trace, at, end)) ||
	    !chop_page_delta(at, end, &trace->time) || !chop_page_delta(at, end, &trace->address) ||
	    (tag & 8 && !chop_page_varint(at, end, &call)) ||
	    (tag & 16 && !chop_page_delta(at, end, &trace->ip)))
		return 0;
	record->address = trace->address;
	record->call = (int32_t)call - 1;
	record->ip = tag & 16 ? trace->ip : 0;
	return 1;
}

static inline int chop_page_event(struct chop_page_trace *trace, const uint8_t **at,
				  const uint8_t *end, uint8_t tag, struct chop_page_record *record)
{
	uint64_t size, text_size;
	const uint8_t *last;

	if (!chop_page_varint(at, end, &size) || size > (uint64_t)(end - *at))
		return 0;
	last = *at + size;
	record->kind = CHOP_PAGE_EVENT + (tag & 127u);
	if (!chop_page_ids(trace, at, last) || !chop_page_delta(at, last, &trace->time))
		return 0;
	for (int i = 0; i < 6; i++) {
		if (!chop_page_varint(at, last, &record->values[i]))
			return 0;
	}
	if (!chop_page_varint(at, last, &text_size) || text_size > (uint64_t)(last - *at))
		return 0;
	record->text = (const char *)*at;
	record->text_size = (size_t)text_size;
	*at = last;
	return 1;
}

/* Enter the next chunk: 1, 0 at the end, or an error. */
static inline int chop_page_chunk(struct chop_page_trace *trace)
{
	struct chop_page_trace_chunk chunk;
	size_t left = (size_t)(trace->end - trace->at);

	if (!left || trace->partial)
		return 0;
	if (left < sizeof(chunk)) {
		trace->cut_short = 1;
		return 0;
	}
	memcpy(&chunk, trace->at, sizeof(chunk));
	left -= sizeof(chunk);
	if (chunk.magic != CHOP_PAGE_CHUNK_MAGIC || chunk.size > CHOP_PAGE_CHUNK_MAX)
		return CHOP_PAGE_TRACE_DAMAGED;
	trace->at += sizeof(chunk);
	trace->partial = chunk.size > left;
	trace->cut_short |= trace->partial ? 1 : 0;
	trace->chunk_end = trace->at + (trace->partial ? left : chunk.size);
	if (!trace->partial && chop_page_trace_checksum(trace->at, chunk.size) != chunk.checksum) {
		trace->chunk_end = trace->at;
		return CHOP_PAGE_TRACE_DAMAGED;
	}
	trace->thread = trace->process = 0;
	trace->time = trace->address = trace->ip = 0;
	return 1;
}

/*
 * The next record: 1; 0 at the end (look at finished and cut_short); or
 * CHOP_PAGE_TRACE_DAMAGED, after which there is nothing more to read.
 */
static inline int chop_page_trace_next(struct chop_page_trace *trace,
				       struct chop_page_record *record)
{
	const uint8_t *at;
	uint8_t tag;
	int more;

	while (trace->at == trace->chunk_end) {
		more = chop_page_chunk(trace);
		if (more <= 0) {
			trace->at = trace->chunk_end = trace->end;
			return more;
		}
	}
	memset(record, 0, sizeof(*record));
	at = trace->at;
	tag = *at++;
	more = tag & 128 ? chop_page_event(trace, &at, trace->chunk_end, tag, record)
			 : chop_page_access(trace, &at, trace->chunk_end, tag, record);
	if (!more) {
		/* In a chunk that is cut off this is where its whole records end. */
		trace->at = trace->chunk_end = trace->end;
		return trace->partial ? 0 : CHOP_PAGE_TRACE_DAMAGED;
	}
	trace->at = at;
	record->thread = trace->thread;
	record->process = trace->process;
	record->time = trace->time;
	trace->accesses += !(tag & 128);
	trace->events += tag >> 7;
	trace->lost += record->kind == CHOP_PAGE_LOST ? record->values[0] : 0;
	trace->finished |= record->kind == CHOP_PAGE_END;
	return 1;
}

#endif
