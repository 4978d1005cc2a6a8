/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userfaultfd as of Linux 6.8, from its documentation (admin-guide/mm/userfaultfd.rst): the
 * headers of older distributions lack UFFDIO_MOVE and asynchronous write protection.
 */
#ifndef PAGES_UFFD_H
#define PAGES_UFFD_H

#include <stdint.h>

#define UFFD_API_VERSION 0xaaULL

#define UFFD_FAULT_WP	 (1ULL << 0) /* feature: write-protect faults are told */
#define UFFD_TELL_REMAP	 (1ULL << 2) /* mremap is told, and keeps the registration */
#define UFFD_THREAD_ID	 (1ULL << 8)
#define UFFD_EXACT	 (1ULL << 11) /* the byte address, not the page's */
#define UFFD_UNPOPULATED (1ULL << 13)
#define UFFD_WP_ASYNC	 (1ULL << 15)
#define UFFD_MINOR_SHMEM (1ULL << 10)
#define UFFD_MOVE	 (1ULL << 16)

#define UFFD_MODE_MISSING (1ULL << 0)
#define UFFD_MODE_WP	  (1ULL << 1)
#define UFFD_MODE_MINOR	  (1ULL << 2)

#define UFFD_DONTWAKE	     (1ULL << 0) /* ZEROPAGE, COPY, MOVE */
#define UFFD_MOVE_HOLES	     (1ULL << 1) /* MOVE: holes in the source are skipped */
#define UFFD_PROTECT	     (1ULL << 0) /* WRITEPROTECT: protect */
#define UFFD_PROTECT_NO_WAKE (1ULL << 1)

#define UFFD_EVENT_FAULT 0x12
#define UFFD_FLAG_WRITE	 (1ULL << 0)
#define UFFD_FLAG_WP	 (1ULL << 1) /* the page is there, but write-protected */

struct uffd_message {
	uint8_t event, reserved1;
	uint16_t reserved2;
	uint32_t reserved3;
	uint64_t flags, address;
	uint32_t thread, reserved4;
};
_Static_assert(sizeof(struct uffd_message) == 32, "as the kernel has it");

struct uffd_api {
	uint64_t api, features, ioctls;
};
struct uffd_range {
	uint64_t start, length;
};
struct uffd_register {
	struct uffd_range range;
	uint64_t mode, ioctls;
};
struct uffd_copy { /* COPY and MOVE */
	uint64_t to, from, length, mode;
	int64_t done;
};
struct uffd_zeropage { /* ZEROPAGE and CONTINUE */
	struct uffd_range range;
	uint64_t mode;
	int64_t done;
};
struct uffd_protect {
	struct uffd_range range;
	uint64_t mode;
};

#define UFFD_IO(direction, number, size) \
	((direction) << 30 | (uint64_t)(size) << 16 | 0xaaULL << 8 | (number))
#define UFFDIO_API	    UFFD_IO(3ULL, 0x3f, sizeof(struct uffd_api))
#define UFFDIO_REGISTER	    UFFD_IO(3ULL, 0x00, sizeof(struct uffd_register))
#define UFFDIO_UNREGISTER   UFFD_IO(2ULL, 0x01, sizeof(struct uffd_range))
#define UFFDIO_WAKE	    UFFD_IO(2ULL, 0x02, sizeof(struct uffd_range))
#define UFFDIO_COPY	    UFFD_IO(3ULL, 0x03, sizeof(struct uffd_copy))
#define UFFDIO_ZEROPAGE	    UFFD_IO(3ULL, 0x04, sizeof(struct uffd_zeropage))
#define UFFDIO_MOVE	    UFFD_IO(3ULL, 0x05, sizeof(struct uffd_copy))
#define UFFDIO_WRITEPROTECT UFFD_IO(3ULL, 0x06, sizeof(struct uffd_protect))
#define UFFDIO_CONTINUE	    UFFD_IO(3ULL, 0x07, sizeof(struct uffd_zeropage))

#endif
