#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Regions that change the protection of their memory, advise on it, lock it, or whose stacks grow,
# as in capture_changes.sh. One case each of capture_attributes.c.
. "$(dirname "$0")/../lib.sh"
program=$PROG/capture_attributes
. "$TESTS/replay/capture_lib.sh"

for name in guard guard_before opened just_in_time dont_need advice mergeable lock_inside \
	grows_down frame; do
	try $name
done

# What is sealed cannot be put back.
refused seals 'makes the system call mseal at .*cannot be recorded: sealed memory'
exit 0
