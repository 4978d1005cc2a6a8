// SPDX-License-Identifier: Apache-2.0
/* The pager's life: start, loop, end. */
#include "task.h"

#include "machine.h"

#define SIGNAL	     29 /* SIGIO: a command was given, or chop is gone */
#define F_SETFL_     4
#define F_SETSIG_    10
#define F_SETOWN_EX_ 15
#define O_NONBLOCK_  04000
#define O_ASYNC_     020000
#define O_CLOEXEC_   02000000

struct pager_action {
	uint64_t handler, flags, restorer, mask;
};

static void leave(struct pager *pager, int status)
{
	(void)pager;
	for (;;)
		sys(__NR_exit_group, (uint64_t)status, 0, 0);
}

static void fail(struct pager *pager, long error, uint32_t where)
{
	pager->setup.error = (int32_t)error;
	pager->setup.where = where;
	__atomic_store_n(&pager->setup.state, PAGER_FAILED, __ATOMIC_RELEASE);
	leave(pager, 1);
}

static long must(struct pager *pager, long result, uint32_t where)
{
	if (result < 0)
		fail(pager, result, where);
	return result;
}

static void lay_out(struct pager *pager)
{
	uint8_t *at = (uint8_t *)pager + ((sizeof(*pager) + PAGE - 1) & -PAGE);

	pager->zeros = at;
	at += PAGE;
	pager->scratch = at;
	at += 2 * PAGE;
	pager->bounce = at;
	at += PAGE;
	pager->slots = (struct slot *)at;
	at += (pager->setup.slots * sizeof(struct slot) + PAGE - 1) & -PAGE;
	pager->buckets = (uint32_t *)at;
	at += (pager->setup.buckets * sizeof(uint32_t) + PAGE - 1) & -PAGE;
	pager->ranges = (struct range *)at;
}

/* A pipe whose other end chop takes: its closing, and every byte, raises SIGNAL. */
static void open_pipe(struct pager *pager)
{
	struct {
		int32_t type, id;
	} owner = { 0 /* F_OWNER_TID */, (int32_t)sys(__NR_gettid, 0, 0, 0) };
	int32_t ends[2];
	uint64_t in;

	must(pager, sys(__NR_pipe2, (uint64_t)ends, O_CLOEXEC_ | O_NONBLOCK_, 0), 4);
	pager->pipe_in = ends[0];
	pager->setup.pipe_out = ends[1];
	in = (uint64_t)ends[0];
	must(pager, sys(__NR_fcntl, in, F_SETOWN_EX_, (uint64_t)&owner), 5);
	must(pager, sys(__NR_fcntl, in, F_SETSIG_, SIGNAL), 6);
	must(pager, sys(__NR_fcntl, in, F_SETFL_, O_NONBLOCK_ | O_ASYNC_), 7);
}

static void on_signal(int signal, void *info, void *context)
{
	struct pager *pager = (struct pager *)PAGER_STATE;
	uint64_t *ip = machine_signal_ip(context);

	(void)signal;
	(void)info;
	pager->signals++;
	if (*ip >= (uint64_t)pager_wait && *ip < (uint64_t)pager_wait_end)
		*ip = (uint64_t)pager_wait_interrupted;
}

/* All signals are blocked since the clone; only ours comes through. */
static void take_signal(struct pager *pager)
{
	struct pager_action action = {
		.handler = (uint64_t)on_signal,
		.flags = 0x04000004 /* SA_RESTORER | SA_SIGINFO */,
		.restorer = (uint64_t)pager_restorer,
	};
	uint64_t mask = ~(1ULL << (SIGNAL - 1));

	must(pager, call6(__NR_rt_sigaction, SIGNAL, (uint64_t)&action, 0, 8, 0, 0), 8);
	must(pager, call6(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, (uint64_t)&mask, 0, 8, 0, 0),
	     9);
}

/* Who may not make the call may still be given the device, or chop has it. */
static long open_device(struct pager *pager)
{
	long device = sys(__NR_open, (uint64_t) "/dev/userfaultfd", 2 /* O_RDWR */ | O_CLOEXEC_, 0);

	return device < 0 ? parcel_ask_device(pager) : device;
}

static long new_uffd(struct pager *pager)
{
	long fd = sys(__NR_userfaultfd, O_CLOEXEC_, 0, 0);

	if (fd != -EPERM)
		return fd;
	if (pager->device < 0)
		pager->device = (int)open_device(pager);
	if (pager->device < 0)
		return -EPERM;
	return sys(__NR_ioctl, (uint64_t)pager->device, 0xaa00 /* USERFAULTFD_IOC_NEW */,
		   O_CLOEXEC_);
}

/*
 * mremap is to be told for the sake of the neighbours: without that the kernel takes the
 * registration away from whatever the moved mapping merges with. Whoever calls mremap waits
 * until we have read of it - so we must never mremap registered memory ourselves.
 */
static uint64_t features_wanted(struct pager *pager, uint64_t offered)
{
	uint64_t wanted = UFFD_THREAD_ID | UFFD_TELL_REMAP;

	if (!(offered & UFFD_MOVE))
		pager->setup.copies = 1;
	pager->setup.minor = (offered & UFFD_MINOR_SHMEM) != 0;
	if (pager->setup.copies || pager->setup.slices)
		wanted |= UFFD_FAULT_WP;
	if (pager->setup.slices)
		wanted |= offered & (UFFD_WP_ASYNC | UFFD_UNPOPULATED);
	return wanted | (offered & (UFFD_EXACT | UFFD_MINOR_SHMEM));
}

/* What a kernel offers it tells once for each descriptor. */
static void open_uffd(struct pager *pager)
{
	struct uffd_api api = { .api = UFFD_API_VERSION };
	long asked;

	pager->device = -1;
	asked = must(pager, new_uffd(pager), 1);

	must(pager, sys(__NR_ioctl, (uint64_t)asked, UFFDIO_API, (uint64_t)&api), 2);
	sys(__NR_close, (uint64_t)asked, 0, 0);
	api = (struct uffd_api){ .api = UFFD_API_VERSION,
				 .features = features_wanted(pager, api.features) };
	pager->setup.uffd = (int32_t)must(pager, new_uffd(pager), 1);
	if (pager->device >= 0)
		sys(__NR_close, (uint64_t)pager->device, 0, 0);
	must(pager, sys(__NR_ioctl, (uint64_t)pager->setup.uffd, UFFDIO_API, (uint64_t)&api), 2);
}

static void open_shared(struct pager *pager)
{
	static const char name[] = "chop-pager";
	uint64_t size = pager->setup.shared_size;
	long fd = must(pager, sys(__NR_memfd_create, (uint64_t)name, 1 /* MFD_CLOEXEC */, 0), 10);

	must(pager, sys(__NR_ftruncate, (uint64_t)fd, size, 0), 11);
	must(pager,
	     sys_map(PAGER_SHARED, size, PROT_READ | PROT_WRITE,
		     MAP_SHARED | (pager->setup.inherit ? MAP_FIXED : MAP_FIXED_NOREPLACE),
		     (int)fd),
	     12);
	pager->setup.memfd = (int32_t)fd;
	pager->shared = (struct pager_shared *)PAGER_SHARED;
}

/* The parent's registrations did not come along. */
static void register_all(struct pager *pager)
{
	for (uint64_t i = 0; i < pager->range_count; i++) {
		const struct range *range = &pager->ranges[i];
		uint64_t start = range->start, last;
		uint32_t before = range->flags & RANGE_FROZEN ? range->frozen : range->protection;

		must(pager, uffd_register_kind(pager, range), 20);
		if (!(range->flags & RANGE_SHADOW) || !(before & PROT_WRITE))
			continue;
		last = shadow_of(start) + (range->end - start);
		if (range->flags & RANGE_GROWS)
			start = pager->stack_floor;
		must(pager, uffd_register(pager, shadow_of(start), last), 21);
	}
}

/* The program's limits (of memory, of descriptors) are not meant for us. */
static void lift_limit(uint32_t resource)
{
	uint64_t limit[2] = { ~0ULL, ~0ULL };

	if (!call6(__NR_prlimit64, 0, resource, (uint64_t)limit, 0, 0, 0) ||
	    call6(__NR_prlimit64, 0, resource, 0, (uint64_t)limit, 0, 0))
		return;
	limit[0] = limit[1];
	call6(__NR_prlimit64, 0, resource, (uint64_t)limit, 0, 0, 0);
}

static void lift_limits(void)
{
	lift_limit(2 /* RLIMIT_DATA */);
	lift_limit(9 /* RLIMIT_AS */);
	lift_limit(7 /* RLIMIT_NOFILE */);
	lift_limit(1 /* RLIMIT_FSIZE */);
}

static void start(struct pager *pager)
{
	uint64_t scratch;

	lay_out(pager);
	pager->signals = pager->done = 0;
	pager->setup.socket = -1;
	pager->setup.pid = (int32_t)sys(__NR_getpid, 0, 0, 0);
	/* No descriptor of the program may stay open in us. */
	sys(__NR_close_range, 0, ~0U, 0);
	lift_limits();
	/* Of its own process group, but of the session: sessions are scheduled apart. */
	sys(__NR_setpgid, 0, 0, 0);
	sys(__NR_prctl, 15 /* PR_SET_NAME */, (uint64_t) "chop-pager", 0);
	open_uffd(pager);
	scratch = (uint64_t)pager->scratch;
	must(pager, uffd_register(pager, scratch, scratch + 2 * PAGE), 3);
	open_pipe(pager);
	faults_open(pager);
	take_signal(pager);
	open_shared(pager);
	pager->pagemap = (int)sys(__NR_open, (uint64_t) "/proc/self/pagemap", O_CLOEXEC_, 0);
	if (pager->setup.copies) {
		must(pager, pager->pagemap, 13);
		pager->memory = (int)must(
			pager, sys(__NR_open, (uint64_t) "/proc/self/mem", O_CLOEXEC_, 0), 14);
	}
	pager->restoring = false;
	pager->leaving = false;
	for (int i = 0; i < RUNS; i++)
		pager->runs[i] = (struct run){ 0 };
	pager->deferred_count = 0;
	if (pager->setup.inherit)
		register_all(pager);
	else
		window_init(pager);
	pager->shared->state = PAGER_SERVING;
	__atomic_store_n(&pager->setup.state, PAGER_SERVING, __ATOMIC_RELEASE);
}

/* Bytes in the pipe only wake us; its end means that chop is gone. */
static bool chop_is_gone(struct pager *pager)
{
	uint8_t bytes[64];
	long got;

	do
		got = sys(__NR_read, (uint64_t)pager->pipe_in, (uint64_t)bytes, sizeof(bytes));
	while (got > 0 || got == -EINTR);
	return got == 0;
}

/* A signal came: a command, or chop's end. What was given whole is done even then. */
static void attend(struct pager *pager)
{
	uint32_t sequence = __atomic_load_n(&pager->shared->sequence, __ATOMIC_ACQUIRE);

	if (sequence != pager->done) {
		command_run_all(pager);
		pager->done = sequence;
	}
	if (!pager->leaving && chop_is_gone(pager)) {
		struct pager_shared *shared = pager->shared;

		if (shared->state != PAGER_RESTORED)
			restore_all(pager);
		if (shared->pinned)
			sys(__NR_sched_setaffinity, shared->pinned, sizeof(shared->cpus),
			    (uint64_t)shared->cpus);
		pager->leaving = true;
	}
}

static void serve(struct pager *pager, long got)
{
	for (long i = 0; i < got / (long)sizeof(pager->batch[0]); i++) {
		if (pager->batch[i].event == UFFD_EVENT_FAULT)
			fault_serve(pager, &pager->batch[i]);
	}
}

/* Others may wait in userfaultfd's queue: it is looked at again after so many. */
#define IN_A_ROW 32

/* Until a command comes, which must be done before the next one is served. */
static void serve_next(struct pager *pager, uint32_t seen)
{
	struct uffd_message message;

	for (int i = 0; i < IN_A_ROW; i++) {
		if (__atomic_load_n(&pager->signals, __ATOMIC_ACQUIRE) != seen ||
		    !faults_next(pager, &message))
			return;
		fault_serve(pager, &message);
	}
}

/*
 * Faults that could not be served wait for what chop is about to tell. If nothing comes
 * for a while the reason is another (memory locked behind our back): they get their pages
 * for good. Meanwhile the others are served, so reads must not block.
 */
#define PATIENCE 500 /* rounds of 0.2 ms */

static void wait_impatiently(struct pager *pager)
{
	struct {
		int64_t seconds, nanoseconds;
	} nap = { 0, 200000 };
	uint64_t uffd = (uint64_t)pager->setup.uffd;

	sys(__NR_fcntl, uffd, F_SETFL_, O_NONBLOCK_);
	serve(pager, sys(__NR_read, uffd, (uint64_t)pager->batch, sizeof(pager->batch)));
	fault_retry_deferred(pager, pager->impatience++ > PATIENCE);
	if (pager->deferred_count)
		sys(__NR_nanosleep, (uint64_t)&nap, 0, 0);
	else
		pager->impatience = 0;
	sys(__NR_fcntl, uffd, F_SETFL_, 0);
}

void pager_main(void);
void pager_main(void)
{
	struct pager *pager = (struct pager *)PAGER_STATE;
	uint32_t seen = 0;

	start(pager);
	while (!pager->leaving) {
		uint32_t signals;

		if (pager->deferred_count) {
			wait_impatiently(pager);
		} else {
			long got = pager_wait(pager->setup.uffd, pager->batch, sizeof(pager->batch),
					      &pager->signals, seen);

			serve(pager, got);
			if (got > 0)
				serve_next(pager, seen);
		}
		signals = __atomic_load_n(&pager->signals, __ATOMIC_ACQUIRE);
		if (signals != seen) {
			seen = signals;
			attend(pager);
		}
	}
	leave(pager, 0);
}
