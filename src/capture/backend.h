/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A back end catches the pages that a region touches, each with its content at entry.
 * Between begin and end the owner thread runs, other threads stand still, and whatever
 * reads or writes the program's memory from outside must call make_present first.
 */
#ifndef CAPTURE_BACKEND_H
#define CAPTURE_BACKEND_H

#include "store/capture.h"
#include "tracee/tracee.h"

struct backend;

/* Bytes that changed; anything but 0 ends the walk and is returned. */
typedef int backend_change_fn(void *context, uint64_t address, const uint8_t *bytes, size_t size);

struct backend_ops {
	const char *name;
	/*
	 * Once for each program image, with a thread that can make calls. 0 or -errno with
	 * a message (status CHOP_MISSING where this machine does not allow it).
	 */
	int (*open)(struct tracee *tracee, struct thread *thread, struct backend **backend);
	void (*close)(struct backend *backend);
	/*
	 * Arm. capture->maps is filled in; pages are recorded in capture->pages from now on.
	 * 0 or -errno with a message, everything as before then.
	 */
	int (*begin)(struct backend *backend, struct thread *owner, struct capture *capture);
	/* Make the page at an address readable and writable for us, recording it. */
	int (*make_present)(struct backend *backend, uint64_t address);
	/*
	 * For a back end under which the kernel cannot get at what the region has not touched
	 * (NULL: no such). The kernel may access [start, end) soon, on the owner's behalf. What
	 * it does not access, as far as make_present tells by the second `ready`, counts as
	 * untouched.
	 */
	void (*expect)(struct backend *backend, uint64_t start, uint64_t end);
	/*
	 * Have the kernel get at all that is expected, present or (after a snapshot) there is at
	 * all; `thread` is at a stop where it can make calls. `pending`: that takes calls. To be
	 * called again when the kernel has done it. 0 or -errno.
	 */
	bool (*pending)(struct backend *backend);
	int (*ready)(struct backend *backend, struct thread *thread);
	/*
	 * Remember what the program's memory holds; then, with all its threads standing
	 * still, give every byte that differs from that, and forget. 0 or -errno.
	 */
	int (*snapshot)(struct backend *backend);
	int (*changes)(struct backend *backend, backend_change_fn *change, void *context);
	/* Give every page of [start, end) that is present now, from memory mapped since. */
	int (*present)(struct backend *backend, uint64_t start, uint64_t end,
		       backend_change_fn *page, void *context);
	/*
	 * The owner is about to change what is mapped in [start, end): have its true memory
	 * there; with `moves` its contents will go to another address, and are recorded now.
	 * It is at a stop where it can make calls, other threads stand still. After
	 * the call, settle: the memory of entry is `gone` from there, or (the call failed,
	 * or changed only protections) still is there. 0 or -errno with a message.
	 */
	int (*release)(struct backend *backend, struct thread *owner, uint64_t start, uint64_t end,
		       bool moves);
	int (*settle)(struct backend *backend, uint64_t start, uint64_t end, bool gone);
	/*
	 * Put the program's memory back as it was; with `keep`, complete capture->pages
	 * (not sorted) first. The owner is at a stop where it can make calls. 0 or -errno.
	 */
	int (*end)(struct backend *backend, struct thread *owner, bool keep);
	/*
	 * The program runs again: what of the capture could wait, when `end` has kept it. NULL
	 * where nothing can. 0 or -errno with a message.
	 */
	int (*complete)(struct backend *backend, struct capture *capture);
	/* The program died in between: forget. */
	void (*drop)(struct backend *backend);
	/* A mapping of ours in the program is at that address while armed; NULL: there are none. */
	bool (*owns)(struct backend *backend, uint64_t address);
	/* CPU our own helpers should run on while the region runs; -1 for any. */
	void (*pin)(struct backend *backend, int cpu);
};

struct backend {
	const struct backend_ops *ops;
	struct tracee *tracee;
	/* Descriptors that must not be closed before the program is gone, if we are killed. */
	int held[2];
	size_t held_count;
};

extern const struct backend_ops uffd_backend, clone_backend, mprotect_backend;

#endif
