#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The captured set of pages is exactly what the region touched, with the contents at entry
# and end, for every kind of memory and however the program is linked; the program's memory
# and address space are intact afterwards.
. "$(dirname "$0")/../lib.sh"

try() { # PROGRAM ARGS...
	local program=$1 n=0 line
	shift
	rm -rf expect.* t
	expect_status 0 chop trace -function region -trace-dir t -- "$PROG/$program" expect "$@"
	expect_output intact
	for line in expect.*; do
		"$PROG/capture_check" "$line" "t/$n.core" "t/$n.end.core" >check.log ||
			fail "$program $*: invocation $n: $(cat check.log)"
		n=$((n + 1))
	done
	[ "$n" -gt 0 ] || fail "$program $*: nothing expected?"
	# Little else: stack, code, tables of the linker.
	awk '{ exit $3 - $1 > 60 }' check.log || fail "too many pages: $(cat check.log)"
}

try capture_pages times 3
try capture_pages threads 4 times 3
try capture_pages_nopie times 2
try capture_pages_static times 2
try capture_pages_static_pie times 2
