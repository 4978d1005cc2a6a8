#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Regions in which other threads and processes touch the program's memory: they find it as it is,
# whatever the back end has done with it. One case each of capture_world.c.
. "$(dirname "$0")/../lib.sh"
program=$PROG/capture_world
. "$TESTS/replay/capture_lib.sh"

for name in threads big_threads clear_tid robust futex alternate fork_now fork_later vforks spawns \
	executes exits; do
	try $name
done
refused thread_forks 'another thread forks while invocation 0 waits for it'
exit 0
