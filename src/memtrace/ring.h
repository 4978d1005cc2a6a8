/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of the raw stream from the traced code to the writer: a few chunks in shared
 * memory, each followed by a page nobody may write to. Translated code stores without
 * any check; the fault on that page is what hands the chunk over. Between two processes
 * or two threads; one producer, one consumer. A set of rings has a producer each, and one
 * consumer, who gets their chunks in the order in which they were handed over.
 */
#ifndef MEMTRACE_RING_H
#define MEMTRACE_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_CHUNKS 4
/* Larger than any block's words, so that no store of a block can pass it. */
#define RING_GUARD 65536

/* What holds for all words of a chunk. */
struct ring_chunk {
	uint64_t words; /* whole blocks only */
	uint64_t fs_base, gs_base;
	uint32_t thread;
	uint32_t order; /* of a set's ring: number of the chunk among all of the set */
};

struct ring_set;

struct ring {
	_Atomic uint32_t published; /* chunks handed over by the producer */
	_Atomic uint32_t released;  /* chunks given back by the consumer */
	_Atomic uint32_t finished;  /* the producer will publish no more */
	_Atomic uint32_t stop;	    /* the consumer wants no more */
	uint32_t consumer;	    /* process of the consumer, our parent; 0: not to be watched */
	size_t chunk_size;	    /* bytes, without the guard */
	struct ring_chunk chunks[RING_CHUNKS];
	uint8_t *memory;      /* RING_CHUNKS times chunk and guard; same address for both sides */
	size_t mapped;	      /* bytes of the whole mapping, this structure included */
	struct ring_set *set; /* that it belongs to, or NULL */
};

#define RING_SET_MAX 256

/*
 * Where nothing else is as a rule: below the place of programs, in what the layouts of the
 * address, memory and thread sanitizers leave to programs. Large memory that needs to be near
 * nothing goes there, where there is room, and leaves the neighbourhood of code alone.
 */
#define RING_FAR 0x551000000000UL

struct ring_set {
	_Atomic uint32_t bell;	   /* changes with each chunk, and at the end */
	_Atomic uint32_t order;	   /* chunks handed over */
	_Atomic uint32_t used;	   /* rings that may hold some */
	_Atomic uint32_t finished; /* none of the producers will publish more */
	size_t mapped;		   /* bytes of the whole mapping */
	struct ring rings[RING_SET_MAX];
};

/* chunk_size in bytes, a multiple of the page size. NULL when there is no memory. */
struct ring *ring_create(size_t chunk_size);
void ring_free(struct ring *ring);

/* RING_SET_MAX rings, of which memory is only taken when they are used. NULL: no memory. */
struct ring_set *ring_set_create(size_t chunk_size);
void ring_set_free(struct ring_set *set);
/* Producer: ring `number`, ready for use. NULL: its guards cannot be set up. */
struct ring *ring_set_use(struct ring_set *set, uint32_t number);
void ring_set_finish(struct ring_set *set);
/* Consumer: as ring_next; *ring: the ring to release. */
int ring_set_next(struct ring_set *set, struct ring **ring, const uint64_t **words,
		  const struct ring_chunk **facts, unsigned int milliseconds);
/* Consumer: as ring_stop for each. */
void ring_set_stop(struct ring_set *set);

/* Producer. These work in signal handlers and use no thread-local storage. */
uint64_t *ring_start(const struct ring *ring);
/* Where the chunk after the current one begins. */
uint64_t *ring_after(const struct ring *ring);
/*
 * Hand over the words from the current chunk's start to `end`; the words of an unfinished
 * block after it are carried over. Returns where to go on, or NULL when the consumer
 * wants no more: then nothing was handed over. `fault` says whether the guard was reached.
 */
uint64_t *ring_publish(struct ring *ring, const uint64_t *end, bool fault,
		       const struct ring_chunk *facts);
/*
 * The consumer wants no more: begin the chunk again with the words of the unfinished block
 * that begins at `end`. Returns where it begins now.
 */
uint64_t *ring_discard(const struct ring *ring, const uint64_t *end);
/* Whether an address lies in the guard of the chunk being filled. */
bool ring_is_guard(const struct ring *ring, uint64_t address);
/* Whether an address lies in the chunk being filled. */
bool ring_is_chunk(const struct ring *ring, uint64_t address);
void ring_finish(struct ring *ring);

/*
 * Consumer. 1: *words and *facts are the next chunk; ring_release it. 0: the producer
 * has finished. -ETIMEDOUT after `milliseconds` (look whether the producer lives).
 */
int ring_next(struct ring *ring, const uint64_t **words, const struct ring_chunk **facts,
	      unsigned int milliseconds);
void ring_release(struct ring *ring);
void ring_stop(struct ring *ring);

#endif
