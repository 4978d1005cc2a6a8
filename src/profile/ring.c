// SPDX-License-Identifier: Apache-2.0
/* Records as perf_event_open(2) describes them. */
#include "profile/ring.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"

#define HEADER_SIZE 4096

int rings_add(struct rings *rings, int cpu, int fd)
{
	void *memory;

	for (size_t i = 0; i < rings->rings.length; i++) {
		if (rings->rings.items[i].cpu != cpu)
			continue;
		*vec_push(&rings->others) = fd;
		if (!ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, rings->rings.items[i].fd))
			return 0;
		return err_sys(CHOP_MISSING, errno, "cannot sample another thread");
	}
	memory = mmap(NULL, HEADER_SIZE + RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED) {
		int error = errno;

		close(fd);
		return err_sys(CHOP_MISSING, error,
			       "cannot map memory for samples (kernel.perf_event_mlock_kb)");
	}
	*vec_push(&rings->rings) = (struct ring){ cpu, fd, memory };
	return 0;
}

void rings_enable(struct rings *rings)
{
	for (size_t i = 0; i < rings->rings.length; i++)
		ioctl(rings->rings.items[i].fd, PERF_EVENT_IOC_ENABLE, 0);
	for (size_t i = 0; i < rings->others.length; i++)
		ioctl(rings->others.items[i], PERF_EVENT_IOC_ENABLE, 0);
}

/* FNV-1a: http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint64_t hash(const char *text)
{
	uint64_t value = 0xcbf29ce484222325ULL;

	for (; *text; text++)
		value = (value ^ (uint8_t)*text) * 0x100000001b3ULL;
	return value;
}

size_t rings_path(struct rings *rings, const char *path)
{
	uint64_t index;

	if (map_get(&rings->path_index, hash(path), &index))
		return index;
	map_put(&rings->path_index, hash(path), rings->paths.length);
	*vec_push(&rings->paths) = xstrdup(path);
	return rings->paths.length - 1;
}

/* -- records: what follows the header ------------------------------------------------------------ */

struct record_sample {
	uint64_t ip;
	uint32_t pid, tid;
	uint64_t time;
};

struct record_mmap2 {
	uint32_t pid, tid;
	uint64_t address, size, offset;
	uint32_t major, minor;
	uint64_t inode, generation;
	uint32_t protection, flags;
	char path[];
};

struct record_fork {
	uint32_t pid, parent, tid, parent_tid;
	uint64_t time;
};

struct record_comm {
	uint32_t pid, tid;
};

/* At the end of a record that is no sample (sample_id_all): thread, then time. */
static uint64_t trailing_time(const uint8_t *record, size_t size)
{
	uint64_t time;

	memcpy(&time, record + size - sizeof(time), sizeof(time));
	return time;
}

static void add_sample(struct rings *rings, const struct perf_event_header *header,
		       const uint8_t *body)
{
	struct record_sample sample;

	memcpy(&sample, body, sizeof(sample));
	*vec_push(&rings->sampled) = (struct sampled){
		.kind = SAMPLED_IP,
		.time = sample.time,
		.pid = (pid_t)sample.pid,
		.address = sample.ip,
		.kernel = (header->misc & PERF_RECORD_MISC_CPUMODE_MASK) == PERF_RECORD_MISC_KERNEL,
	};
}

static void add_map(struct rings *rings, const uint8_t *body, size_t size)
{
	const struct record_mmap2 *map = (const void *)body;

	*vec_push(&rings->sampled) = (struct sampled){
		.kind = SAMPLED_MAP,
		.time = trailing_time(body, size),
		.pid = (pid_t)map->pid,
		.address = map->address,
		.size = map->size,
		.offset = map->offset,
		.path = rings_path(rings, map->path),
	};
}

static void add_record(struct rings *rings, const uint8_t *record)
{
	const struct perf_event_header *header = (const void *)record;
	const uint8_t *body = record + sizeof(*header);
	size_t size = header->size - sizeof(*header);
	const struct record_fork *fork = (const void *)body;
	uint64_t lost;

	switch (header->type) {
	case PERF_RECORD_SAMPLE:
		add_sample(rings, header, body);
		break;
	case PERF_RECORD_MMAP2:
		add_map(rings, body, size);
		break;
	case PERF_RECORD_FORK:
		if (fork->pid != fork->parent) /* not a thread */
			*vec_push(&rings->sampled) =
				(struct sampled){ .kind = SAMPLED_FORK,
						  .time = fork->time,
						  .pid = (pid_t)fork->pid,
						  .parent = (pid_t)fork->parent };
		break;
	case PERF_RECORD_COMM:
		if (header->misc & PERF_RECORD_MISC_COMM_EXEC)
			*vec_push(&rings->sampled) = (struct sampled){
				.kind = SAMPLED_EXEC,
				.time = trailing_time(body, size),
				.pid = (pid_t)((const struct record_comm *)(const void *)body)->pid,
			};
		break;
	case PERF_RECORD_LOST:
		memcpy(&lost, body + sizeof(lost), sizeof(lost));
		rings->lost += lost;
		break;
	}
}

static void copy(const struct ring *ring, uint64_t position, void *out, size_t size)
{
	const uint8_t *data = (const uint8_t *)ring->page + HEADER_SIZE;
	size_t at = position & (RING_SIZE - 1), first = RING_SIZE - at;

	if (first > size)
		first = size;
	memcpy(out, data + at, first);
	memcpy((uint8_t *)out + first, data, size - first);
}

static void read_ring(struct rings *rings, struct ring *ring)
{
	uint64_t head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = ring->page->data_tail;
	_Alignas(8) uint8_t record[65536];
	struct perf_event_header header;

	while (tail < head) {
		copy(ring, tail, &header, sizeof(header));
		if (header.size < sizeof(header))
			break;
		copy(ring, tail, record, header.size);
		add_record(rings, record);
		tail += header.size;
	}
	__atomic_store_n(&ring->page->data_tail, head, __ATOMIC_RELEASE);
}

void rings_read(struct rings *rings)
{
	for (size_t i = 0; i < rings->rings.length; i++)
		read_ring(rings, &rings->rings.items[i]);
}

void rings_close(struct rings *rings)
{
	for (size_t i = 0; i < rings->rings.length; i++) {
		munmap(rings->rings.items[i].page, HEADER_SIZE + RING_SIZE);
		close(rings->rings.items[i].fd);
	}
	for (size_t i = 0; i < rings->others.length; i++)
		close(rings->others.items[i]);
	vec_release(&rings->rings);
	vec_release(&rings->others);
	vec_release(&rings->sampled);
	map_release(&rings->path_index);
}
