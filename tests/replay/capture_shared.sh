#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Regions whose memory the kernel and other processes read and write, or is shared, or of
# transparent huge pages: exact, whatever the back end has done with it. One case each of
# capture_shared.c.
. "$(dirname "$0")/../lib.sh"
program=$PROG/capture_shared
. "$TESTS/replay/capture_lib.sh"

for name in io shared_anonymous shared_memfd shared_file alias transparent transparent_odd; do
	try $name
done

# What comes from other processes is not in the capture's log.
no_replay=yes
# What is protected from the program other processes cannot write either: that makes the program
# they come from fail, not this one.
most=$backends
backends=${backends/ mprotect/}
try other_writes
backends=$most
try shared_read
no_replay=

backends=${backends/ mprotect/}
refused ring_plain 'makes the system call io_uring_enter at .*cannot be recorded: the kernel writes'
if trace mprotect ring_plain; then
	[ $status -eq 5 ] || { show_output; fail "mprotect: ring_plain: not refused"; }
	expect_one_error 'the program does asynchronous I/O'
fi
exit 0
