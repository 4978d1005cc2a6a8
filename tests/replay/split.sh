#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# trace -split: a capture for each stretch between system calls, every one a snippet of its own
# that verifies; as many as the whole region has calls, and one more.
. "$(dirname "$0")/../lib.sh"
need_facility ptrace userfaultfd userfaultfd-async pagemap-scan seccomp
need python3

captures() { # DIR EXPRESSION of c, a capture's entry
	python3 -c "import json, sys
for c in json.load(open(sys.argv[1] + '/trace.json'))['captures']: print(c[sys.argv[2]])" "$1" "$2"
}

for name in files pipes clocks memory wait threads output; do
	"$PROG/calls" $name >alone.out 2>/dev/null
	expect_status 0 chop trace -q -split -function $name -module calls -indices 1 \
		-trace-dir $name -- "$PROG/calls" $name
	cmp -s "$OUT" alone.out || fail "$name: the program's output is not the same"
	expect_status 0 chop verify $name
	[ "$(captures $name invocation | sort -u)" = 1 ] || fail "$name: not one invocation"
	[ "$(captures $name system_calls | sort -n | tail -n 1)" -le 2 ] ||
		fail "$name: a piece with several calls"
done
# The same region whole: one call less than there are pieces.
expect_status 0 chop trace -q -function files -module calls -indices 1 -trace-dir whole \
	-- "$PROG/calls" files
[ "$(captures files id | wc -l)" -eq $(($(captures whole system_calls) + 1)) ] ||
	fail "files: $(captures files id | wc -l) pieces"

# Pieces are named apart.
expect_status 0 chop snippet -q files -c 3
expect_status 0 ./files/files.1.3
expect_match '^equal: files invocation 1,'

# A region that ends in its only call is one piece; handlers run between the pieces.
expect_status 0 chop trace -q -split -function exits -module calls -trace-dir exits \
	-- "$PROG/calls" exits
[ "$(captures exits id | wc -l)" -eq 1 ] || fail "exits: not one piece"
expect_status 0 chop verify exits
expect_status 0 chop trace -q -split -function pauses -indices 1 -trace-dir pauses \
	-- "$PROG/call_signals" pauses
expect_output 'pauses: done'
expect_status 0 chop verify pauses
exit 0
