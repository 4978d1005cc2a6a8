/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses at which a region begins or ends the Nth time they are reached. */
#ifndef CAPTURE_TALLY_H
#define CAPTURE_TALLY_H

#include "tracee/tracee.h"

struct tally {
	uint64_t address;
	unsigned int counter;	   /* of its jump (trampoline.h); 0: it gets none */
	uint64_t stopped;	   /* times reached that its jump has not counted */
	uint64_t seen;		   /* time of the last stop there */
	bool begins, ends;	   /* each time, too */
	struct u64vec begin_times; /* a region begins the time, from 1 */
	struct u64vec end_times;
};

struct tallies VEC_BODY(struct tally);

void tallies_release(struct tallies *tallies);
struct tally *tallies_find(const struct tallies *tallies, uint64_t address);
/* The place for an address; new ones have no counts yet. */
struct tally *tallies_add(struct tallies *tallies, uint64_t address);

/* Times reached so far. */
uint64_t tally_reached(const struct tally *tally, const struct tracee *tracee);
/* A thread has stopped there: which time that is. */
uint64_t tally_hit(struct tally *tally, const struct tracee *tracee);
bool tally_begins(const struct tally *tally, uint64_t time);
bool tally_ends(const struct tally *tally, uint64_t time);
/* Regions that have begun there up to a time. */
uint64_t tally_begun(const struct tally *tally, uint64_t time);
/* The next time after `time` at which a region begins; UINT64_MAX for none. */
uint64_t tally_next_begin(const struct tally *tally, uint64_t time);
/* Whether it can end a region after `time`. */
bool tally_can_end(const struct tally *tally, uint64_t time);

#endif
