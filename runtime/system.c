// SPDX-License-Identifier: Apache-2.0
#include "runtime.h"

#include <asm/unistd.h>
#include <linux/time.h>

long sys_write(int fd, const void *data, size_t size)
{
	return sys_call(__NR_write, (uint64_t)fd, (uint64_t)data, size, 0, 0, 0);
}

long sys_pread(int fd, void *data, size_t size, uint64_t offset)
{
	return sys_call(__NR_pread64, (uint64_t)fd, (uint64_t)data, size, offset, 0, 0);
}

long sys_mmap(uint64_t address, uint64_t length, uint32_t protection, uint32_t flags, int fd,
	      uint64_t offset)
{
	return sys_call(__NR_mmap, address, length, protection, flags, (uint64_t)(int64_t)fd,
			offset);
}

long sys_mprotect(uint64_t address, uint64_t length, uint32_t protection)
{
	return sys_call(__NR_mprotect, address, length, protection, 0, 0, 0);
}

uint64_t now_ns(void)
{
	struct __kernel_timespec now = { 0 };

	sys_call(__NR_clock_gettime, CLOCK_MONOTONIC_RAW, (uint64_t)&now, 0, 0, 0, 0);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

bool read_self(void *data, size_t size, uint64_t offset)
{
	for (uint8_t *at = data; size;) {
		long got = sys_pread(rt.fd, at, size, offset);

		if (got <= 0)
			return false;
		at += got;
		offset += (uint64_t)got;
		size -= (size_t)got;
	}
	return true;
}
