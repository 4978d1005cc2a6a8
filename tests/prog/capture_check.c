// SPDX-License-Identifier: Apache-2.0
/*
 * Compare a capture with what its program says it touched (capture_pages.c).
 *
 *	capture_check EXPECT N.core N.end.core
 *
 * Reads the ELF files itself, on purpose: this is not the code under test.
 */
#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct core {
	uint8_t *bytes;
	Elf64_Phdr *headers;
	size_t count;
};

static uint64_t low[64], high[64];
static char names[64][64];
static uint64_t touched[100000];
static size_t arrays, pages, bad;

static struct core load(const char *path)
{
	int fd = open(path, O_RDONLY);
	struct core core = { 0 };
	Elf64_Ehdr *header;
	struct stat status;

	if (fd < 0 || fstat(fd, &status)) {
		perror(path);
		exit(2);
	}
	core.bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	header = (Elf64_Ehdr *)core.bytes;
	core.headers = (Elf64_Phdr *)(core.bytes + header->e_phoff);
	core.count = header->e_phnum;
	if (core.count == PN_XNUM)
		core.count = ((Elf64_Shdr *)(core.bytes + header->e_shoff))->sh_info;
	return core;
}

static uint64_t *at(const struct core *core, uint64_t address)
{
	for (size_t i = 0; i < core->count; i++) {
		const Elf64_Phdr *p = &core->headers[i];

		if (p->p_type == PT_LOAD && address >= p->p_vaddr &&
		    address - p->p_vaddr < p->p_filesz)
			return (uint64_t *)(core->bytes + p->p_offset + (address - p->p_vaddr));
	}
	return NULL;
}

static const char *array_of(uint64_t address)
{
	for (size_t i = 0; i < arrays; i++)
		if (address >= low[i] && address < high[i])
			return names[i];
	return NULL;
}

static void wrong(uint64_t address, const char *what)
{
	const char *name = array_of(address);

	if (bad++ < 20)
		printf("%s: page %lx of %s\n", what, (long)address, name ? name : "?");
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void check_page(const struct core *entry, const struct core *end, uint64_t address,
		       uint64_t first, uint64_t last, int written)
{
	uint64_t *before = at(entry, address), *after = at(end, address);

	touched[pages++] = address;
	if (!before)
		wrong(address, "missing");
	else if (*before != first)
		wrong(address, "wrong content at entry");
	if (!after && first != last)
		wrong(address, "missing in the end");
	else if (after && *after != last)
		wrong(address, "wrong content at the end");
	if (!after && written)
		wrong(address, "written but not in the end");
	if (after && first == last && !written)
		wrong(address, "in the end but not changed");
}

int main(int argc, char **argv)
{
	struct core entry = load(argv[2]), end = load(argv[3]);
	FILE *in = fopen(argv[1], "r");
	char line[256];
	size_t total = 0;

	(void)argc;
	while (in && fgets(line, sizeof(line), in)) {
		uint64_t a, b, c;

		if (sscanf(line, "array %lx %lx %63[^\n]", &low[arrays], &high[arrays],
			   names[arrays]) == 3)
			arrays++;
		else if (sscanf(line, "page %lx %lx %lx", &a, &b, &c) == 3)
			check_page(&entry, &end, a, b, c, strchr(line, 'w') != NULL);
	}
	qsort(touched, pages, sizeof(*touched), compare);
	for (size_t i = 0; i < entry.count; i++) {
		const Elf64_Phdr *p = &entry.headers[i];

		for (uint64_t x = p->p_vaddr; p->p_type == PT_LOAD && x < p->p_vaddr + p->p_filesz;
		     x += 4096, total++)
			if (array_of(x) && !bsearch(&x, touched, pages, sizeof(x), compare))
				wrong(x, "not touched but captured");
	}
	printf("%zu expected, %zu captured, %zu wrong\n", pages, total, bad);
	return bad || !pages;
}
