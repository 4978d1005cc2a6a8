#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Memory that is hard to capture: exact all the same, or refused with the reason; never
# harmed. One case each of capture_odd.c.
. "$(dirname "$0")/../lib.sh"

try() { # CASE [FUNCTION [NUMBER]]
	rm -rf t expect
	timeout 60 "$CHOP" trace -function "${2:-region}" -indices 0,5 -trace-dir t -- \
		"$PROG/capture_odd" "$1" expect "${3:-}" >"$OUT" 2>"$ERR"
	status=$?
	if grep -q 'was never reached' "$ERR"; then
		echo "$1: not possible here"
		return
	fi
	[ "$(cat "$OUT")" = "$1 intact" ] || { show_output; fail "$1"; }
	[ $status -eq 5 ] && return
	[ $status -eq 0 ] || { show_output; fail "$1: status $status"; }
	[ -n "${2:-}" ] && [ "$2" != region ] && return
	"$PROG/capture_check" expect t/0.core t/0.end.core >check.log ||
		fail "$1: $(cat check.log)"
}
refused() { # REGEX
	[ "$status" -eq 5 ] || { show_output; fail "not refused"; }
	expect_one_error "$1"
}

try locked
try locked_all
try watched
try sealed
try huge
try system_v
try ring
try sparse
try threads
try mappings region 5000
try stack grow
try limited
refused 'limit on address space'
most=$(cat /proc/sys/vm/max_map_count)
if [ "$most" -lt 100000 ]; then
	try mappings region $((most / 2 - 700))
	refused 'vm.max_map_count'
fi

# Killed inside the region, holding a robust mutex that another process waits for.
timeout 20 "$CHOP" trace -function region -trace-dir killed -- "$PROG/capture_odd" killed \
	>"$OUT" 2>"$ERR"
for _ in $(seq 150); do
	grep -q lock: "$OUT" && break
	sleep 0.1
done
expect_output 'lock: owner died'
