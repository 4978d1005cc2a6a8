/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of each system call in a region. */
#ifndef CAPTURE_POLICY_H
#define CAPTURE_POLICY_H

#include <stdbool.h>
#include <stdint.h>

enum call_policy {
	POLICY_RECORD,	/* what it did is recorded and given back at replay */
	POLICY_EXECUTE, /* also made again at replay: it changes the address space */
	POLICY_END,	/* the region ends in it */
	POLICY_REFUSE,	/* it cannot be recorded */
};

/*
 * clone3 counts as the clone it is: with its flags as first argument. *reason: for POLICY_END what happens, for POLICY_REFUSE why ("its rings ...").
 */
enum call_policy policy_of(long number, const uint64_t args[6], const char **reason);

/* Address ranges a call changes the mappings or the backing of; at most two. */
struct call_change {
	uint64_t start, end;
	bool moves; /* its contents go to another address */
};
unsigned int policy_changes(long number, const uint64_t args[6], uint64_t heap_end,
			    struct call_change changes[2]);
/* Whether what was there at entry is gone after such a change, when the call succeeds. */
bool policy_takes_away(long number, const uint64_t args[6]);

#endif
