#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop memtrace that is ended by a signal, or killed, leaves neither captures nor half a trace.
. "$(dirname "$0")/../lib.sh"

expect_status 0 chop trace -function fib_region -indices 0 -trace-dir t -- "$PROG/regions"
expect_status 0 chop snippet t -o one
mkdir tmp
export TMPDIR=$PWD/tmp

is_empty() { [ -z "$(ls -A tmp)" ]; }
has_some() { ls tmp/*/*; }

for signal in TERM KILL; do
	chop memtrace -begin fib_region -indices 0-400 -output held -- "$PROG/regions" >/dev/null 2>&1 &
	pid=$!
	wait_for has_some
	kill -$signal $pid
	wait $pid
	status=$?
	wait_for is_empty
	if [ $signal = TERM ] && ls held* >/dev/null 2>&1 && [ $status -ne 0 ]; then
		fail "status $status, but there is $(ls held*)"
	fi
	rm -f held*
done

# Undisturbed it leaves nothing there, too.
expect_status 0 chop memtrace -output done -- ./one
is_empty || fail "left: $(ls tmp)"
