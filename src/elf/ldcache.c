// SPDX-License-Identifier: Apache-2.0
#include "elf/ldcache.h"

#include <stdint.h>
#include <string.h>

#include <chop/arch.h>

/* dl-cache.h of glibc: offsets of strings count from the start of this header. */
struct header {
	char magic[20];
	uint32_t count, strings_size;
	uint8_t flags, padding[3];
	uint32_t extensions, unused[3];
};

struct entry {
	int32_t flags;
	uint32_t name, path;
	uint32_t os_version;
	uint64_t hwcap;
};

static const char magic[] = "glibc-ld.so.cache1.1";

static const char *text_at(const char *data, size_t size, uint32_t offset)
{
	if (offset >= size || !memchr(data + offset, 0, size - offset))
		return NULL;
	return data + offset;
}

const char *ldcache_find(const struct buf *cache, const char *name)
{
	struct header header;
	struct entry entry;
	const char *data;
	size_t size;

	/* Old caches have the old format in front. */
	data = cache->data ? memmem(cache->data, cache->length, magic, sizeof(magic) - 1) : NULL;
	if (!data)
		return NULL;
	size = cache->length - (size_t)(data - cache->data);
	if (size < sizeof(header))
		return NULL;
	memcpy(&header, data, sizeof(header));
	if (header.count > (size - sizeof(header)) / sizeof(entry))
		return NULL;
	for (uint32_t i = 0; i < header.count; i++) {
		const char *text;

		memcpy(&entry, data + sizeof(header) + i * sizeof(entry), sizeof(entry));
		text = text_at(data, size, entry.name);
		if (entry.flags == CHOP_LD_CACHE_FLAGS && !entry.hwcap && text &&
		    !strcmp(text, name))
			return text_at(data, size, entry.path);
	}
	return NULL;
}
