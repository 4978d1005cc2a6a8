// SPDX-License-Identifier: Apache-2.0
/*
 * DynamoRIO's drmemtrace, trace_entry_t of version 5 with encodings and branch information:
 * packed 12-byte entries of type, size, value. Analysis tools read it as a file (-infile), .gz
 * included. Types, markers, file types and the layout were compared, value by value, with
 * clients/drcachesim/common/trace_entry.h of DynamoRIO's repository (commit 4f0e90ba522f), and
 * the rules for entries of threads with clients/drcachesim/reader/reader.cpp: such an entry
 * holds for all that follow, and the first of each thread is followed by the process.
 */
#include "fmt/mem_format.h"

#include <errno.h>
#include <string.h>
#include <sys/time.h>

#include <jansson.h>

#include "fmt/mem_insns.h"

enum entry_type {
	TYPE_READ = 0,
	TYPE_WRITE = 1,
	TYPE_PREFETCH = 2,
	TYPE_INSTR = 10,
	TYPE_DIRECT_JUMP = 11,
	TYPE_INDIRECT_JUMP = 12,
	TYPE_DIRECT_CALL = 14,
	TYPE_INDIRECT_CALL = 15,
	TYPE_RETURN = 16,
	TYPE_DATA_FLUSH = 20,
	TYPE_THREAD = 22,
	TYPE_THREAD_EXIT = 23,
	TYPE_PID = 24,
	TYPE_HEADER = 25,
	TYPE_FOOTER = 26,
	TYPE_MARKER = 28,
	TYPE_NO_FETCH = 29,
	TYPE_ENCODING = 47,
	TYPE_TAKEN_JUMP = 48,
	TYPE_UNTAKEN_JUMP = 49,
};

enum marker {
	MARKER_TIMESTAMP = 2,
	MARKER_CPU = 3,
	MARKER_FILE_TYPE = 9,
	MARKER_LINE_SIZE = 10,
	MARKER_VERSION = 12,
	MARKER_PAGE_SIZE = 18,
	MARKER_CHUNK = 20,
	MARKER_BRANCH_TARGET = 29,
};

#define VERSION_BRANCH_INFO 5
#define FILE_X86_64	    0x40
#define FILE_ENCODINGS	    0x200
#define EPOCH_1601	    11644473600ULL   /* seconds from 1601 to 1970 */
#define NO_CHUNKS	    1000000000000ULL /* instructions: more than one file holds */

struct drmemtrace {
	struct gathered gathered;
	uint64_t first, process; /* ids of the first thread and of the process */
	uint16_t thread;	 /* the one that entries are of, from 0 */
	bool met[UINT16_MAX + 1];
};

static void put(struct mem_convert *c, unsigned int type, unsigned int size, uint64_t value)
{
	uint8_t *at = mem_out_room(&c->out, 12);
	uint16_t head[2] = { (uint16_t)type, (uint16_t)size };

	memcpy(at, head, 4);
	memcpy(at + 4, &value, 8);
	mem_out_take(&c->out, 12);
}

/* A number of the trace's description, or 1. */
static uint64_t described(struct mem_convert *c, const char *name)
{
	json_t *root = json_loads(chop_mem_info(c->reader)->description, 0, NULL);
	json_int_t value = json_integer_value(json_object_get(root, name));

	json_decref(root);
	return value > 0 ? (uint64_t)value : 1;
}

/* What follows is of this thread. */
static void put_thread(struct mem_convert *c, uint16_t thread)
{
	struct drmemtrace *state = c->state;

	put(c, TYPE_THREAD, 0, state->first + thread);
	if (!state->met[thread])
		put(c, TYPE_PID, 0, state->process);
	state->met[thread] = true;
	state->thread = thread;
}

static int drmemtrace_begin(struct mem_convert *c)
{
	struct drmemtrace *state = c->state;
	struct timeval now;

	gettimeofday(&now, NULL);
	state->first = described(c, "tid");
	state->process = described(c, "pid");
	put(c, TYPE_HEADER, 0, VERSION_BRANCH_INFO);
	put(c, TYPE_MARKER, MARKER_VERSION, VERSION_BRANCH_INFO);
	put(c, TYPE_MARKER, MARKER_FILE_TYPE, FILE_X86_64 | FILE_ENCODINGS);
	put_thread(c, c->options.thread);
	put(c, TYPE_MARKER, MARKER_LINE_SIZE, 64);
	put(c, TYPE_MARKER, MARKER_PAGE_SIZE, 4096);
	put(c, TYPE_MARKER, MARKER_CHUNK, NO_CHUNKS);
	put(c, TYPE_MARKER, MARKER_TIMESTAMP,
	    ((uint64_t)now.tv_sec + EPOCH_1601) * 1000000 + (uint64_t)now.tv_usec);
	put(c, TYPE_MARKER, MARKER_CPU, 0);
	return 0;
}

/* The bytes of an instruction precede it where it is met first. */
static void put_encoding(struct mem_convert *c, uint64_t ip)
{
	uint8_t code[16] = { 0 };
	unsigned int length = chop_mem_code(c->reader, ip, code);

	for (unsigned int at = 0; at < length; at += 8) {
		unsigned int size = length - at < 8 ? length - at : 8;
		uint64_t bytes = 0;

		memcpy(&bytes, code + at, size);
		put(c, TYPE_ENCODING, size, bytes);
	}
}

static unsigned int type_of(const struct insn_facts *facts, bool taken)
{
	switch (facts->branch) {
	case BRANCH_CONDITIONAL:
		return taken ? TYPE_TAKEN_JUMP : TYPE_UNTAKEN_JUMP;
	case BRANCH_JUMP:
		return TYPE_DIRECT_JUMP;
	case BRANCH_JUMP_INDIRECT:
		return TYPE_INDIRECT_JUMP;
	case BRANCH_CALL:
		return TYPE_DIRECT_CALL;
	case BRANCH_CALL_INDIRECT:
		return TYPE_INDIRECT_CALL;
	case BRANCH_RETURN:
		return TYPE_RETURN;
	default:
		return TYPE_INSTR;
	}
}

static bool is_indirect(const struct insn_facts *facts)
{
	return facts->branch == BRANCH_JUMP_INDIRECT || facts->branch == BRANCH_CALL_INDIRECT ||
	       facts->branch == BRANCH_RETURN;
}

static int drmemtrace_emit(struct mem_convert *c, struct gathered *g, uint64_t next)
{
	static const unsigned int types[] = { TYPE_READ, TYPE_WRITE, TYPE_INSTR, TYPE_PREFETCH,
					      TYPE_DATA_FLUSH };
	uint64_t ip = g->fetch.address;
	const struct chop_mem_record *r;
	const struct insn_facts *facts;
	bool first;

	facts = gathered_facts(c, g, &first);
	if (!facts)
		return -EINVAL;
	if (g->fetch.thread != ((struct drmemtrace *)c->state)->thread)
		put_thread(c, g->fetch.thread);
	if (first)
		put_encoding(c, ip);
	if (is_indirect(facts))
		put(c, TYPE_MARKER, MARKER_BRANCH_TARGET, next);
	put(c, type_of(facts, next != ip + g->fetch.size), g->fetch.size, ip);
	for (size_t i = 0; i < g->accesses.length; i++) {
		r = &g->accesses.items[i];
		/* later iterations of a repeated string instruction are not fetched */
		if (i && facts->repeated && i % facts->repeated == 0)
			put(c, TYPE_NO_FETCH, g->fetch.size, ip);
		put(c, types[r->kind], r->size, r->address);
	}
	return 0;
}

static int drmemtrace_add(struct mem_convert *c, const struct chop_mem_record *r)
{
	struct drmemtrace *state = c->state;

	return gather(c, &state->gathered, r, drmemtrace_emit);
}

static int drmemtrace_end(struct mem_convert *c)
{
	struct drmemtrace *state = c->state;
	int error = gather_end(c, &state->gathered, drmemtrace_emit);

	for (unsigned int i = 0; i <= UINT16_MAX; i++) {
		if (state->met[i])
			put(c, TYPE_THREAD_EXIT, 0, state->first + i);
	}
	put(c, TYPE_FOOTER, 0, 0);
	return error;
}

const struct mem_format mem_format_drmemtrace = {
	.name = "drmemtrace",
	.about = "DynamoRIO drmemtrace, trace_entry_t with encodings (name it .gz)",
	.binary = true,
	.needs_fetch = true,
	.kinds = 1U << CHOP_MEM_READ | 1U << CHOP_MEM_WRITE | 1U << CHOP_MEM_FETCH |
		 1U << CHOP_MEM_PREFETCH | 1U << CHOP_MEM_FLUSH,
	.state_size = sizeof(struct drmemtrace),
	.begin = drmemtrace_begin,
	.add = drmemtrace_add,
	.end = drmemtrace_end,
};
