/* SPDX-License-Identifier: Apache-2.0 */
/* /etc/ld.so.cache, the dynamic linker's index of libraries (new format, glibc >= 2.2). */
#ifndef ELF_LDCACHE_H
#define ELF_LDCACHE_H

#include <stddef.h>

#include "base/buf.h"

/*
 * Path of the library of that name in the bytes of a cache file, or NULL: from the first of
 * the `levels` of glibc-hwcaps (NULL-terminated; may be NULL) that has it, or the one for any
 * hardware. Any bytes are safe.
 */
const char *ldcache_find(const struct buf *cache, const char *name, const char *const *levels);

#endif
