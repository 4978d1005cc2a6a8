#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Regions in which other threads, processes and the kernel touch the program's memory: they find
# it as it is, whatever the back end has done with it. One case each of capture_world.c.
. "$(dirname "$0")/../lib.sh"
program=$PROG/capture_world
. "$TESTS/replay/capture_lib.sh"

for name in threads big_threads clear_tid robust futex alternate fork_now fork_later vforks spawns \
	executes exits io shared_anonymous shared_memfd shared_file alias transparent transparent_odd; do
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
backends=$most
refused thread_forks 'another thread forks while invocation 0 waits for it'

exit 0
