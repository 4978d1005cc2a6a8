#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Huge pages of the system's pool (hugetlb), private and shared: captured whole.
. "$(dirname "$0")/../lib.sh"
program=$PROG/capture_shared
. "$TESTS/replay/capture_lib.sh"

pool=/proc/sys/vm/nr_hugepages
had=$(cat $pool 2>/dev/null)
[ -n "$had" ] || skip "no huge pages in this kernel"
if [ -w $pool ]; then
	trap 'echo $had >$pool; cd / && rm -rf "$TEST_TMP"' EXIT
	echo $((had + 8)) >$pool
fi
[ "$(awk '/^HugePages_Free/ { print $2 }' /proc/meminfo)" -ge 8 ] || skip "no 8 huge pages in $pool"
try huge_private
try huge_shared
exit 0
