/* SPDX-License-Identifier: Apache-2.0 */
/* Executable and libraries of a traced program, as its dynamic linker lists them. */
#ifndef TRACEE_MODULES_H
#define TRACEE_MODULES_H

#include "elf/image.h"
#include "tracee/tracee.h"

struct module {
	char *path;	     /* of the file; owned */
	char *name;	     /* as the link map calls it, "" for the program; owned */
	uint64_t bias;	     /* run-time address - address in the file */
	uint64_t dynamic;    /* run-time address of its .dynamic; 0 when not known */
	uint64_t link_map;   /* run-time address of its entry; 0 for static programs */
	uint64_t start, end; /* run-time addresses it spans; 0 until its image is open */
	bool listed;	     /* scratch for modules_update */
	bool relocated;	     /* its relocations are done */
	bool unwinder;	     /* clock_watch_unwinder has seen it */
	bool opened;
	int open_error; /* -errno when it could not be opened */
	struct image image;
};

/* After an exec: the program, and where its dynamic linker tells of modules. */
int modules_init(struct tracee *tracee);
/*
 * At the notification point: read the link map. True when it is consistent, so that
 * new modules may be looked at; the first time, tracee->loaded becomes true.
 */
bool modules_update(struct tracee *tracee);
void modules_release(struct tracee *tracee);
/* Its image, opened on first use; NULL with a message recorded. */
struct image *module_image(struct module *module);
/* Whether NAME means it: its path, file name, link-map name, or "libz" for libz.so.1. */
bool module_is(const struct module *module, const char *name);
const char *module_file_name(const struct module *module);
/* The module that holds a run-time address, or NULL. */
struct module *module_at(struct tracee *tracee, uint64_t address);
/* "deflate+0x12 (libz.so.1)" or the address; caller frees. */
char *module_describe(struct tracee *tracee, uint64_t address);

#endif
