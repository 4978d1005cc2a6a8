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

#define HWCAPS "/glibc-hwcaps/"

static const char magic[] = "glibc-ld.so.cache1.1";

static const char *text_at(const char *data, size_t size, uint32_t offset)
{
	if (offset >= size || !memchr(data + offset, 0, size - offset))
		return NULL;
	return data + offset;
}

/*
 * How good an entry is: 0 for unusable, 1 for any hardware, higher for better levels. The
 * level is a directory of the path, .../glibc-hwcaps/LEVEL/NAME.
 */
static size_t quality(const struct entry *entry, const char *path, const char *const *levels)
{
	const char *directory = path ? strstr(path, HWCAPS) : NULL;
	size_t count = 0, length;

	if (!path || entry->flags != CHOP_LD_CACHE_FLAGS)
		return 0;
	if (!directory)
		return !entry->hwcap;
	directory += sizeof(HWCAPS) - 1;
	length = strcspn(directory, "/");
	while (levels && levels[count])
		count++;
	for (size_t i = 0; i < count; i++) {
		if (strlen(levels[i]) == length && !strncmp(levels[i], directory, length))
			return 1 + count - i;
	}
	return 0;
}

const char *ldcache_find(const struct buf *cache, const char *name, const char *const *levels)
{
	const char *data, *best = NULL;
	size_t size, best_quality = 0;
	struct header header;

	/* Old caches have the old format in front. */
	data = cache->data ? memmem(cache->data, cache->length, magic, sizeof(magic) - 1) : NULL;
	if (!data)
		return NULL;
	size = cache->length - (size_t)(data - cache->data);
	if (size < sizeof(header))
		return NULL;
	memcpy(&header, data, sizeof(header));
	if (header.count > (size - sizeof(header)) / sizeof(struct entry))
		return NULL;
	for (uint32_t i = 0; i < header.count; i++) {
		struct entry entry;
		const char *text, *path;

		memcpy(&entry, data + sizeof(header) + i * sizeof(entry), sizeof(entry));
		text = text_at(data, size, entry.name);
		if (!text || strcmp(text, name))
			continue;
		path = text_at(data, size, entry.path);
		if (quality(&entry, path, levels) > best_quality) {
			best_quality = quality(&entry, path, levels);
			best = path;
		}
	}
	return best;
}
