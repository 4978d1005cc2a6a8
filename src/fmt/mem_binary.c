// SPDX-License-Identifier: Apache-2.0
/* Binary formats of records: Dinero IV, gem5, libCacheSim. */
#include "fmt/mem_format.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/map.h"

#define BIT(kind) (1U << CHOP_MEM_##kind)
#define DATA	  (BIT(READ) | BIT(WRITE))

/*
 * ---- Dinero IV, -informat b: u32 address, u16 size, u8 type, u8 0 (binaryfmt.c and d4.h of
 * version 7). Compiled for 64 bits it extends the address by its sign; lines stay different.
 */

static int din_binary_add(struct mem_convert *c, const struct chop_mem_record *r)
{
	struct {
		uint32_t address;
		uint16_t size;
		uint8_t kind, pad;
	} record = { (uint32_t)r->address, (uint16_t)r->size, r->kind, 0 };

	if (r->address > UINT32_MAX || r->size > UINT16_MAX)
		return err_set(CHOP_USAGE, EOVERFLOW,
			       "Dinero's binary format has 32-bit addresses, this trace has %#lx; "
			       "--to xdin holds it",
			       r->address);
	mem_out_add(&c->out, &record, sizeof(record));
	return 0;
}

const struct mem_format mem_format_din_binary = {
	.name = "din-binary",
	.about = "Dinero IV, binary (-informat b), 32-bit addresses only",
	.binary = true,
	.kinds = DATA | BIT(FETCH),
	.add = din_binary_add,
};

/* ---- gem5 packet trace: src/proto/packet.proto, src/proto/protoio.hh */

#define GEM5_MAGIC	"gem5"
#define GEM5_FREQUENCY	1000000000000ULL /* ticks a second */
#define GEM5_READ	1		 /* MemCmd::ReadReq */
#define GEM5_WRITE	4		 /* MemCmd::WriteReq */
#define GEM5_INST_FETCH 0x100		 /* Request::INST_FETCH */

enum { WIRE_VARINT = 0, WIRE_BYTES = 2 };

static uint8_t *put_varint(uint8_t *at, uint64_t value)
{
	for (; value >= 128; value >>= 7)
		*at++ = (uint8_t)(value | 128);
	*at++ = (uint8_t)value;
	return at;
}

static uint8_t *put_field(uint8_t *at, unsigned int number, uint64_t value)
{
	return put_varint(put_varint(at, number << 3 | WIRE_VARINT), value);
}

static void put_message(struct mem_convert *c, const uint8_t *message, size_t length)
{
	uint8_t head[10];

	mem_out_add(&c->out, head, (size_t)(put_varint(head, length) - head));
	mem_out_add(&c->out, message, length);
}

/* PacketHeader: obj_id 1, ver 2, tick_freq 3 */
static int gem5_begin(struct mem_convert *c)
{
	static const char name[] = "chop";
	uint8_t message[64], *at = message;

	mem_out_add(&c->out, GEM5_MAGIC, 4);
	at = put_varint(at, 1 << 3 | WIRE_BYTES);
	at = put_varint(at, sizeof(name) - 1);
	memcpy(at, name, sizeof(name) - 1);
	at = put_field(at + sizeof(name) - 1, 2, 0);
	at = put_field(at, 3, GEM5_FREQUENCY);
	put_message(c, message, (size_t)(at - message));
	return 0;
}

/* Packet: tick 1, cmd 2, addr 3, size 4, flags 5, pkt_id 6, pc 7 */
static int gem5_add(struct mem_convert *c, const struct chop_mem_record *r)
{
	uint8_t message[80], *at = message;

	at = put_field(at, 1, c->instruction * c->options.tick);
	at = put_field(at, 2, r->kind == CHOP_MEM_WRITE ? GEM5_WRITE : GEM5_READ);
	at = put_field(at, 3, r->address);
	at = put_field(at, 4, r->size);
	at = put_field(at, 5, r->kind == CHOP_MEM_FETCH ? GEM5_INST_FETCH : 0);
	at = put_field(at, 6, c->records);
	at = put_field(at, 7, r->ip);
	put_message(c, message, (size_t)(at - message));
	return 0;
}

const struct mem_format mem_format_gem5 = {
	.name = "gem5",
	.about = "packet trace for gem5's traffic generator (protobuf; name it .gz to compress)",
	.binary = true,
	.kinds = DATA | BIT(FETCH),
	.begin = gem5_begin,
	.add = gem5_add,
};

/*
 * ---- libCacheSim oracleGeneral: u32 time, u64 object, u32 size, i64 number of the next
 * request for the object, counted from 1, or -1 (traceReader/customizedReader/oracle/
 * oracleGeneralBin.h and bin/traceUtils/traceConvOracleGeneral.cpp of libCacheSim's
 * repository; 24 bytes, packed). Objects are cache lines; the time is the
 * number of the instruction in thousands. The next request is filled in when it comes.
 */

#define ORACLE_SIZE  24
#define ORACLE_NEXT  16 /* offset of the last field */
#define ORACLE_BATCH (MEM_OUT_SIZE / ORACLE_SIZE * ORACLE_SIZE)

struct oracle {
	struct map last; /* object -> number of its last request, from 1 */
	uint64_t count;
};

static int oracle_patch(struct mem_convert *c, uint64_t number, int64_t next)
{
	uint64_t offset = (number - 1) * ORACLE_SIZE + ORACLE_NEXT;
	int error;

	if (offset >= c->out.written) {
		memcpy(c->out.buffer + (offset - c->out.written), &next, sizeof(next));
		return 0;
	}
	error = io_pwrite(c->out.fd, &next, sizeof(next), offset);
	return error ? err_sys(CHOP_USAGE, -error, "cannot write %s", c->out.name) : 0;
}

static int oracle_request(struct mem_convert *c, uint64_t object)
{
	struct oracle *state = c->state;
	uint32_t time = (uint32_t)(c->instruction / 1000), size = (uint32_t)c->options.block;
	int64_t none = -1;
	uint64_t last;
	uint8_t *at;
	int error = 0;

	state->count++;
	if (map_get(&state->last, object, &last))
		error = oracle_patch(c, last, (int64_t)state->count);
	map_put(&state->last, object, state->count);
	at = mem_out_room(&c->out, ORACLE_SIZE);
	memcpy(at, &time, 4);
	memcpy(at + 4, &object, 8);
	memcpy(at + 12, &size, 4);
	memcpy(at + ORACLE_NEXT, &none, 8);
	mem_out_take(&c->out, ORACLE_SIZE);
	return error;
}

static int oracle_add(struct mem_convert *c, const struct chop_mem_record *r)
{
	uint64_t block = c->options.block, last = r->address + (r->size ? r->size - 1 : 0);
	int error = 0;

	for (uint64_t i = r->address / block; i <= last / block && !error; i++)
		error = oracle_request(c, i);
	return error;
}

static int oracle_end(struct mem_convert *c)
{
	struct oracle *state = c->state;

	map_release(&state->last);
	return 0;
}

const struct mem_format mem_format_oracle = {
	.name = "oracle-general",
	.about = "libCacheSim oracleGeneral; a request for each cache line (--block)",
	.binary = true,
	.needs_file = true,
	.kinds = DATA | BIT(FETCH),
	.state_size = sizeof(struct oracle),
	.add = oracle_add,
	.end = oracle_end,
};
