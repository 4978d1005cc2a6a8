#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Regions in which signal handlers run: faults of their own, timers, signals of other threads,
# masks, alternate stacks. Delivered at the same points at replay, equal fifty times over; what
# cannot be placed is refused with the reason.
. "$(dirname "$0")/../lib.sh"
need_facility ptrace userfaultfd userfaultfd-async pagemap-scan seccomp

for name in segv jump overflow timer pauses restarted masks sent; do
	"$PROG/call_signals" $name >alone.out
	expect_status 0 chop trace -q -function $name -indices 1 -trace-dir $name \
		-- "$PROG/call_signals" $name
	cmp -s "$OUT" alone.out || fail "$name: the program's output is not the same"
	expect_status 0 chop snippet -q $name -o $name.snippet
	for run in $(seq 50); do
		./$name.snippet >"$OUT" 2>&1 || fail "$name, run $run: $(cat "$OUT")"
	done
	expect_match "^equal: $name invocation 1,"
done
# The log is rewound for each iteration.
expect_status 0 ./timer.snippet --iterations 20
expect_status 5 ./segv.snippet --iterations 20

# Refused, with the reason; the program goes on, or dies as it would have.
expect_status 1 chop trace -function spins -indices 1 -trace-dir spins -- "$PROG/call_signals" spins
expect_one_error 'invocation 1 waits for SIGALRM at spins\+0x[0-9a-f]+ .*none came in 5 s$'
expect_output 'spins: done'
expect_status 1 chop trace -function dies -indices 0 -trace-dir dies -- "$PROG/call_signals" dies
expect_error_match 'invocation 0 got SIGSEGV at dies\+0x[0-9a-f]+ .*, which ends the program$'
(chop trace -v -function dies -indices 0 -trace-dir dies -- "$PROG/call_signals" dies 2>&1) |
	grep -q 'ended by SIGSEGV' || fail "dies did not die"
exit 0
