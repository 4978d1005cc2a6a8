/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A trace directory: trace.json, N.core, N.end.core, N.maps, ... (chop-capture(5)).
 * trace.json is written last and atomically: a directory without it is incomplete and
 * every reader says so. An interrupted trace still gets its index, marked interrupted.
 */
#ifndef STORE_TRACEDIR_H
#define STORE_TRACEDIR_H

#include <stdbool.h>
#include <stdint.h>

#include "store/capture.h"
#include "store/member.h"

/* The files of one capture; tracedir_member_path() gives their names. */
enum tracedir_member {
	MEMBER_CORE,  /* N.core */
	MEMBER_END,   /* N.end.core */
	MEMBER_MAPS,  /* N.maps */
	MEMBER_FIRST, /* N.first, when the order of first touches is known */
	MEMBER_CALLS, /* N.sys, when there were system calls or signals */
	MEMBERS
};

struct tracedir; /* a directory being written */

struct tracedir_options {
	const char *command_line; /* ours, for the index */
	const char *program;	  /* traced program's path */
	enum member_form form;	  /* of the members; with `chopstix` plain or gzip */
	bool chopstix;		  /* ChopStiX's layout instead (store/chopstix.h) */
};

/* Create the directory, which must not exist. 0 or -errno, message recorded. */
int tracedir_create(const char *path, const struct tracedir_options *options,
		    struct tracedir **dir);
/* Write one capture's members; capture->id must be new in this directory. */
int tracedir_add(struct tracedir *dir, const struct capture *capture);
/*
 * Write the index and release, whatever happens. With no capture added and remove_if_empty,
 * the directory is removed again instead. `interrupted` is a sentence or NULL. Without the
 * index the directory is incomplete: on failure the message says so.
 */
int tracedir_finish(struct tracedir *dir, bool remove_if_empty, const char *interrupted);

/* What the index says of one capture, without reading its members. */
struct tracedir_entry {
	unsigned int id;
	uint64_t invocation, pages, written; /* pages: touched ones */
	char *function;			     /* or NULL; owned */
	uint32_t members;		     /* bit 1 << enum tracedir_member for each */
	struct member_sum sums[MEMBERS];
	struct warning_vec warnings; /* sentences; owned */
};

struct tracedir_index {
	char *path;	   /* owned */
	char *program;	   /* owned */
	char *interrupted; /* sentence or NULL; owned */
	struct tracedir_entry_vec VEC_BODY(struct tracedir_entry) captures;
};

/* Read the index; 0 or -errno with a message recorded. */
int tracedir_open(const char *path, struct tracedir_index *index);
void tracedir_index_release(struct tracedir_index *index);
/*
 * Read capture `id`; 0 or -errno with a message recorded. Every byte is checked: sums over
 * each member, and everything in them for sense.
 */
int tracedir_read(const struct tracedir_index *index, unsigned int id, struct capture *capture);
/* The same for what it was at its begin alone: nothing of the end, the calls, the order. */
int tracedir_read_begin(const struct tracedir_index *index, unsigned int id,
			struct capture *capture);

/* DIR/N.core and the like, without .zst or .gz. Caller frees. */
char *tracedir_member_path(const char *path, unsigned int id, enum tracedir_member member);

#endif
