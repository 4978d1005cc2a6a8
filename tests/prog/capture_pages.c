// flags: -pthread
// SPDX-License-Identifier: Apache-2.0
/*
 * A region that touches known pages of every kind of memory, and checks itself.
 *
 *	capture_pages EXPECT_FILE [threads N] [times N]
 *
 * region() reads every seventh page and writes every fifth page of each array. Per call
 * number N the file EXPECT_FILE.N gets "array LOW HIGH" lines and "page ADDRESS ENTRY END"
 * lines (the first word of each touched page at both moments) for capture_check.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096UL
#define N 64

enum { READS = 1, WRITES = 2 };

static struct array {
	const char *name;
	volatile uint8_t *start;
	size_t pages;
	int may;
	volatile uint8_t *alias; /* the same memory, mapped read-only */
} arrays[32];
static int count;

static uint8_t bss[N * PAGE] __attribute__((aligned(PAGE)));
static uint8_t data[N * PAGE] __attribute__((aligned(PAGE))) = { 1 };
static const uint8_t rodata[N * PAGE] __attribute__((aligned(PAGE))) = { 7 };
static __thread uint8_t tls[8 * PAGE] __attribute__((aligned(PAGE)));
static volatile uint64_t sum;
static volatile int stop;
static pthread_barrier_t ready;
static int bad;

static uint64_t *word(volatile uint8_t *start, size_t page)
{
	return (uint64_t *)(start + page * PAGE);
}

static int reads(const struct array *a, size_t i)
{
	return a->may & READS && i % 7 == 0;
}

static int writes(const struct array *a, size_t i)
{
	return a->may & WRITES && i % 5 == 1;
}

__attribute__((noinline)) void region(int deep)
{
	volatile uint8_t below[3 * PAGE];

	for (int k = 0; k < count; k++) {
		const struct array *a = &arrays[k];

		for (size_t i = 0; i < a->pages; i++) {
			if (reads(a, i))
				sum += *(volatile uint64_t *)word(a->start, i);
			if (writes(a, i))
				++*(volatile uint64_t *)word(a->start, i);
			if (a->alias && i % 6 == 2)
				sum += *(volatile uint64_t *)word(a->alias, i);
		}
	}
	below[0] = below[PAGE] = below[2 * PAGE] = (uint8_t)deep;
	if (deep)
		region(deep - 1);
}

static struct array *add(const char *name, void *start, size_t pages, int may)
{
	struct array *a = &arrays[count++];

	*a = (struct array){ .name = name, .start = start, .pages = pages, .may = may };
	for (size_t i = 0; may & WRITES && i < pages; i++) {
		word(a->start, i)[0] = (uint64_t)word(a->start, i) ^ 0x5a5a5a;
		word(a->start, i)[100] = (uint64_t)word(a->start, i) * 31;
	}
	return a;
}

static void *map(size_t pages, int flags, int fd)
{
	void *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	return p;
}

static int file(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	uint64_t page[PAGE / 8];

	for (uint64_t i = 0; i < N; i++) {
		for (int k = 0; k < 512; k++)
			page[k] = i * 1000 + k;
		if (write(fd, page, PAGE) != PAGE)
			exit(2);
	}
	return fd;
}

static void add_files(void)
{
	int fd = file("private.bin"), shared = file("shared.bin");
	int memory = memfd_create("shared", 0);
	uint8_t *p;
	struct array *a;

	p = mmap(NULL, N * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	add("private file, read-only", p, N, READS);
	p = map(N, MAP_PRIVATE, fd);
	arrays[count++] = (struct array){ "private file, clean", p, N, READS | WRITES, NULL };
	p = map(N, MAP_PRIVATE, fd);
	p[3 * PAGE] = 99; /* a private copy already */
	arrays[count++] = (struct array){ "private file, dirty", p, N, READS | WRITES, NULL };
	add("shared file", map(N, MAP_SHARED, shared), N, READS | WRITES);
	add("shared anonymous", map(N, MAP_SHARED | MAP_ANONYMOUS, -1), N, READS | WRITES);
	if (ftruncate(memory, N * PAGE))
		exit(2);
	a = add("memfd", map(N, MAP_SHARED, memory), N, READS | WRITES);
	a->alias = mmap(NULL, N * PAGE, PROT_READ, MAP_SHARED, memory, 0);
}

static void add_memory(void)
{
	uint8_t *p, *heap;

	add("bss", bss, N, READS | WRITES);
	add("data", data, N, READS | WRITES);
	add("rodata", (void *)rodata, N, READS);
	add("tls", tls, 8, READS | WRITES);
	add("malloc", (void *)(((uintptr_t)malloc(101 * PAGE) + PAGE - 1) & -PAGE), 100,
	    READS | WRITES);
	heap = sbrk((N + 2) * PAGE);
	heap = (uint8_t *)(((uintptr_t)heap + PAGE - 1) & -PAGE);
	add("brk", heap, N, READS | WRITES);
	add("mmap", map(4096, MAP_PRIVATE | MAP_ANONYMOUS, -1), 4096, READS | WRITES);
	/* Never touched before: the region sees zeros. */
	p = map(N, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	arrays[count++] = (struct array){ "fresh", p, N, READS | WRITES, NULL };
	p = map(N, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	add("read-only", p, N, READS | WRITES)->may = READS;
	mprotect(p, N * PAGE, PROT_READ);
	p = mmap((void *)0x510000003000, (8 << 20) + 5 * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	madvise(p, 8 << 20, MADV_HUGEPAGE);
	add("huge pages", p, 2048, READS | WRITES);
}

/*
 * The address space as lines "low-high rights what", neighbours that the kernel may merge
 * or not (anonymous memory of equal rights) as one.
 */
static char *address_space(void)
{
	static char text[2][1 << 20];
	static int which;
	char line[4096], what[4096], rights[8], last_rights[8] = "", *into = text[which ^= 1];
	FILE *maps = fopen("/proc/self/maps", "r");
	uint64_t low, high, last_high = 0;
	size_t at = 0;

	while (fgets(line, sizeof(line), maps)) {
		*what = '\0';
		sscanf(line, "%lx-%lx %7s %*s %*s %*s %4095s", &low, &high, rights, what);
		if (!*what || !strcmp(what, "[heap]")) {
			if (low != last_high || strcmp(rights, last_rights))
				at += sprintf(into + at, "anonymous %lx %s\n", low, rights);
			last_high = high;
			strcpy(last_rights, rights);
		} else {
			at += sprintf(into + at, "%lx (%lx)\n%s", low, last_high, line);
			last_high = 0;
		}
	}
	fclose(maps);
	return into;
}

static void expect(const char *base, int call, uint64_t (*entry)[2])
{
	char path[4096];
	size_t n = 0;
	FILE *out;

	snprintf(path, sizeof(path), "%s.%d", base, call);
	out = fopen(path, "w");
	for (int k = 0; k < count; k++) {
		const struct array *a = &arrays[k];

		fprintf(out, "array %lx %lx %s\n", (long)a->start, (long)(a->start + a->pages * PAGE),
			a->name);
		if (a->alias)
			fprintf(out, "array %lx %lx alias\n", (long)a->alias,
				(long)(a->alias + a->pages * PAGE));
		for (size_t i = 0; i < a->pages; i++, n++) {
			if (reads(a, i) || writes(a, i))
				fprintf(out, "page %lx %lx %lx\n", (long)word(a->start, i),
					(long)entry[n][0], (long)*word(a->start, i));
			if (a->alias && i % 6 == 2)
				fprintf(out, "page %lx %lx %lx\n", (long)word(a->alias, i),
					(long)entry[n][0], (long)*word(a->alias, i));
		}
	}
	fclose(out);
}

/* First words before the call; afterwards every page must be as it should. */
static void note(uint64_t (*entry)[2], int call)
{
	size_t n = 0;

	for (int k = 0; k < count; k++)
		for (size_t i = 0; i < arrays[k].pages; i++, n++) {
			/* "fresh" pages must stay fresh until the region touches them. */
			if (!strcmp(arrays[k].name, "fresh") && !call)
				continue;
			entry[n][0] = *word(arrays[k].start, i);
			entry[n][1] = word(arrays[k].start, i)[100];
		}
}

static void check(uint64_t (*entry)[2])
{
	size_t n = 0;

	for (int k = 0; k < count; k++)
		for (size_t i = 0; i < arrays[k].pages; i++, n++) {
			const struct array *a = &arrays[k];
			uint64_t now = *word(a->start, i);

			if (now != entry[n][0] + (writes(a, i) ? 1 : 0) ||
			    word(a->start, i)[100] != entry[n][1]) {
				if (bad++ < 10)
					printf("%s page %zu is damaged\n", a->name, i);
			}
		}
}

static void *worker(void *unused)
{
	uint64_t *mine = malloc(50 * PAGE), errors = 0;

	pthread_barrier_wait(&ready);
	for (uint64_t round = 1; !stop; round++)
		for (size_t i = 0; i < 50; i++) {
			if (round > 1 && mine[i * 512] != round - 1)
				errors++;
			mine[i * 512] = round;
		}
	free(mine);
	return (void *)(uintptr_t)errors;
}

static uint64_t entry[16384][2];

int main(int argc, char **argv)
{
	int threads = 0, times = 1;
	pthread_t ids[16];

	for (int i = 2; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "threads"))
			threads = atoi(argv[i + 1]);
		else
			times = atoi(argv[i + 1]);
	}
	add_memory();
	add_files();
	pthread_barrier_init(&ready, NULL, (unsigned int)threads + 1);
	for (int i = 0; i < threads; i++)
		pthread_create(&ids[i], NULL, worker, NULL);
	pthread_barrier_wait(&ready);
	for (int call = 0; call < times; call++) {
		char *before, *after;

		note(entry, call);
		before = address_space();
		region(0);
		after = address_space();
		if (strcmp(before, after)) {
			printf("the maps have changed:\n%s---\n%s", before, after);
			bad++;
		}
		check(entry);
		expect(argv[1], call, entry);
	}
	stop = 1;
	for (int i = 0; i < threads; i++) {
		void *errors;

		pthread_join(ids[i], &errors);
		bad += errors != NULL;
	}
	printf("%s\n", bad ? "DAMAGED" : "intact");
	return bad ? 1 : 42;
}
