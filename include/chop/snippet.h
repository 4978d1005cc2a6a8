/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The self-running ELF file of one capture: the contract between the builder
 * (src/snippet) and the freestanding runtime that is placed in it (runtime/).
 *
 * File, from offset 0:
 *
 *	ELF header			64 bytes
 *	struct snippet_header		at SNIPPET_HEADER_OFFSET
 *	tables				program headers and symbols among them
 *	  -- the "front": one read-only segment, covered by checksums
 *	runtime				text and read-only data, two segments
 *	page images			before-images of every captured page, in runs; then
 *					after-images of the pages the region changes
 *	section headers
 *
 * In memory the runtime starts at header.base, its writable memory (never in the file)
 * follows, then the front; up to header.area_end the runtime maps what else it needs.
 * Everything outside [base, area_end) belongs to the captured program.
 *
 * Little-endian; table offsets count from the start of the file, which is also the start
 * of the front in memory. A runtime only reads files of its own SNIPPET_VERSION.
 */
#ifndef CHOP_SNIPPET_H
#define CHOP_SNIPPET_H

#define SNIPPET_MAGIC	      "CHOPSNIP" /* 8 bytes, without a NUL */
#define SNIPPET_VERSION	      1
#define SNIPPET_HEADER_OFFSET 64 /* right behind the ELF header */
#define SNIPPET_ENTRY_OFFSET  64 /* of header.entry in the header: entry.S uses it */

#define SNIPPET_NOTE_OWNER "chop"
#define SNIPPET_NOTE_TYPE  1 /* description: struct snippet_note, then text */

#ifndef __ASSEMBLER__

#include <stddef.h>

#include <chop/assert.h>
#include <chop/arch.h>
#include <chop/xstate.h>

/* Where a table is: bytes from the start of the file, number of entries. */
struct snippet_table {
	uint64_t offset, count;
};

enum snippet_table_id {
	SNIPPET_STRINGS,	 /* char: NUL-terminated, referred to by offset; 0 is "" */
	SNIPPET_PROGRAM_HEADERS, /* Elf64_Phdr */
	SNIPPET_NOTE,		 /* bytes of the PT_NOTE */
	SNIPPET_RUNS,		 /* struct snippet_run, by address */
	SNIPPET_HULLS,		 /* struct snippet_hull, by address */
	SNIPPET_HASHES,		 /* uint64_t: before-image of each page, in order of the runs */
	SNIPPET_CHANGED,	 /* struct snippet_change, by address */
	SNIPPET_ENDS,		 /* struct snippet_end, by address */
	SNIPPET_MASKS,		 /* struct snippet_mask, by address */
	SNIPPET_COMPONENTS,	 /* struct chop_xstate_component to be compared */
	SNIPPET_FEATURES,	 /* struct snippet_feature */
	SNIPPET_MAPPINGS,	 /* struct snippet_mapping, by address */
	SNIPPET_SYMBOLS,	 /* Elf64_Sym, by address: also the file's .symtab */
	SNIPPET_ENTRY_XSTATE,	 /* bytes, 64-byte aligned: canonical, for XRSTOR */
	SNIPPET_END_XSTATE,	 /* bytes: canonical */
	SNIPPET_HINTS,		 /* struct snippet_hint */
	SNIPPET_CALLS,		 /* bytes: records of chop/syslog.h, uncompressed */
	SNIPPET_ORDER,		 /* uint64_t: page addresses in first-touch order */
	SNIPPET_ALIASES,	 /* struct snippet_alias, by source */
	SNIPPET_TABLES = 24
};

enum snippet_flag {
	SNIPPET_END_AT_RETURN = 1 << 0, /* ends[0] with sp above entry.sp, else any of ends */
	SNIPPET_NO_GUARD = 1 << 1,	/* do not use MADV_GUARD_INSTALL (tests) */
	SNIPPET_SAME_XCR0 = 1 << 2,	/* the code saves its own xstate: needs equal XCR0 */
	SNIPPET_END_AT_STATE = 1 << 4,	/* reached_end with the registers of `end` */
};

/* Names are offsets into SNIPPET_STRINGS. */
struct snippet_header {
	char magic[8];
	uint32_t version, size;	       /* size of this structure */
	uint64_t header_checksum;      /* chop_hash of this structure with this field 0 */
	uint64_t front_size;	       /* bytes from the start of the file */
	uint64_t front_checksum;       /* chop_hash of the ELF header, chained over the tables */
	uint64_t runtime_size;	       /* bytes from base: text and read-only data */
	uint64_t runtime_checksum;     /* chop_hash of them, chained page by page */
	uint64_t flags;		       /* enum snippet_flag */
	struct chop_regs entry, end;   /* eflags without TF and RF */
	uint64_t base, work, area_end; /* runtime; free for the runtime from work on */
	uint64_t begin, reached_end;   /* where the region began and ended */
	uint64_t xcr0;		       /* of the machine of the capture */
	uint64_t xcr0_needed;	       /* XCR0 bits the region depends on */
	uint64_t xrstor_mask;	       /* components to load at entry */
	uint64_t pages, bytes, writable_bytes; /* captured pages; bytes mapped for them */
	uint64_t payload_end;		       /* end of the page images in the file */
	uint64_t timeout_ns;		       /* default watchdog */
	uint64_t duration_ns;		       /* the region's time in the capture */
	uint64_t invocation;
	uint32_t capture, function, module, program, tool, reserved0;
	struct snippet_table tables[SNIPPET_TABLES];
	uint64_t changed; /* pages whose contents differ in the end */
	uint64_t reserved[15];
};

enum snippet_run_kind {
	SNIPPET_RUN_LOADED, /* a PT_LOAD: the kernel has mapped it */
	SNIPPET_RUN_MAP,    /* the runtime maps it from the file */
	SNIPPET_RUN_READ,   /* inside a hull: the runtime reads it from the file */
};

/* Adjacent captured pages of one protection. */
struct snippet_run {
	uint64_t address, length; /* bytes, page-aligned */
	uint64_t offset;	  /* of the before-images in the file */
	uint64_t first;		  /* index of its first page in SNIPPET_HASHES */
	uint32_t protection;	  /* PROT_READ | PROT_WRITE | PROT_EXEC */
	uint32_t kind;		  /* enum snippet_run_kind */
};

/*
 * One anonymous mapping for many runs, so that no number of runs meets vm.max_map_count.
 * What is between the runs is made inaccessible with guard pages.
 */
struct snippet_hull {
	uint64_t address, length;
	uint32_t protection, reserved;
	uint64_t first_run, runs;
};

/* A page whose end differs from its beginning. */
struct snippet_change {
	uint64_t address;
	uint64_t hash;	 /* of the after-image with masked bytes zero */
	uint64_t offset; /* of the after-image in the file */
};

/* An end address that lies in a captured page: a breakpoint is in its image. */
struct snippet_end {
	uint64_t address;
	uint8_t original[8]; /* what the breakpoint replaced */
};

/* Bytes left out of the comparison (rseq); their page's hashes take them as zero. */
struct snippet_mask {
	uint64_t address, length;
};

/* A processor feature the code needs: a CPUID bit. */
struct snippet_feature {
	uint32_t leaf, subleaf;
	uint8_t reg, bit; /* 0 eax, 1 ebx, 2 ecx, 3 edx */
	uint16_t reserved;
	uint32_t name;
};

/* A page that is the same memory as another: shared memory mapped twice. */
struct snippet_alias {
	uint64_t address, source; /* several aliases of one source follow each other */
};

/* A line of the original's memory map, for messages. */
struct snippet_mapping {
	uint64_t start, end;
	uint32_t protection, name;
	uint64_t offset;
};

/* An instruction in the region's code whose result may differ each time. */
struct snippet_hint {
	uint64_t address;
	uint32_t name, reserved; /* "rdtsc" */
};

/* The note: where the header is, for tools that have only the file. */
struct snippet_note {
	uint32_t version, header_offset;
	uint64_t pages, invocation;
	/* NUL-terminated text follows: function, program, needed features */
};

CHOP_STATIC_ASSERT(sizeof(struct snippet_table) == 16, "snippet ABI");
CHOP_STATIC_ASSERT(sizeof(struct snippet_run) == 40, "snippet ABI");
CHOP_STATIC_ASSERT(sizeof(struct snippet_hull) == 40, "snippet ABI");
CHOP_STATIC_ASSERT(sizeof(struct snippet_change) == 24, "snippet ABI");
CHOP_STATIC_ASSERT(sizeof(struct snippet_end) == 16, "snippet ABI");
CHOP_STATIC_ASSERT(sizeof(struct snippet_mask) == 16, "snippet ABI");
CHOP_STATIC_ASSERT(sizeof(struct snippet_feature) == 16, "snippet ABI");
CHOP_STATIC_ASSERT(sizeof(struct snippet_alias) == 16, "snippet ABI");
CHOP_STATIC_ASSERT(sizeof(struct snippet_mapping) == 32, "snippet ABI");
CHOP_STATIC_ASSERT(sizeof(struct snippet_hint) == 16, "snippet ABI");
CHOP_STATIC_ASSERT(sizeof(struct snippet_note) == 24, "snippet ABI");
CHOP_STATIC_ASSERT(offsetof(struct snippet_header, entry) == SNIPPET_ENTRY_OFFSET, "snippet ABI");
CHOP_STATIC_ASSERT(sizeof(struct snippet_header) == 64 + 2 * 27 * 8 + 15 * 8 + 24 + 24 * 16 + 128,
		   "snippet ABI");

#endif /* __ASSEMBLER__ */
#endif
