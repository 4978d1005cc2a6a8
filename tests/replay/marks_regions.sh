#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Regions that chop marks finds - loops, inlined functions, lines, library functions - are
# captured and replay equal.
. "$(dirname "$0")/../lib.sh"
need_facility ptrace userfaultfd
lines=$PROG/marks_lines
"$lines" >alone || fail "the program does not run"

try() { # COUNT MARKS-ARGUMENTS...
	local count=$1 marks
	shift
	rm -rf t
	marks=$("$CHOP" marks "$@" 2>/dev/null) || fail "marks $*"
	# shellcheck disable=SC2086
	expect_status 0 "$CHOP" trace $marks -trace-dir t -- "$lines"
	expect_output <alone
	[ "$(ls t/*.end.core | wc -l)" -eq "$count" ] ||
		fail "$*: $(ls t/*.end.core | wc -l) invocations, not $count"
	expect_status 0 "$CHOP" verify t
}

line() { grep -n "/\* $1 \*/" "$TESTS/prog/marks_lines.c" | cut -d: -f1; }

try 8 --loop --line "$(line inner)" "$lines" nested
try 1 --loop --line "$(line outer)" "$lines" nested
try 1 --loop "$lines" machine
try 2 "$lines" square_sum
try 1 "$lines" "marks_lines.c:$(line body)"
try 1 "$lines" use1
