// SPDX-License-Identifier: Apache-2.0
#include "store/mem_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "store/mem_codec.h"

/* Code of a traced region at most: guards memory against what a damaged file says. */
#define TABLE_MAX (1U << 26)

int mem_file_damaged(struct mem_file *file, const char *fmt, ...)
{
	int used = snprintf(file->error, sizeof(file->error), "%s: ", file->name);
	va_list args;

	va_start(args, fmt);
	vsnprintf(file->error + used, sizeof(file->error) - (size_t)used, fmt, args);
	va_end(args);
	return -EINVAL;
}

/* The section at offset, whole: its payload, or NULL with a message. */
static const uint8_t *section_at(struct mem_file *file, uint64_t offset, uint32_t type,
				 uint64_t *length)
{
	struct mem_section section;

	if (offset > file->size || file->size - offset < sizeof(section)) {
		mem_file_damaged(file, "a section should begin at byte %lu of %zu", offset,
				 file->size);
		return NULL;
	}
	memcpy(&section, file->data + offset, sizeof(section));
	offset += sizeof(section);
	if (section.type != type || section.length > file->size - offset) {
		mem_file_damaged(file, "damaged: no section of type %u at byte %lu", type,
				 offset - sizeof(section));
		return NULL;
	}
	if (mem_section_sum(&section, file->data + offset) != section.sum || section.reserved) {
		mem_file_damaged(file, "damaged: wrong checksum of the section at byte %lu",
				 offset - sizeof(section));
		return NULL;
	}
	*length = section.length;
	return file->data + offset;
}

static int check_header(struct mem_file *file)
{
	struct mem_file_header *header = &file->header;

	if (file->size < sizeof(header->magic) || memcmp(file->data, MEM_FILE_MAGIC, 8))
		return mem_file_damaged(file, "not a memory trace of chop mem");
	if (file->size < sizeof(*header))
		return mem_file_damaged(file, "cut off in its header");
	memcpy(header, file->data, sizeof(*header));
	if (header->version != MEM_FILE_VERSION)
		return mem_file_damaged(file, "format version %u; this chop reads version %u",
					header->version, MEM_FILE_VERSION);
	if (mem_header_sum(header) != header->sum)
		return mem_file_damaged(file, "damaged: wrong checksum of the header");
	if (header->arch != MEM_ARCH_X86_64)
		return mem_file_damaged(file, "of machine %u, which this chop does not know",
					header->arch);
	return 0;
}

/* ---- tables */

static int unpack(struct mem_file *file, void *to, size_t size, const uint8_t *from, size_t length)
{
	size_t got = ZSTD_decompressDCtx(file->zstd, to, size, from, length);

	if (ZSTD_isError(got) || got != size)
		return mem_file_damaged(file, "damaged: a section does not unpack");
	return 0;
}

static int grow_tables(struct mem_file *file, const struct mem_table_head *head)
{
	struct mem_tables *t = &file->tables;

	if (head->ninsns > TABLE_MAX - t->ninsns || head->nops > TABLE_MAX - t->nops ||
	    head->nblocks > TABLE_MAX - t->nblocks || head->nslots < t->nslots ||
	    head->nslots > TABLE_MAX)
		return mem_file_damaged(file, "damaged: tables of impossible size");
	t->insns = xreallocarray(t->insns, t->ninsns + head->ninsns + 1UL, sizeof(*t->insns));
	t->ops = xreallocarray(t->ops, t->nops + head->nops + 1UL, sizeof(*t->ops));
	t->blocks = xreallocarray(t->blocks, t->nblocks + head->nblocks + 1UL, sizeof(*t->blocks));
	return 0;
}

static int add_table(struct mem_file *file, const uint8_t *payload, uint64_t length)
{
	struct mem_tables *t = &file->tables;
	struct mem_table_head head;
	cleanup_free uint8_t *raw = NULL;
	size_t insns, ops, blocks;
	int error;

	if (length < sizeof(head))
		return mem_file_damaged(file, "damaged: a table without a head");
	memcpy(&head, payload, sizeof(head));
	error = grow_tables(file, &head);
	if (error)
		return error;
	insns = head.ninsns * sizeof(*t->insns);
	ops = head.nops * sizeof(*t->ops);
	blocks = head.nblocks * sizeof(*t->blocks);
	/* nothing packs better than 1:65536; do not allocate what cannot be there */
	if ((insns + ops + blocks) / 65536 > length)
		return mem_file_damaged(file, "damaged: tables of impossible size");
	raw = xmalloc(insns + ops + blocks);
	error = unpack(file, raw, insns + ops + blocks, payload + sizeof(head),
		       length - sizeof(head));
	if (error)
		return error;
	memcpy(t->insns + t->ninsns, raw, insns);
	memcpy(t->ops + t->nops, raw + insns, ops);
	memcpy(t->blocks + t->nblocks, raw + insns + ops, blocks);
	t->ninsns += head.ninsns;
	t->nops += head.nops;
	t->nblocks += head.nblocks;
	t->nslots = head.nslots;
	if (!mem_tables_valid(t, t->ninsns - head.ninsns, t->nops - head.nops,
			      t->nblocks - head.nblocks))
		return mem_file_damaged(file, "damaged: inconsistent tables");
	return 0;
}

static int load_table(struct mem_file *file, uint64_t offset)
{
	uint64_t length;
	const uint8_t *payload = section_at(file, offset, MEM_TABLE, &length);

	return payload ? add_table(file, payload, length) : -EINVAL;
}

/* ---- finding the sections */

/* There may be a second one at the end, which knows more. */
static int load_info(struct mem_file *file, uint64_t offset)
{
	uint64_t length;
	const uint8_t *payload = section_at(file, offset, MEM_INFO, &length);

	if (!payload)
		return -EINVAL;
	free(file->description);
	file->description = xstrndup((const char *)payload, length);
	return 0;
}

static int load_entry(struct mem_file *file, const struct mem_index_entry *entry)
{
	if (entry->type == MEM_TABLE)
		return load_table(file, entry->offset);
	if (entry->type == MEM_INFO)
		return load_info(file, entry->offset);
	if (entry->type != MEM_CHUNK)
		return mem_file_damaged(file, "damaged: a foreign entry in the index");
	if (file->chunks.length && entry->first_insn < vec_last(&file->chunks)->first_insn)
		return mem_file_damaged(file, "damaged: the index is not in order");
	*vec_push(&file->chunks) = *entry;
	return 0;
}

static int load_index(struct mem_file *file)
{
	struct mem_index_entry entry;
	uint64_t length;
	const uint8_t *payload = section_at(file, file->end.index, MEM_INDEX, &length);
	int error = 0;

	if (!payload)
		return -EINVAL;
	if (length % sizeof(entry))
		return mem_file_damaged(file, "damaged: the index is cut off");
	for (uint64_t at = 0; at < length && !error; at += sizeof(entry)) {
		memcpy(&entry, payload + at, sizeof(entry));
		error = load_entry(file, &entry);
	}
	return error;
}

static int load_end(struct mem_file *file, const struct mem_trailer *trailer)
{
	uint64_t length;
	const uint8_t *payload = section_at(file, trailer->end, MEM_END, &length);

	if (!payload)
		return -EINVAL;
	if (length < sizeof(file->end))
		return mem_file_damaged(file, "damaged: the end section is cut off");
	memcpy(&file->end, payload, sizeof(file->end));
	file->text =
		xstrndup((const char *)payload + sizeof(file->end), length - sizeof(file->end));
	file->has_end = true;
	return load_index(file);
}

/* A file without an end: what is whole, section by section. */
static void scan(struct mem_file *file)
{
	uint64_t offset = sizeof(file->header);
	struct mem_section section;
	struct mem_chunk_head head;

	while (offset < file->size && file->size - offset >= sizeof(section)) {
		struct mem_index_entry entry = { .offset = offset };
		const uint8_t *payload;
		uint64_t length;

		memcpy(&section, file->data + offset, sizeof(section));
		payload = section_at(file, offset, section.type, &length);
		if (!payload)
			return;
		offset += sizeof(section) + length;
		if (section.type == MEM_CHUNK && length >= sizeof(head)) {
			memcpy(&head, payload, sizeof(head));
			entry.first_insn = head.first_insn;
			entry.first_reference = head.first_reference;
			entry.insns = head.insns;
			entry.references = head.references;
			entry.thread = head.thread;
		}
		entry.type = section.type;
		if (section.type == MEM_TABLE || section.type == MEM_CHUNK) {
			if (load_entry(file, &entry))
				return;
			file->end.kept_insns += entry.insns;
			file->end.kept_references += entry.references;
		}
	}
}

int mem_file_open(struct mem_file *file, const void *data, size_t size, const char *name,
		  bool partial)
{
	struct mem_trailer trailer = { 0 };
	int error;

	memset(file, 0, sizeof(*file));
	file->data = data;
	file->size = size;
	file->name = xstrdup(name);
	file->zstd = ZSTD_createDCtx();
	file->tables.blocks = xcalloc(1, sizeof(*file->tables.blocks));
	file->tables.nblocks = 1;
	error = check_header(file);
	if (error)
		return error;
	if (size >= sizeof(file->header) + sizeof(trailer))
		memcpy(&trailer, file->data + size - sizeof(trailer), sizeof(trailer));
	if (memcmp(trailer.magic, MEM_TRAILER_MAGIC, sizeof(trailer.magic)) && !partial)
		return mem_file_damaged(file, "cut off: it has no end, so chop mem did not finish "
					      "it or it was shortened (--partial reads the rest)");
	error = load_info(file, sizeof(file->header));
	if (error)
		return error;
	if (!memcmp(trailer.magic, MEM_TRAILER_MAGIC, sizeof(trailer.magic)))
		return load_end(file, &trailer);
	scan(file);
	file->error[0] = '\0';
	file->end.insns = file->end.kept_insns;
	file->end.references = file->end.kept_references;
	file->end.outcome = CHOP_MEM_CUT_OFF;
	file->text = xstrdup("the file is cut off");
	return 0;
}

void mem_file_release(struct mem_file *file)
{
	free(file->name);
	free(file->description);
	free(file->text);
	free(file->tables.insns);
	free(file->tables.ops);
	free(file->tables.blocks);
	vec_release(&file->chunks);
	ZSTD_freeDCtx(file->zstd);
}

/* ---- chunks */

static uint8_t *make_room(uint8_t *area, size_t *room, size_t size)
{
	if (size + MEM_CODEC_SLACK <= *room)
		return area;
	*room = size + MEM_CODEC_SLACK;
	free(area);
	return xcalloc(1, *room);
}

int mem_file_chunk(struct mem_file *file, size_t number, struct mem_chunk *chunk)
{
	struct mem_chunk_head *head = &chunk->head;
	uint64_t length;
	const uint8_t *payload =
		section_at(file, file->chunks.items[number].offset, MEM_CHUNK, &length);
	int error;

	if (!payload)
		return -EINVAL;
	if (length < sizeof(*head))
		return mem_file_damaged(file, "damaged: chunk %zu has no head", number);
	memcpy(head, payload, sizeof(*head));
	if (head->control > MEM_CHUNK_BYTES || head->values > MEM_CHUNK_BYTES ||
	    (uint64_t)head->control_packed + head->values_packed != length - sizeof(*head))
		return mem_file_damaged(file, "damaged: chunk %zu has impossible sizes", number);
	chunk->control = make_room(chunk->control, &chunk->control_room, head->control);
	chunk->values = make_room(chunk->values, &chunk->values_room, head->values);
	payload += sizeof(*head);
	error = unpack(file, chunk->control, head->control, payload, head->control_packed);
	if (!error)
		error = unpack(file, chunk->values, head->values, payload + head->control_packed,
			       head->values_packed);
	return error;
}

void mem_chunk_release(struct mem_chunk *chunk)
{
	free(chunk->control);
	free(chunk->values);
}
