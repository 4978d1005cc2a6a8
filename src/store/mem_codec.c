// SPDX-License-Identifier: Apache-2.0
#include "store/mem_codec.h"

#include <string.h>

#include "base/alloc.h"

#define TOKEN_RUN_MAX 31

/* ---- predictor */

void mem_predictor_release(struct mem_predictor *p)
{
	free(p->slots);
	free(p->difference);
	free(p->slot_epoch);
	free(p->followers);
	memset(p, 0, sizeof(*p));
}

void mem_predictor_grow(struct mem_predictor *p, uint32_t nblocks, uint32_t nslots)
{
	uint32_t slots = p->nslots, blocks = p->nblocks;

	if (nslots > slots) {
		p->nslots = nslots > 2 * slots ? nslots : 2 * slots;
		p->slots = xreallocarray(p->slots, p->nslots, sizeof(*p->slots));
		p->difference = xreallocarray(p->difference, p->nslots, sizeof(*p->difference));
		p->slot_epoch = xreallocarray(p->slot_epoch, p->nslots, sizeof(*p->slot_epoch));
		memset(p->slot_epoch + slots, 0, (p->nslots - slots) * sizeof(*p->slot_epoch));
	}
	if (nblocks > blocks) {
		p->nblocks = nblocks > 2 * blocks ? nblocks : 2 * blocks;
		p->followers = xreallocarray(p->followers, p->nblocks, sizeof(*p->followers));
		memset(p->followers + blocks, 0, (p->nblocks - blocks) * sizeof(*p->followers));
	}
}

void mem_predictor_reset(struct mem_predictor *p)
{
	if (++p->epoch)
		return;
	/* after 2^32 chunks the old marks would look new */
	memset(p->slot_epoch, 0, p->nslots * sizeof(*p->slot_epoch));
	memset(p->followers, 0, p->nblocks * sizeof(*p->followers));
	p->epoch = 1;
}

/* After a miss of a slot. */
static void learn(struct mem_slot *slot, uint64_t *difference, uint64_t value)
{
	uint64_t change = value - slot->last;

	if (change == *difference)
		slot->stride = change;
	*difference = change;
	slot->last = value;
}

static uint64_t zigzag(uint64_t value)
{
	return value << 1 ^ (uint64_t)((int64_t)value >> 63);
}

static uint64_t unzigzag(uint64_t value)
{
	return value >> 1 ^ -(value & 1);
}

/* ---- encoder */

void mem_encoder_init(struct mem_encoder *e)
{
	memset(e, 0, sizeof(*e));
	e->control = xmalloc(MEM_CHUNK_BYTES + MEM_CODEC_SLACK);
	e->values = xmalloc(MEM_CHUNK_BYTES + MEM_CODEC_SLACK);
	mem_encoder_begin(e);
}

void mem_encoder_release(struct mem_encoder *e)
{
	mem_predictor_release(&e->predictor);
	free(e->control);
	free(e->values);
}

void mem_encoder_begin(struct mem_encoder *e)
{
	mem_predictor_reset(&e->predictor);
	e->control_at = e->control;
	e->values_at = e->values;
	e->foreseen = 0;
	e->previous = 0;
}

static uint8_t *put_varint(uint8_t *at, uint64_t value)
{
	for (; value >= 128; value >>= 7)
		*at++ = (uint8_t)(value | 128);
	*at++ = (uint8_t)value;
	return at;
}

static void put_token(struct mem_encoder *e, unsigned int token)
{
	uint64_t run = e->foreseen;

	e->foreseen = 0;
	if (run < TOKEN_RUN_MAX) {
		*e->control_at++ = (uint8_t)(token | run << 3);
		return;
	}
	*e->control_at++ = (uint8_t)(token | TOKEN_RUN_MAX << 3);
	e->control_at = put_varint(e->control_at, run - TOKEN_RUN_MAX);
}

/* The nibbles and values of an execution whose slots were not all foreseen. */
static void put_slots(struct mem_encoder *e, struct mem_slot *slots, uint64_t *difference,
		      const uint64_t *words, unsigned int count)
{
	uint8_t *control = e->control_at, *values = e->values_at;

	for (unsigned int i = 1; i < count; i++) {
		uint64_t miss = words[i] - (slots[i].last + slots[i].stride);
		unsigned int nibble = 0;

		if (miss) {
			miss = zigzag(miss);
			nibble = 8 - (unsigned int)__builtin_clzll(miss) / 8;
			memcpy(values, &miss, 8);
			values += nibble;
			learn(&slots[i], &difference[i], words[i]);
		} else {
			slots[i].last = words[i];
		}
		if (i & 1)
			*control = (uint8_t)nibble;
		else
			*control++ |= (uint8_t)(nibble << 4);
	}
	e->control_at = control + !(count & 1);
	e->values_at = values;
}

void mem_encoder_add(struct mem_encoder *e, const struct mem_block *block, uint32_t number,
		     const uint64_t *words)
{
	struct mem_slot *slots = mem_slots_of(&e->predictor, block);
	struct mem_follower *follower = mem_follower_of(&e->predictor, e->previous);
	unsigned int token, count = block->nslots;
	uint64_t miss = 0;

	for (unsigned int i = 1; i < count; i++)
		miss |= words[i] ^ (slots[i].last + slots[i].stride);
	e->previous = number;
	if (!miss && follower->block[0] == number) {
		for (unsigned int i = 1; i < count; i++)
			slots[i].last = words[i];
		e->foreseen++;
		return;
	}
	token = follower->block[0] == number   ? 0
		: follower->block[1] == number ? 1
					       : MEM_TOKEN_OTHER;
	if (token)
		mem_follower_push(follower, number);
	put_token(e, token | (miss ? 0 : MEM_TOKEN_SLOTS));
	if (token == MEM_TOKEN_OTHER)
		e->control_at = put_varint(e->control_at, number);
	if (miss) {
		put_slots(e, slots, e->predictor.difference + block->slot0, words, count);
		return;
	}
	for (unsigned int i = 1; i < count; i++)
		slots[i].last = words[i];
}

void mem_encoder_end(struct mem_encoder *e)
{
	put_token(e, MEM_TOKEN_END);
}

/* ---- decoder */

void mem_decoder_release(struct mem_decoder *d)
{
	mem_predictor_release(&d->predictor);
}

void mem_decoder_begin(struct mem_decoder *d, const struct mem_tables *tables,
		       const uint8_t *control, size_t control_size, const uint8_t *values,
		       size_t values_size)
{
	d->tables = tables;
	mem_predictor_grow(&d->predictor, tables->nblocks, tables->nslots);
	mem_predictor_reset(&d->predictor);
	d->control = control;
	d->control_end = control + control_size;
	d->values = values;
	d->values_end = values + values_size;
	d->foreseen = 0;
	d->previous = 0;
	d->pending = d->damaged = false;
	d->slots[0] = 0;
}

static bool get_varint(struct mem_decoder *d, uint64_t *value)
{
	*value = 0;
	for (unsigned int shift = 0; shift < 64 && d->control < d->control_end; shift += 7) {
		uint8_t byte = *d->control++;

		*value |= (uint64_t)(byte & 127) << shift;
		if (!(byte & 128))
			return true;
	}
	return false;
}

bool mem_decoder_differ(struct mem_decoder *d, struct mem_slot *slots, uint64_t *difference,
			unsigned int nslots)
{
	static const uint64_t masks[9] = {
		0,	    0xff,	  0xffff,	  0xffffff,
		0xffffffff, 0xffffffffff, 0xffffffffffff, 0xffffffffffffff,
		~0ULL
	};
	const uint8_t *control = d->control, *values = d->values;

	for (unsigned int i = 1; i < nslots; i++) {
		unsigned int nibble = i & 1 ? *control & 15 : *control++ >> 4;
		uint64_t value = slots[i].last + slots[i].stride, miss;

		if (nibble) {
			if (nibble > 8) {
				d->damaged = true;
				return false;
			}
			memcpy(&miss, values, 8);
			value += unzigzag(miss & masks[nibble]);
			values += nibble;
			learn(&slots[i], &difference[i], value);
		} else {
			slots[i].last = value;
		}
	}
	d->control = control + !(nslots & 1);
	d->values = values;
	d->damaged = d->control > d->control_end || values > d->values_end;
	return !d->damaged;
}

bool mem_decoder_token(struct mem_decoder *d)
{
	uint64_t more = 0;

	if (d->damaged || d->control >= d->control_end)
		return false;
	d->token = *d->control++;
	d->foreseen = d->token >> 3;
	if (d->foreseen == TOKEN_RUN_MAX && !get_varint(d, &more))
		return false;
	d->foreseen += more;
	if ((d->token & 3) == MEM_TOKEN_OTHER && !get_varint(d, &d->number))
		return false;
	d->pending = true;
	return true;
}

uint32_t mem_decoder_named(struct mem_decoder *d)
{
	unsigned int which = d->token & 3;
	uint64_t number = d->number;

	if (which == MEM_TOKEN_END)
		return d->control == d->control_end && d->values == d->values_end ? 0 : MEM_DAMAGED;
	if (which != MEM_TOKEN_OTHER)
		number = mem_follower_of(&d->predictor, d->previous)->block[which];
	return number && number < d->tables->nblocks ? (uint32_t)number : MEM_DAMAGED;
}

uint32_t mem_decoder_next(struct mem_decoder *d)
{
	uint32_t number = mem_decoder_peek(d);
	const struct mem_block *block = &d->tables->blocks[number];
	const struct mem_slot *slots;

	if (!number || number == MEM_DAMAGED)
		return number;
	slots = mem_decoder_take(d, number, block);
	if (!slots)
		return MEM_DAMAGED;
	for (unsigned int i = 1; i < block->nslots; i++)
		d->slots[i] = slots[i].last;
	return number;
}
