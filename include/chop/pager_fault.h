/* SPDX-License-Identifier: Apache-2.0 */
/* A page fault as bpf/pages.bpf.c reports it. */
#ifndef CHOP_PAGER_FAULT_H
#define CHOP_PAGER_FAULT_H

#ifdef __bpf__
typedef __UINT32_TYPE__ uint32_t;
typedef __UINT64_TYPE__ uint64_t;
#else
#include <stdint.h>
#endif

struct pager_fault {
	uint64_t address, ip;
	uint64_t time; /* ns, CLOCK_MONOTONIC */
	uint32_t thread;
	uint32_t code; /* the processor's error code */
};

#endif
