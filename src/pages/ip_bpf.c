// SPDX-License-Identifier: Apache-2.0
/* The faults of the traced processes by a BPF program; declared in ip.h. */
#include "pages/ip.h"

#ifdef HAVE_BPF

#include <bpf/libbpf.h>
#include <sys/stat.h>

#include <chop/pager_fault.h>

#include "base/alloc.h"
#include "pages.skel.h"
#include "tracee/bpf.h"

#define FIRST_NAMESPACE 0xeffffffcU /* PROC_PID_INIT_INO */

struct ip_bpf {
	struct pages_bpf *program;
	struct ring_buffer *ring;
	struct ip_source *target; /* while collecting */
};

static int take(void *context, void *data, size_t size)
{
	const struct pager_fault *fault = data;
	struct ip_bpf *bpf = context;

	if (size >= sizeof(*fault) && bpf->target)
		ip_push(bpf->target, fault->thread,
			&(struct ip_fault){ fault->address, fault->ip, fault->time });
	return 0;
}

static int load(struct ip_bpf *bpf)
{
	struct stat namespace;
	int error;

	if (stat("/proc/self/ns/pid", &namespace))
		return -1;
	bpf->program = pages_bpf__open();
	if (!bpf->program)
		return -1;
	if (namespace.st_ino != FIRST_NAMESPACE) {
		bpf->program->rodata->namespace_device = namespace.st_dev;
		bpf->program->rodata->namespace_inode = namespace.st_ino;
	}
	error = pages_bpf__load(bpf->program);
	if (!error)
		error = pages_bpf__attach(bpf->program);
	if (error)
		return error;
	bpf->ring = ring_buffer__new(bpf_map__fd(bpf->program->maps.faults), take, bpf, NULL);
	return bpf->ring ? 0 : -1;
}

struct ip_bpf *ip_bpf_open(void)
{
	struct ip_bpf *bpf = xcalloc(1, sizeof(*bpf));

	bpf_messages_to_log();
	if (load(bpf)) {
		ip_bpf_close(bpf);
		bpf = NULL;
	}
	return bpf;
}

void ip_bpf_close(struct ip_bpf *bpf)
{
	if (!bpf)
		return;
	if (bpf->ring)
		ring_buffer__free(bpf->ring);
	pages_bpf__destroy(bpf->program);
	free(bpf);
}

int ip_bpf_add(struct ip_bpf *bpf, pid_t process)
{
	uint32_t key = (uint32_t)process;
	uint8_t one = 1;

	return bpf_map__update_elem(bpf->program->maps.processes, &key, sizeof(key), &one,
				    sizeof(one), 0);
}

void ip_bpf_remove(struct ip_bpf *bpf, pid_t process)
{
	uint32_t key = (uint32_t)process;

	bpf_map__delete_elem(bpf->program->maps.processes, &key, sizeof(key), 0);
}

void ip_bpf_collect(struct ip_bpf *bpf, struct ip_source *source)
{
	bpf->target = source;
	ring_buffer__consume(bpf->ring);
	source->lost = bpf->program->bss->lost;
	bpf->target = NULL;
}

#else

struct ip_bpf *ip_bpf_open(void)
{
	return NULL;
}

void ip_bpf_close(struct ip_bpf *bpf)
{
	(void)bpf;
}

int ip_bpf_add(struct ip_bpf *bpf, pid_t process)
{
	(void)bpf;
	(void)process;
	return -1;
}

void ip_bpf_remove(struct ip_bpf *bpf, pid_t process)
{
	(void)bpf;
	(void)process;
}

void ip_bpf_collect(struct ip_bpf *bpf, struct ip_source *source)
{
	(void)bpf;
	(void)source;
}

#endif
