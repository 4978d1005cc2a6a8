/* SPDX-License-Identifier: Apache-2.0 */
/* /etc/ld.so.cache, the dynamic linker's index of libraries (new format, glibc >= 2.2). */
#ifndef ELF_LDCACHE_H
#define ELF_LDCACHE_H

#include <stddef.h>

#include "base/buf.h"

/*
 * Path of the library of that name in the bytes of a cache file, or NULL. Entries for
 * special hardware (glibc-hwcaps) are passed over. Any bytes are safe.
 */
const char *ldcache_find(const struct buf *cache, const char *name);

#endif
