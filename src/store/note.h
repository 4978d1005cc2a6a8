/* SPDX-License-Identifier: Apache-2.0 */
/* The note `chop` of a capture's core files (<chop/capture.h>). */
#ifndef STORE_NOTE_H
#define STORE_NOTE_H

#include <chop/capture.h>

#include "base/buf.h"
#include "store/capture.h"

/* Is the page part of that moment's core file? */
bool note_has_page(const struct capture_page *page, enum chop_capture_moment moment);

/* Append the note's contents for one moment of a capture. */
void note_write(const struct capture *capture, enum chop_capture_moment moment, struct buf *out);

/*
 * Check the contents of a note and take from them what they say of the region, the thread
 * and, in capture->pages (which must be sorted), the properties of pages. `file` is for
 * messages. 0 or -EBADMSG with a message recorded.
 */
int note_read(const void *data, size_t size, const char *file, enum chop_capture_moment moment,
	      struct capture *capture);

#endif
