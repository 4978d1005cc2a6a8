/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The coding of the raw stream (mem_block.h): what a predictor foresees is not stored.
 *
 * Predictor. For each slot of each block: the value at the block's last execution plus a
 * stride, which becomes v - last whenever two misses in a row have the same difference.
 * For each block: the last two blocks that followed it, the latest first. Everything is
 * unknown (0) at the start of a chunk.
 *
 * Control bytes, one token for each execution that is not foreseen in full:
 *	bits 0-1  which block: 0 and 1 the predicted ones, 2 another, 3 the chunk's end
 *	bit 2     all slots are as predicted
 *	bits 3-7  executions foreseen in full before this one; 31: 31 plus a varint after it
 *	block 2: its number as a varint; then, unless bit 2, a nibble for each slot from 1 on,
 *	low one first: 0 as predicted, else bytes of zigzag(value - prediction), which go,
 *	low ones first, to the value bytes.
 * Varints are LEB128.
 */
#ifndef STORE_MEM_CODEC_H
#define STORE_MEM_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "store/mem_block.h"

/* Words of a chunk at most; a chunk ends at the first block that would pass it. */
#define MEM_CHUNK_WORDS (1U << 20)
/* Bytes the encoder may write, and the decoder read, past what is checked. */
#define MEM_CODEC_SLACK 4096
/* Bytes of control or of values in a chunk at most. */
#define MEM_CHUNK_BYTES (MEM_CHUNK_WORDS * 8)

struct mem_slot {
	uint64_t last, stride;
};

struct mem_follower {
	uint32_t epoch; /* chunk its values belong to */
	uint32_t block[2];
};

struct mem_predictor {
	struct mem_slot *slots;		/* of all blocks, by mem_block.slot0 */
	uint64_t *difference;		/* of the last miss, for each slot */
	uint32_t *slot_epoch;		/* by slot0: chunk the slots belong to */
	struct mem_follower *followers; /* by block */
	uint32_t nslots, nblocks, epoch;
};

void mem_predictor_release(struct mem_predictor *predictor);
/* Make room for more blocks and slots. */
void mem_predictor_grow(struct mem_predictor *predictor, uint32_t nblocks, uint32_t nslots);
/* Forget everything: a new chunk. */
void mem_predictor_reset(struct mem_predictor *predictor);

/* The slots of a block; those not met in this chunk are forgotten first. */
static inline struct mem_slot *mem_slots_of(struct mem_predictor *p, const struct mem_block *block)
{
	struct mem_slot *slots = p->slots + block->slot0;

	if (p->slot_epoch[block->slot0] != p->epoch) {
		memset(slots, 0, block->whole * sizeof(*slots));
		memset(p->difference + block->slot0, 0, block->whole * sizeof(*p->difference));
		p->slot_epoch[block->slot0] = p->epoch;
	}
	return slots;
}

static inline struct mem_follower *mem_follower_of(struct mem_predictor *p, uint32_t block)
{
	struct mem_follower *follower = &p->followers[block];

	if (follower->epoch != p->epoch)
		*follower = (struct mem_follower){ p->epoch, { 0, 0 } };
	return follower;
}

static inline void mem_follower_push(struct mem_follower *follower, uint32_t block)
{
	follower->block[1] = follower->block[0];
	follower->block[0] = block;
}

struct mem_encoder {
	struct mem_predictor predictor;
	uint8_t *control, *values; /* MEM_CHUNK_BYTES + MEM_CODEC_SLACK each */
	uint8_t *control_at, *values_at;
	uint64_t foreseen;
	uint32_t previous; /* block */
};

void mem_encoder_init(struct mem_encoder *encoder);
void mem_encoder_release(struct mem_encoder *encoder);
/* A new chunk: forget what was encoded and learned. */
void mem_encoder_begin(struct mem_encoder *encoder);
/* The block that is foreseen next, 0 for none. */
static inline uint32_t mem_encoder_expects(const struct mem_encoder *e)
{
	const struct mem_follower *follower = &e->predictor.followers[e->previous];

	return follower->epoch == e->predictor.epoch ? follower->block[0] : 0;
}

/*
 * Add an execution of the block that is expected, whose `nslots` slots begin at `slot0`, if
 * its slots are as foreseen too. Otherwise nothing happens; mem_encoder_add it.
 */
static inline bool mem_encoder_foresee(struct mem_encoder *e, uint32_t number, uint32_t slot0,
				       unsigned int nslots, const uint64_t *words)
{
	struct mem_slot *slots = e->predictor.slots + slot0;

	if (e->predictor.slot_epoch[slot0] != e->predictor.epoch)
		return false;
	for (unsigned int i = 1; i < nslots; i++) {
		uint64_t value = slots[i].last + slots[i].stride;

		if (value != words[i]) {
			while (--i)
				slots[i].last -= slots[i].stride;
			return false;
		}
		slots[i].last = value;
	}
	e->previous = number;
	e->foreseen++;
	return true;
}

/* Add one execution of block `number`, described by `block`; its words begin at `words`. */
void mem_encoder_add(struct mem_encoder *encoder, const struct mem_block *block, uint32_t number,
		     const uint64_t *words);
/* End the chunk: control..control_at and values..values_at are it. */
void mem_encoder_end(struct mem_encoder *encoder);

struct mem_decoder {
	struct mem_predictor predictor;
	const struct mem_tables *tables;
	const uint8_t *control, *control_end, *values, *values_end;
	uint64_t foreseen; /* executions to come */
	uint32_t previous;
	bool pending; /* a token was read but not yet used */
	bool damaged; /* the data make no sense; for good */
	uint8_t token;
	uint64_t number;		  /* block the token names itself */
	uint64_t slots[MEM_SLOT_MAX + 1]; /* of the execution decoded last; slot 0 is 0 */
};

#define MEM_TOKEN_OTHER 2
#define MEM_TOKEN_END	3
#define MEM_TOKEN_SLOTS 4 /* all as predicted */
#define MEM_DAMAGED	UINT32_MAX

void mem_decoder_release(struct mem_decoder *decoder);
/*
 * Begin a chunk; both areas must be followed by MEM_CODEC_SLACK readable bytes. The
 * tables must hold all blocks the chunk may name.
 */
void mem_decoder_begin(struct mem_decoder *decoder, const struct mem_tables *tables,
		       const uint8_t *control, size_t control_size, const uint8_t *values,
		       size_t values_size);
/*
 * The next execution: its block's number, its slots in decoder->slots; 0 at the end of
 * the chunk, MEM_DAMAGED when the data are damaged.
 */
uint32_t mem_decoder_next(struct mem_decoder *decoder);

/* What mem_decoder_next consists of, for those who take the values where the predictor has them. */

/* Read a token and the run before it; false: damaged. */
bool mem_decoder_token(struct mem_decoder *decoder);
/* The block the token is about, 0 at the chunk's end, or MEM_DAMAGED. */
uint32_t mem_decoder_named(struct mem_decoder *decoder);
/* The slots of the token's execution, which are not all as predicted; false: damaged. */
bool mem_decoder_differ(struct mem_decoder *decoder, struct mem_slot *slots, uint64_t *difference,
			unsigned int nslots);

/* The next execution's block, without taking it; 0 at the chunk's end, or MEM_DAMAGED. */
static inline uint32_t mem_decoder_peek(struct mem_decoder *d)
{
	const struct mem_follower *follower;

	if (!d->pending && !mem_decoder_token(d))
		return MEM_DAMAGED;
	if (!d->foreseen)
		return mem_decoder_named(d);
	follower = &d->predictor.followers[d->previous];
	return follower->epoch == d->predictor.epoch && follower->block[0] ? follower->block[0]
									   : MEM_DAMAGED;
}

/* Take what mem_decoder_peek gave. Its slots' values are in `last`; NULL: damaged. */
static inline const struct mem_slot *mem_decoder_take(struct mem_decoder *d, uint32_t number,
						      const struct mem_block *block)
{
	struct mem_slot *slots = mem_slots_of(&d->predictor, block);
	bool differ = false;

	if (d->foreseen) {
		d->foreseen--;
	} else {
		if (d->token & 3)
			mem_follower_push(mem_follower_of(&d->predictor, d->previous), number);
		differ = !(d->token & MEM_TOKEN_SLOTS);
		d->pending = false;
	}
	d->previous = number;
	if (differ)
		return mem_decoder_differ(d, slots, d->predictor.difference + block->slot0,
					  block->nslots)
			       ? slots
			       : NULL;
	for (unsigned int i = 1; i < block->nslots; i++)
		slots[i].last += slots[i].stride;
	return slots;
}

#endif
