// flags: -pthread
// SPDX-License-Identifier: Apache-2.0
/*
 * Programs that change their own address space inside the region, one a run:
 *
 *	capture_changes NAME [EXPECT_FILE]
 *
 * Each checks in the region and after it that the kernel did what it was asked to, with the
 * right contents, and prints "NAME intact" or "NAME DAMAGED". Within only_touched() the capture
 * must hold the touched pages and no others; what the region remaps is recorded whole.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capture_touch.h"

#define RW (PROT_READ | PROT_WRITE)
#define FRESH (MAP_PRIVATE | MAP_ANONYMOUS)

static uint8_t *p, *q;
static void (*inside)(void);
static sigjmp_buf jump;
static volatile int faults;

/* What is captured. */
__attribute__((noinline)) void region(void)
{
	inside();
}

static uint64_t of_file(const char *file, const char *key)
{
	FILE *in = fopen(file, "r");
	uint64_t value = 0;
	char line[256];

	while (fgets(line, sizeof(line), in))
		if (!strncmp(line, key, strlen(key)))
			value = strtoull(line + strlen(key), NULL, 10);
	fclose(in);
	return value;
}

static uint64_t status(const char *key)
{
	return of_file("/proc/self/status", key);
}

/* -- the heap ------------------------------------------------------------------------------ */

static char *blocks[20000];

static void malloc_grow_in(void)
{
	look(p + 3 * PAGE);
	for (int i = 0; i < 20000; i++) {
		blocks[i] = malloc(100);
		memset(blocks[i], i, 100);
	}
}

static void malloc_grow(void)
{
	char *before = malloc(100), *end = sbrk(0);

	strcpy(before, "before");
	region();
	CHECK((char *)sbrk(0) > end && !strcmp(before, "before"));
	for (int i = 0; i < 20000; i++) {
		for (int k = 0; k < 100; k++)
			CHECK(blocks[i][k] == (char)i);
		free(blocks[i]);
	}
	check(p, N);
}

static void brk_shrink_in(void)
{
	look(q + 3 * PAGE);
	put(q + 5 * PAGE, 7);
	CHECK(sbrk(-32 * (intptr_t)PAGE) != (void *)-1);
	look(q + 10 * PAGE);
	CHECK(sbrk(32 * (intptr_t)PAGE) != (void *)-1);
	CHECK(zeros(q + 40 * PAGE));
}

static void brk_shrink(void)
{
	sbrk((intptr_t)(-(uintptr_t)sbrk(0) & (PAGE - 1)));
	q = sbrk(N * PAGE);
	fill(q, N);
	only_touched(q, 32);
	region();
	gone(q + 32 * PAGE, 32);
	check(q, 32);
	CHECK(got(q + 5 * PAGE) == 7 && zeros(q + 40 * PAGE));
}

/* -- new memory ------------------------------------------------------------------------------ */

static void map_new_in(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	uint8_t *file = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);

	q = mmap(NULL, N * PAGE, RW, FRESH, -1, 0);
	CHECK(zeros(q));
	((uint64_t *)(q + 5 * PAGE))[1] = 2;
	CHECK(file[1] == 'E');
	munmap(file, 2 * PAGE);
	close(fd);
	look(p + PAGE);
}

static void map_new(void)
{
	only_touched(p, N);
	region();
	check(p, N);
	CHECK(got(q + 5 * PAGE) == 2);
}

/* -- munmap ---------------------------------------------------------------------------------- */

static void unmap_part_in(void)
{
	look(p + 3 * PAGE);
	look(p + 10 * PAGE);
	put(p + 20 * PAGE, 7);
	CHECK(!munmap(p + 8 * PAGE, 8 * PAGE));
	look(p + 30 * PAGE);
	q = mmap(p + 8 * PAGE, 8 * PAGE, RW, FRESH | MAP_FIXED_NOREPLACE, -1, 0);
	CHECK(q == p + 8 * PAGE && zeros(q + PAGE));
}

static void unmap_part(void)
{
	only_touched(p, 8);
	only_touched(p + 16 * PAGE, 48);
	region();
	gone(p + 8 * PAGE, 8);
	check(p, 8);
	check(p + 16 * PAGE, 48);
	CHECK(got(p + 20 * PAGE) == 7 && zeros(p + 9 * PAGE));
}

static void unmap_span_in(void)
{
	look(p + 17 * PAGE);
	CHECK(!munmap(p + 8 * PAGE, 40 * PAGE));
	look(p + 50 * PAGE);
}

/* Across three mappings; what is unmapped stays so. */
static void unmap_span(void)
{
	unsigned char resident;

	mprotect(p + 16 * PAGE, 16 * PAGE, PROT_READ);
	only_touched(p, 8);
	only_touched(p + 48 * PAGE, 16);
	region();
	gone(p + 8 * PAGE, 40);
	CHECK(mincore(p + 20 * PAGE, PAGE, &resident) == -1 && errno == ENOMEM);
	check(p, 8);
	check(p + 48 * PAGE, 16);
}

/* -- mremap ---------------------------------------------------------------------------------- */

static void remap_grow_in(void)
{
	look(q + 3 * PAGE);
	CHECK(mremap(q, N * PAGE, 2 * N * PAGE, 0) == q);
	CHECK(zeros(q + 100 * PAGE));
	((uint64_t *)(q + 101 * PAGE))[1] = 5;
	look(q + 60 * PAGE);
}

static void remap_grow(void)
{
	q = array_at((void *)0x500000000000, N);
	only_touched(p, N);
	region();
	check(q, N);
	CHECK(got(q + 101 * PAGE) == 5 && zeros(q + 100 * PAGE));
}

static void remap_move_in(void)
{
	look(p + 3 * PAGE);
	put(p + 4 * PAGE, 9);
	CHECK(mremap(p, N * PAGE, 2 * N * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q);
	look_moved(q + 3 * PAGE, p + 3 * PAGE);
	look_moved(q + 5 * PAGE, p + 5 * PAGE);
	note(p + 5 * PAGE, 0);
	CHECK(zeros(q + 100 * PAGE) && got(q + 4 * PAGE) == 9);
}

static void remap_move(void)
{
	unsigned char resident;

	q = mmap(NULL, 4 * N * PAGE, PROT_NONE, FRESH, -1, 0);
	region();
	gone(p, N);
	check_moved(q, p, N);
	CHECK(got(q + 4 * PAGE) == 9);
	CHECK(mincore(p, PAGE, &resident) == -1 && errno == ENOMEM);
}

static uint64_t *numbers;

static void realloc_grow_in(void)
{
	look(p + 7 * PAGE);
	for (uint64_t size = 2; size <= 64; size *= 2)
		numbers = realloc(numbers, size << 20);
	CHECK(numbers[5000] == 35000);
}

static void realloc_grow(void)
{
	numbers = malloc(1 << 20);
	for (uint64_t i = 0; i < 131072; i++)
		numbers[i] = i * 7;
	only_touched(p, N);
	region();
	for (uint64_t i = 0; i < 131072; i++)
		CHECK(numbers[i] == i * 7);
}

/* -- mmap over it ---------------------------------------------------------------------------- */

static void map_fixed_in(void)
{
	look(p + 9 * PAGE);
	mmap(p + 8 * PAGE, 8 * PAGE, RW, FRESH | MAP_FIXED, -1, 0);
	CHECK(zeros(p + 9 * PAGE) && zeros(p + 10 * PAGE));
	((uint64_t *)(p + 11 * PAGE))[1] = 3;
	look(p + 20 * PAGE);
}

static void map_fixed(void)
{
	only_touched(p, 8);
	only_touched(p + 16 * PAGE, 48);
	region();
	gone(p + 8 * PAGE, 8);
	check(p, 8);
	check(p + 16 * PAGE, 48);
	CHECK(zeros(p + 12 * PAGE) && got(p + 11 * PAGE) == 3);
}

/* -- mprotect -------------------------------------------------------------------------------- */

static void on_fault(int signal)
{
	(void)signal;
	faults++;
	siglongjmp(jump, 1);
}

static int read_faults(const uint8_t *page)
{
	int before = faults;

	if (!sigsetjmp(jump, 1))
		(void)*(volatile const uint8_t *)page;
	return faults == before + 1;
}

static int write_faults(uint8_t *page)
{
	int before = faults;

	if (!sigsetjmp(jump, 1))
		*(volatile uint8_t *)page = 1;
	return faults == before + 1;
}

/* The program's own handler sees its own faults, and no others. */
static void guard_in(void)
{
	look(p + 3 * PAGE);
	CHECK(!mprotect(p + 8 * PAGE, PAGE, PROT_NONE));
	look(p + 9 * PAGE);
	CHECK(read_faults(p + 8 * PAGE));
	CHECK(!mprotect(p + 8 * PAGE, PAGE, RW));
	look(p + 8 * PAGE);
	CHECK(!mprotect(p + 20 * PAGE, PAGE, PROT_READ));
	CHECK(write_faults(p + 20 * PAGE));
	CHECK(!mprotect(p + 30 * PAGE, PAGE, PROT_NONE));
	CHECK(read_faults(p + 40 * PAGE) == 0);
	note(p + 40 * PAGE, 0);
}

static void guard(void)
{
	signal(SIGSEGV, on_fault);
	only_touched(p, 8);
	only_touched(p + 9 * PAGE, 11);
	only_touched(p + 31 * PAGE, 33);
	region();
	CHECK(faults == 2 && read_faults(p + 30 * PAGE) && write_faults(p + 20 * PAGE));
	mprotect(p + 30 * PAGE, PAGE, RW);
	check(p, N);
}

/* A guard page that is there before the region and hit inside it. */
static void guard_before_in(void)
{
	look(p + 7 * PAGE);
	CHECK(read_faults(p + 8 * PAGE));
	look(p + 9 * PAGE);
}

static void guard_before(void)
{
	signal(SIGSEGV, on_fault);
	mprotect(p + 8 * PAGE, PAGE, PROT_NONE);
	only_touched(p, N);
	region();
	CHECK(faults == 1 && read_faults(p + 8 * PAGE));
	mprotect(p + 8 * PAGE, PAGE, RW);
	check(p, N);
}

/* No access at entry, opened in the region: its contents are those of entry. */
static void opened_in(void)
{
	CHECK(!mprotect(p + 8 * PAGE, 8 * PAGE, RW));
	look(p + 9 * PAGE);
	put(p + 10 * PAGE, 1);
}

static void opened(void)
{
	mprotect(p, N * PAGE, PROT_NONE);
	only_touched(p, 8);
	only_touched(p + 16 * PAGE, 48);
	region();
	mprotect(p, N * PAGE, RW);
	check(p, N);
	CHECK(got(p + 10 * PAGE) == 1);
}

/* Code that is written, made executable, run, and again. */
static int run_code(uint8_t *page)
{
	return ((int (*)(void))(void *)page)();
}

static void just_in_time_in(void)
{
	static const uint8_t code[] = { 0xb8, 42, 0, 0, 0, 0xc3 }; /* mov $42, %eax; ret */

	memcpy(q + PAGE, code, sizeof(code));
	CHECK(!mprotect(q + PAGE, PAGE, PROT_READ | PROT_EXEC));
	CHECK(run_code(q + PAGE) == 42);
	CHECK(!mprotect(q + PAGE, PAGE, RW));
	q[PAGE + 1] = 43;
	CHECK(!mprotect(q + PAGE, PAGE, PROT_READ | PROT_EXEC));
	CHECK(run_code(q + PAGE) == 43);
	look(p + 5 * PAGE);
}

static void just_in_time(void)
{
	q = array_at(NULL, 4);
	only_touched(p, N);
	region();
	CHECK(run_code(q + PAGE) == 43);
	check(p, N);
}

/* -- madvise --------------------------------------------------------------------------------- */

static void dont_need_in(void)
{
	look(p + 3 * PAGE);
	put(p + 4 * PAGE, 1);
	CHECK(!madvise(p, 8 * PAGE, MADV_DONTNEED));
	CHECK(zeros(p + 3 * PAGE) && zeros(p + 4 * PAGE) && zeros(p + 5 * PAGE));
	look(p + 20 * PAGE);
}

static void dont_need(void)
{
	only_touched(p + 8 * PAGE, 56);
	region();
	gone(p, 8);
	for (int i = 0; i < 8; i++)
		CHECK(zeros(p + (size_t)i * PAGE));
	check(p + 8 * PAGE, 56);
}

static void advice_in(void)
{
	look(p + 3 * PAGE);
	CHECK(!madvise(q, 4 * PAGE, MADV_FREE));
	q[0] = 1;
	CHECK(!madvise(p + 32 * PAGE, 32 * PAGE, MADV_HUGEPAGE));
	CHECK(!madvise(p + 32 * PAGE, 16 * PAGE, MADV_DONTDUMP));
	CHECK(!madvise(p + 32 * PAGE, 32 * PAGE, MADV_SEQUENTIAL));
	CHECK(!madvise(p, N * PAGE, MADV_COLD));
	look(p + 20 * PAGE);
	look(p + 40 * PAGE);
}

static int has_flag(const void *address, const char *flag)
{
	FILE *in = fopen("/proc/self/smaps", "r");
	uint64_t low, high;
	char line[4096];
	int here = 0, found = 0;

	while (fgets(line, sizeof(line), in)) {
		if (sscanf(line, "%lx-%lx ", &low, &high) == 2)
			here = (uint64_t)address >= low && (uint64_t)address < high;
		else if (here && !strncmp(line, "VmFlags:", 8))
			found |= strstr(line, flag) != NULL;
	}
	fclose(in);
	return found;
}

/* What advice leaves on a mapping is there afterwards as well. */
static void advice(void)
{
	q = array_at(NULL, 8);
	only_touched(p, 32);
	region();
	CHECK(q[0] == 1 && has_flag(p + 32 * PAGE, " dd") && !has_flag(p + 48 * PAGE, " dd"));
	CHECK(has_flag(p + 48 * PAGE, " hg") && has_flag(p + 48 * PAGE, " sr"));
	CHECK(!has_flag(p, " hg"));
	check(q + 4 * PAGE, 4);
	check(p, N);
}

static void same_pages_in(void)
{
	look(p + 3 * PAGE);
	put(p + 4 * PAGE, 5);
}

/* Pages that the kernel may merge with equal ones. */
static void mergeable(void)
{
	if (madvise(p, N * PAGE, MADV_MERGEABLE))
		exit(77);
	only_touched(p, N);
	region();
	CHECK(has_flag(p, " mg") && got(p + 4 * PAGE) == 5);
	check(p, N);
}

/* -- mlock ----------------------------------------------------------------------------------- */

static void lock_inside_in(void)
{
	CHECK(!mlock(p + 8 * PAGE, 8 * PAGE));
	look(p + 20 * PAGE);
	look(p + 9 * PAGE);
}

static void lock_inside(void)
{
	uint64_t before = status("VmLck:");

	only_touched(p, 8);
	only_touched(p + 16 * PAGE, 48);
	region();
	CHECK(status("VmLck:") == before + 32);
	check(p, N);
}

/* -- mseal: refused, for what is sealed cannot be put back ----------------------------------- */

static void seals_in(void)
{
	look(p + 3 * PAGE);
	if (syscall(462 /* mseal */, p, N * PAGE, 0) && errno == ENOSYS)
		faults = 77;
	look(p + 4 * PAGE);
}

static void seals(void)
{
	region();
	if (faults == 77)
		exit(77);
	check(p, N);
}

/* -- stacks that grow ------------------------------------------------------------------------ */

static void grows_down_in(void)
{
	look(q + PAGE);
	for (int i = 1; i < 20; i++)
		q[-i * (int)PAGE] = (uint8_t)i;
}

static void grows_down(void)
{
	q = mmap((void *)0x600000000000, N * PAGE, RW, FRESH | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
	fill(q, N);
	only_touched(q, N);
	region();
	for (int i = 1; i < 20; i++)
		CHECK(q[-i * (int)PAGE] == i);
	q[-40 * (int)PAGE] = 1;
	check(q, N);
}

static volatile int handled;

static void on_signal(int signal)
{
	handled += signal == SIGUSR1;
}

/* The signal's frame is what makes the stack grow, by the kernel's own hand. */
__attribute__((noinline)) static void far_below(void)
{
	volatile uint8_t *room = __builtin_alloca(1 << 20);

	raise(SIGUSR1);
	room[0] = 1;
}

static void frame_in(void)
{
	look(p + PAGE);
	far_below();
}

static void frame(void)
{
	signal(SIGUSR1, on_signal);
	only_touched(p, N);
	region();
	CHECK(handled == 1);
	check(p, N);
}

/* -- several threads change their memory at random ------------------------------------------- */

enum { UNTOUCHED, CHANGED, EMPTIED };

static long stir(uint8_t *own, uint8_t *state, unsigned int random)
{
	size_t k = random >> 8 & 255;
	uint8_t *page = own + k * PAGE;
	char *more;

	switch ((random >> 20) % 5) {
	case 0:
		mprotect(page, PAGE, PROT_READ);
		if (state[k] == EMPTIED ? !zeros(page) : *(uint64_t *)page != FIRST(page))
			return 1;
		return mprotect(page, PAGE, RW);
	case 1:
		state[k] = EMPTIED;
		return madvise(page, PAGE, MADV_DONTNEED);
	case 2:
		state[k] = EMPTIED;
		munmap(page, PAGE);
		return mmap(page, PAGE, RW, FRESH | MAP_FIXED_NOREPLACE, -1, 0) != page;
	case 3:
		more = malloc(200000);
		more[5] = 7;
		more = realloc(more, 600000);
		random = more[5] != 7;
		free(more);
		return (long)random;
	default:
		return state[k] == EMPTIED ? !zeros(page) : *(uint64_t *)page != FIRST(page);
	}
}

static void *stirrer(void *own)
{
	uint8_t state[256] = { UNTOUCHED };
	unsigned int random = (unsigned int)(uintptr_t)own * 2654435761u;
	long errors = 0;

	for (int i = 0; i < 100; i++) {
		random = random * 1103515245 + 12345;
		errors += stir(own, state, random) != 0;
	}
	for (size_t k = 0; k < 256; k++) {
		const uint64_t *page = (uint64_t *)((uint8_t *)own + k * PAGE);

		if (state[k] == UNTOUCHED && (page[0] != FIRST(page) || page[511] != LAST(page)))
			errors++;
	}
	return (void *)errors;
}

static uint8_t *owned[4];

static void stress_in(void)
{
	pthread_t threads[4];
	void *errors;

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, stirrer, owned[i]);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &errors);
		CHECK(!errors);
	}
}

static void stress(void)
{
	for (int i = 0; i < 4; i++)
		owned[i] = array_at(NULL, 256);
	region();
	check(p, N);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void), (*inside)(void);
	} cases[] = {
		{ "malloc_grow", malloc_grow, malloc_grow_in },
		{ "brk_shrink", brk_shrink, brk_shrink_in },
		{ "map_new", map_new, map_new_in },
		{ "unmap_part", unmap_part, unmap_part_in },
		{ "unmap_span", unmap_span, unmap_span_in },
		{ "remap_grow", remap_grow, remap_grow_in },
		{ "remap_move", remap_move, remap_move_in },
		{ "realloc_grow", realloc_grow, realloc_grow_in },
		{ "map_fixed", map_fixed, map_fixed_in },
		{ "guard", guard, guard_in },
		{ "guard_before", guard_before, guard_before_in },
		{ "opened", opened, opened_in },
		{ "just_in_time", just_in_time, just_in_time_in },
		{ "dont_need", dont_need, dont_need_in },
		{ "advice", advice, advice_in },
		{ "mergeable", mergeable, same_pages_in },
		{ "lock_inside", lock_inside, lock_inside_in },
		{ "seals", seals, seals_in },
		{ "grows_down", grows_down, grows_down_in },
		{ "frame", frame, frame_in },
		{ "stress", stress, stress_in },
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	p = array_at(NULL, N);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(argv[1], cases[i].name))
			continue;
		inside = cases[i].inside;
		cases[i].run();
		if (argc > 2)
			expect(argv[2]);
		printf("%s %s\n", argv[1], bad ? "DAMAGED" : "intact");
		return bad ? 1 : 0;
	}
	return 2;
}
