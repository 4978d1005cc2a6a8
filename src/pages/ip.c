// SPDX-License-Identifier: Apache-2.0
#include "pages/ip.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"

#define RING_PAGES 128 /* 512 KiB: within what an unprivileged user may lock */
#define RING_SIZE  ((uint64_t)RING_PAGES * 4096)
#define RINGS_MAX  4096
#define QUEUE_MAX  4096 /* faults of a thread that nobody asked for: the oldest go */

struct ip_ring {
	int fd;
	struct perf_event_mmap_page *page;
};

/* A thread's faults, oldest first; those before `first` are used up. */
struct ip_queue {
	size_t first;
	VEC(struct ip_fault) faults;
};

/* PERF_SAMPLE_IP | TID | TIME | ADDR */
struct sample {
	struct perf_event_header header;
	uint64_t ip;
	uint32_t process, thread;
	uint64_t time, address;
};

static int open_ring(struct ip_source *source, pid_t tid, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_PAGE_FAULTS,
		.sample_period = 1,
		.sample_type =
			PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_ADDR,
		.inherit = 1,
		.exclude_kernel = 1,
		.exclude_hv = 1,
		.watermark = 1,
		.wakeup_watermark = RING_SIZE,
	};
	struct ip_ring ring = { .page = MAP_FAILED };

	ring.fd = (int)syscall(SYS_perf_event_open, &attr, tid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (ring.fd < 0)
		return -errno;
	ring.page = mmap(NULL, RING_SIZE + 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, 0);
	if (ring.page == MAP_FAILED) {
		int error = -errno;

		close(ring.fd);
		return error;
	}
	*vec_push(&source->rings) = xmalloc(sizeof(ring));
	**vec_last(&source->rings) = ring;
	return 0;
}

int ip_follow(struct ip_source *source, pid_t tid)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	int error = 0;

	if (source->rings.length + (size_t)cpus > RINGS_MAX)
		return -E2BIG;
	for (int cpu = 0; cpu < cpus && !error; cpu++) {
		error = open_ring(source, tid, cpu);
		if (error == -ENODEV) /* a CPU that is not there */
			error = 0;
	}
	source->usable = !error;
	return error;
}

static void free_queue(struct ip_queue *queue)
{
	vec_release(&queue->faults);
	free(queue);
}

void ip_forget(struct ip_source *source, uint32_t thread)
{
	uint64_t value;

	if (!map_get(&source->threads, thread, &value))
		return;
	free_queue((struct ip_queue *)(uintptr_t)value);
	map_remove(&source->threads, thread);
}

void ip_release(struct ip_source *source)
{
	for (size_t i = 0; i < source->rings.length; i++) {
		munmap(source->rings.items[i]->page, RING_SIZE + 4096);
		close(source->rings.items[i]->fd);
		free(source->rings.items[i]);
	}
	vec_release(&source->rings);
	vec_release(&source->batch);
	for (size_t i = 0; i < source->threads.capacity; i++) {
		uint64_t key, value;

		if (map_slot(&source->threads, i, &key, &value))
			free_queue((struct ip_queue *)(uintptr_t)value);
	}
	map_release(&source->threads);
}

/* Copy out of the ring, which may wrap in the middle of a sample. */
static void copy_out(const struct ip_ring *ring, uint64_t at, void *data, size_t size)
{
	const char *base = (const char *)ring->page + 4096;
	size_t offset = at % RING_SIZE, first = RING_SIZE - offset;

	if (first > size)
		first = size;
	memcpy(data, base + offset, first);
	memcpy((char *)data + first, base, size - first);
}

static void collect_ring(struct ip_source *source, struct ip_ring *ring)
{
	uint64_t head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = ring->page->data_tail;

	while (tail < head) {
		struct sample sample;

		copy_out(ring, tail, &sample.header, sizeof(sample.header));
		if (sample.header.type == PERF_RECORD_SAMPLE &&
		    sample.header.size == sizeof(sample)) {
			copy_out(ring, tail, &sample, sizeof(sample));
			*vec_push(&source->batch) = (struct ip_sample){
				sample.time, { sample.address, sample.ip, 0 }, sample.thread
			};
		} else if (sample.header.type == PERF_RECORD_LOST) {
			struct {
				struct perf_event_header header;
				uint64_t id, lost;
			} lost;

			copy_out(ring, tail, &lost, sizeof(lost));
			source->lost += lost.lost;
		}
		tail += sample.header.size;
	}
	__atomic_store_n(&ring->page->data_tail, tail, __ATOMIC_RELEASE);
}

static int by_time(const void *a, const void *b)
{
	const struct ip_sample *x = a, *y = b;

	return x->time < y->time ? -1 : x->time > y->time;
}

static struct ip_queue *queue_of(struct ip_source *source, uint32_t thread)
{
	struct ip_queue *queue;
	uint64_t value;

	if (map_get(&source->threads, thread, &value))
		return (struct ip_queue *)(uintptr_t)value;
	queue = xcalloc(1, sizeof(*queue));
	map_put(&source->threads, thread, (uint64_t)(uintptr_t)queue);
	return queue;
}

/* Faults that the pager never saw (copy-on-write, shared memory) must not pile up. */
static void trim(struct ip_queue *queue)
{
	size_t length = queue->faults.length;

	if (length - queue->first > QUEUE_MAX)
		queue->first = length - QUEUE_MAX / 2;
	if (queue->first < 256 || queue->first < length / 2)
		return;
	memmove(queue->faults.items, queue->faults.items + queue->first,
		(length - queue->first) * sizeof(*queue->faults.items));
	queue->faults.length -= queue->first;
	queue->first = 0;
}

static void push(struct ip_source *source, uint32_t thread, const struct ip_fault *fault)
{
	struct ip_queue *queue = queue_of(source, thread);

	*vec_push(&queue->faults) = *fault;
	trim(queue);
}

void ip_collect(struct ip_source *source)
{
	for (size_t i = 0; i < source->rings.length; i++)
		collect_ring(source, source->rings.items[i]);
	if (source->batch.length)
		vec_sort(&source->batch, by_time);
	for (size_t i = 0; i < source->batch.length; i++) {
		const struct ip_sample *sample = &source->batch.items[i];

		push(source, sample->thread, &sample->fault);
	}
	source->batch.length = 0;
}

bool ip_find(struct ip_source *source, uint32_t thread, uint64_t address, uint64_t latest,
	     uint64_t *ip)
{
	struct ip_queue *queue;
	uint64_t value;

	if (!map_get(&source->threads, thread, &value))
		return false;
	queue = (struct ip_queue *)(uintptr_t)value;
	for (size_t i = queue->first; i < queue->faults.length; i++) {
		if (queue->faults.items[i].time > latest)
			return false;
		if (queue->faults.items[i].address != address)
			continue;
		*ip = queue->faults.items[i].ip;
		queue->first = i + 1;
		return true;
	}
	return false;
}
