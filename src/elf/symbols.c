// SPDX-License-Identifier: Apache-2.0
/* Symbol tables: read, merge, look up by name and by address. */
#include "elf/image.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/opt.h"
#include "elf/debug.h"
#include "elf/image_file.h"

/* A symbol table being read, with what gives its entries a version. */
struct table {
	Elf *elf;
	Elf_Data *data;
	size_t count, strings; /* entries; section index of the names */
	bool dynamic;
	Elf_Data *versym;    /* .gnu.version, or NULL */
	struct strvec names; /* versions the file defines, by index; NULL where unknown */
};

static void name_version(struct table *table, size_t index, const char *name)
{
	while (table->names.length <= index)
		*vec_push(&table->names) = NULL;
	table->names.items[index] = name;
}

static void read_verdef(struct table *table, Elf *elf, Elf_Scn *section, const GElf_Shdr *header)
{
	Elf_Data *data = elf_getdata(section, NULL);
	GElf_Verdef definition;
	GElf_Verdaux name;
	int offset = 0;

	/* sh_info is the number of definitions: a loop in the offsets cannot trap us. */
	for (unsigned int i = 0; data && i < header->sh_info; i++) {
		if (!gelf_getverdef(data, offset, &definition))
			return;
		if (gelf_getverdaux(data, offset + (int)definition.vd_aux, &name))
			name_version(table, definition.vd_ndx & 0x7fff,
				     elf_strptr(elf, header->sh_link, name.vda_name));
		offset += (int)definition.vd_next;
		if (!definition.vd_next || offset < 0)
			return;
	}
}

static void read_versions(struct table *table, Elf *elf)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(elf, section))) {
		if (!gelf_getshdr(section, &header))
			continue;
		if (header.sh_type == SHT_GNU_versym)
			table->versym = elf_getdata(section, NULL);
		else if (header.sh_type == SHT_GNU_verdef)
			read_verdef(table, elf, section, &header);
	}
}

static enum symbol_kind kind_of(const struct image *image, const GElf_Sym *entry)
{
	switch (GELF_ST_TYPE(entry->st_info)) {
	case STT_FUNC:
		return SYMBOL_FUNCTION;
	case STT_GNU_IFUNC:
		return SYMBOL_IFUNC;
	case STT_OBJECT:
	case STT_COMMON:
		return SYMBOL_DATA;
	case STT_TLS:
		return SYMBOL_TLS;
	default:
		return image_code_at(image, entry->st_value) ? SYMBOL_OTHER : SYMBOL_DATA;
	}
}

static bool listed(const GElf_Sym *entry)
{
	unsigned int type = GELF_ST_TYPE(entry->st_info);

	if (entry->st_shndx == SHN_UNDEF || entry->st_shndx == SHN_ABS || !entry->st_name)
		return false;
	if (type == STT_SECTION || type == STT_FILE)
		return false;
	return entry->st_value || type == STT_TLS;
}

static void set_version(const struct table *table, size_t index, struct symbol *symbol)
{
	GElf_Versym version;

	if (!table->versym || !gelf_getversym(table->versym, (int)index, &version))
		return;
	/* 0 is local, 1 is the base version, which names the file. */
	if ((version & 0x7fff) < 2 || (size_t)(version & 0x7fff) >= table->names.length)
		return;
	symbol->version = table->names.items[version & 0x7fff];
	symbol->hidden = version & 0x8000;
}

/* Linkers write NAME@VERSION or NAME@@VERSION into .symtab. */
static void split_version(struct image_file *file, struct symbol *symbol)
{
	const char *at = strchr(symbol->name, '@');

	if (!at || at == symbol->name)
		return;
	symbol->hidden = at[1] != '@';
	symbol->version = at + (symbol->hidden ? 1 : 2);
	*vec_push(&file->strings) = xstrndup(symbol->name, (size_t)(at - symbol->name));
	symbol->name = *vec_last(&file->strings);
}

static void read_table(struct image *image, const struct table *table)
{
	GElf_Sym entry;
	const char *name;

	for (size_t i = 1; i < table->count; i++) {
		if (!gelf_getsym(table->data, (int)i, &entry) || !listed(&entry))
			continue;
		name = elf_strptr(table->elf, table->strings, entry.st_name);
		if (!name || !*name)
			continue;
		*vec_push(&image->symbols) = (struct symbol){
			.name = name,
			.address = entry.st_value,
			.size = entry.st_size,
			.kind = kind_of(image, &entry),
			.global = GELF_ST_BIND(entry.st_info) != STB_LOCAL,
			.weak = GELF_ST_BIND(entry.st_info) == STB_WEAK,
			.dynamic = table->dynamic,
		};
		if (table->dynamic)
			set_version(table, i, vec_last(&image->symbols));
		else
			split_version(image->file, vec_last(&image->symbols));
	}
}

static int compare_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

static int by_address(const void *a, const void *b)
{
	const struct symbol *left = a, *right = b;
	int order;

	if (left->address != right->address)
		return left->address < right->address ? -1 : 1;
	order = strcmp(left->name, right->name);
	/* Entries with a version first: those without join them. */
	if (!order && !left->version != !right->version)
		return left->version ? -1 : 1;
	return order ? order : compare_text(left->version, right->version);
}

static bool same(const struct symbol *a, const struct symbol *b)
{
	return a->address == b->address && !strcmp(a->name, b->name) &&
	       (!b->version || !compare_text(a->version, b->version));
}

static void join(struct symbol *into, const struct symbol *from)
{
	/* Kinds are in order of preference: a function rather than a plain label. */
	if (from->kind < into->kind)
		into->kind = from->kind;
	if (from->size > into->size)
		into->size = from->size;
	into->global |= from->global;
	into->weak &= from->weak;
	into->dynamic |= from->dynamic;
	into->hidden &= from->hidden || !from->version;
}

static void merge(struct image *image)
{
	struct symbol *symbols = image->symbols.items;
	size_t kept = 0;

	vec_sort(&image->symbols, by_address);
	for (size_t i = 0; i < image->symbols.length; i++) {
		if (kept && same(&symbols[kept - 1], &symbols[i]))
			join(&symbols[kept - 1], &symbols[i]);
		else
			symbols[kept++] = symbols[i];
	}
	image->symbols.length = kept;
}

static bool is_function(const struct symbol *symbol)
{
	return symbol->kind == SYMBOL_FUNCTION || symbol->kind == SYMBOL_IFUNC;
}

static void index_ends(struct image *image)
{
	uint64_t highest = 0;

	for (size_t i = 0; i < image->symbols.length; i++) {
		const struct symbol *symbol = &image->symbols.items[i];

		if (is_function(symbol)) {
			uint64_t end = image_function_end(image, symbol);

			highest = end > highest ? end : highest;
		}
		*vec_push(&image->file->ends) = highest;
	}
}

/* The tables of one file; *has_static tells whether .symtab is among them. */
static int load_tables(struct image *image, Elf *elf, bool *has_static)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(elf, section))) {
		struct table table = { .elf = elf };

		if (!gelf_getshdr(section, &header) || !header.sh_entsize ||
		    (header.sh_type != SHT_SYMTAB && header.sh_type != SHT_DYNSYM))
			continue;
		table.data = elf_getdata(section, NULL);
		if (!table.data)
			return err_set(CHOP_USAGE, ENOEXEC,
				       "%s is damaged: its symbol table cannot be read: %s",
				       image->path, elf_errmsg(-1));
		table.count = table.data->d_size / header.sh_entsize;
		table.strings = header.sh_link;
		table.dynamic = header.sh_type == SHT_DYNSYM;
		*has_static |= !table.dynamic;
		if (table.dynamic)
			read_versions(&table, elf);
		read_table(image, &table);
		vec_release(&table.names);
	}
	return 0;
}

int symbols_load(struct image *image)
{
	bool has_static = false;
	int err = load_tables(image, image->file->elf, &has_static);

	if (err)
		return err;
	/* Of a stripped file, the local names are in its separate debug file. */
	if (!has_static && image->file->mapped && debug_separate(image))
		load_tables(image, debug_separate(image), &has_static);
	merge(image);
	index_ends(image);
	return 0;
}

/* How well a symbol answers to its name: higher is better. */
static unsigned int rank(const struct symbol *symbol)
{
	unsigned int kind = is_function(symbol) ? 2 : symbol->kind == SYMBOL_OTHER;

	return kind << 3 | (unsigned int)symbol->global << 2 | (unsigned int)!symbol->hidden << 1 |
	       (unsigned int)!symbol->weak;
}

static bool answers(const struct symbol *symbol, const char *name, size_t length,
		    const char *version)
{
	if (strncmp(symbol->name, name, length) || symbol->name[length])
		return false;
	return !version || !compare_text(symbol->version, version);
}

const struct symbol *image_find(const struct image *image, const char *name, size_t *others)
{
	size_t length = strcspn(name, "@");
	const char *version = name[length] ? name + length + strspn(name + length, "@") : NULL;
	const struct symbol *best = NULL, *last = NULL;
	size_t more = 0;

	if (!length)
		return NULL;
	for (size_t i = 0; i < image->symbols.length; i++) {
		const struct symbol *symbol = &image->symbols.items[i];

		if (!answers(symbol, name, length, version))
			continue;
		if (!best || rank(symbol) > rank(best)) {
			best = symbol;
			more = 0;
		} else if (rank(symbol) == rank(best) && symbol->address != last->address) {
			more++;
		}
		last = symbol;
	}
	if (others)
		*others = more;
	return best;
}

bool image_exports_at(const struct image *image, uint64_t address)
{
	for (size_t i = vec_at_most(&image->symbols, address, address); i--;) {
		const struct symbol *symbol = &image->symbols.items[i];

		if (symbol->address != address)
			break;
		if (symbol->global && (is_function(symbol) || symbol->kind == SYMBOL_OTHER))
			return true;
	}
	return false;
}

uint64_t image_function_end(const struct image *image, const struct symbol *symbol)
{
	const struct image_range *code = image_code_at(image, symbol->address);
	uint64_t limit = code ? code->end : UINT64_MAX, end = symbol->address + symbol->size;

	if (symbol->size && end > symbol->address)
		return end < limit ? end : limit;
	for (size_t i = vec_at_most(&image->symbols, address, symbol->address);
	     i < image->symbols.length; i++) {
		const struct symbol *next = &image->symbols.items[i];

		if (next->kind != SYMBOL_TLS && next->kind != SYMBOL_DATA)
			return next->address < limit ? next->address : limit;
	}
	return code ? code->end : symbol->address;
}

/* Of two symbols of a function, the one people know: exported, then longer. */
static const struct symbol *better(const struct image *image, const struct symbol *a,
				   const struct symbol *b)
{
	if (!a || b->address > a->address)
		return b;
	if (b->address < a->address)
		return a;
	if (rank(a) != rank(b))
		return rank(b) > rank(a) ? b : a;
	return image_function_end(image, b) > image_function_end(image, a) ? b : a;
}

const struct symbol *image_symbol_at(const struct image *image, uint64_t address)
{
	const struct symbol *best = NULL;

	for (size_t i = vec_at_most(&image->symbols, address, address);
	     i-- && image->file->ends.items[i] > address;) {
		const struct symbol *symbol = &image->symbols.items[i];

		if (best && symbol->address != best->address)
			break;
		if (is_function(symbol) && address < image_function_end(image, symbol))
			best = better(image, best, symbol);
	}
	return best;
}

struct near {
	const char *name;
	unsigned int distance;
};

/* Distance of two names, where one within the other, or only case, counts as close. */
static unsigned int nearness(const char *wanted, const char *name)
{
	size_t a = strlen(wanted), b = strlen(name);
	size_t limit = a <= 4 ? 1 : a <= 8 ? 2 : 3;
	unsigned int distance = UINT32_MAX;

	if (!strcasecmp(wanted, name))
		return 0;
	if (a <= b + limit && b <= a + limit)
		distance = opt_distance(wanted, name);
	if (distance <= limit)
		return distance;
	if (a > 2 && b <= a + 12 && strstr(name, wanted))
		return (unsigned int)(limit + b - a);
	return UINT32_MAX;
}

/* Keep the `max` nearest names, in order of distance. */
static size_t keep(struct near *nearest, size_t count, size_t max, struct near candidate)
{
	size_t at = count;

	for (size_t i = 0; i < count; i++) {
		if (!strcmp(nearest[i].name, candidate.name))
			return count;
	}
	while (at && nearest[at - 1].distance > candidate.distance)
		at--;
	if (at == max)
		return count;
	count += count < max;
	memmove(&nearest[at + 1], &nearest[at], (count - at - 1) * sizeof(*nearest));
	nearest[at] = candidate;
	return count;
}

size_t image_suggest(const struct image *image, const char *name, const char **names, size_t max)
{
	struct near nearest[16];
	size_t count = 0;

	max = max < ARRAY_SIZE(nearest) ? max : ARRAY_SIZE(nearest);
	for (size_t i = 0; max && i < image->symbols.length; i++) {
		const struct symbol *symbol = &image->symbols.items[i];
		struct near candidate = { .name = symbol->name };

		if (!is_function(symbol))
			continue;
		candidate.distance = nearness(name, symbol->name);
		if (candidate.distance != UINT32_MAX)
			count = keep(nearest, count, max, candidate);
	}
	for (size_t i = 0; i < count; i++)
		names[i] = nearest[i].name;
	return count;
}
