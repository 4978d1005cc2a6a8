// SPDX-License-Identifier: Apache-2.0
/*
 * Programs that change the protection of their memory inside the region, give the kernel advice
 * about it, lock it, or whose stacks grow: one case a run (capture_cases.h).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/syscall.h>

#include "capture_cases.h"
#include "proc_number.h"

#define FRESH (MAP_PRIVATE | MAP_ANONYMOUS)

static sigjmp_buf jump;
static volatile int faults;

static uint64_t status(const char *key)
{
	return proc_number("/proc/self/status", key);
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

static const struct capture_case cases[] = {
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
};

int main(int argc, char **argv)
{
	return run_cases(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
