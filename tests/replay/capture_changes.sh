#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Regions that change what is mapped: the kernel does to the program's memory what it was asked to,
# the capture has the touched pages with the contents of entry, and the snippet is equal. One case
# each of capture_changes.c, with every back end that this machine allows.
. "$(dirname "$0")/../lib.sh"
program=$PROG/capture_changes
. "$TESTS/replay/capture_lib.sh"

for name in malloc_grow brk_shrink map_new unmap_part unmap_span remap_grow remap_move realloc_grow \
	map_fixed; do
	try $name
done

# Other threads change theirs while the region waits for them: nothing to compare with, but they
# find their memory as it should be, and the snippet is equal.
for backend in $backends; do
	trace $backend stress
	expect_error_match 'other threads ran while the region waited'
	[ $backend = clone ] || expect_status 0 chop verify t
done
exit 0
