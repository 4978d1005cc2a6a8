#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop mem of regions in which signal handlers run - faults, breakpoints, timers, signals of
# other threads - and of regions whose rdtsc, rdtscp and cpuid were recorded: the end is equal,
# from the capture and from the snippet, and nothing is left of the log.
. "$(dirname "$0")/../lib.sh"
need_facility ptrace userfaultfd userfaultfd-async pagemap-scan seccomp

for name in segv jump overflow timer pauses restarted masks sent; do
	expect_status 0 chop trace -q -function $name -indices 1 -trace-dir $name \
		-- "$PROG/call_signals" $name
	expect_status 0 chop mem $name -o $name.mem
	expect_match "^equal: $name invocation 1,"
	counts=$(sed 's/ in [0-9].*//' "$OUT")
	expect_status 0 chop snippet -q $name -o $name.snippet
	expect_status 0 chop mem $name.snippet --count
	[ "$(sed 's/ in [0-9].*//' "$OUT")" = "$counts" ] || fail "$counts, of the snippet $(cat "$OUT")"
done

# The handler ran twice, and what the two faulting instructions wrote is there once each.
offset=$(nm "$PROG/call_signals" | awk '$3 == "on_fault" { print substr($1, 14) }')
expect_status 0 chop convert -q segv.mem --to csv -o segv.csv
[ "$(grep -c "^fetch,0x[0-9a-f]*$offset," segv.csv)" = 2 ] || fail "on_fault is not in the trace twice"
[ "$(grep -c '^write,0x[0-9a-f]*,0x[0-9a-f]*007,1,' segv.csv)" = 1 ] || fail "guarded[7] is not written once"
[ "$(grep -c '^write,0x[0-9a-f]*,0x[0-9a-f]*009,1,' segv.csv)" = 1 ] || fail "guarded[9] is not written once"

# What the processor was asked, where it was recorded; without, the end differs.
traps=-record-tsc
chop check cpuid-fault >/dev/null 2>&1 && traps="$traps -record-cpuid"
# shellcheck disable=SC2086
expect_status 0 chop trace -q $traps -function asks -module mem_cases -indices 1 -trace-dir asks \
	-- "$PROG/mem_cases" asks
expect_status 0 chop mem asks --count
expect_match "^equal: asks invocation 1,"
expect_status 0 chop snippet -q asks -o asks.snippet
expect_status 0 chop mem asks.snippet --count
