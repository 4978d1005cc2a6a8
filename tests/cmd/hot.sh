#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop hot: shares of functions, generated code, children, a running process; chop cut --hottest.
. "$(dirname "$0")/../lib.sh"
need python3 strip
spots=$PROG/hot_spots

need_facility software-clock

# The shares are known, but for the kernel's, which is what the machine makes it; the program's output and status are its own.
shares() { # FILE NAME... (four names, hottest first)
	python3 - "$@" <<-'END' || fail "not the shares"
	import json, sys
	d = json.load(open(sys.argv[1]))
	share = {}
	for f in d['functions']:
	    share[f['function']] = share.get(f['function'], 0) + f['share']
	program = 1 - share.get('[kernel]', 0)
	for name, expected in zip(sys.argv[2:], (.5, .25, .125, .125)):
	    assert abs(share.get(name, 0) / program - expected) < .1, (name, share)
	assert d['samples'] > 100 and d['lost'] == 0
	assert abs(sum(m['share'] for m in d['modules']) - 1) < .01
	END
}
same_as_untraced "$CHOP" hot -n 100 -j -o "$TEST_TMP/hot.json" -- "$spots" 600
shares "$TEST_TMP/hot.json" hottest warm cool '[generated code, in no file]'
expect_status 4 "$CHOP" hot -- "$spots" 200
expect_error_match '^ *[0-9]+ samples of '
head -n 3 "$ERR" | tail -n 1 | grep -q '%  *[0-9]*  hottest (hot_spots)$' || fail "$(cat "$ERR")"
expect_error_match '%  *[0-9]+  hot_spots$'

# Of a child of a child; stripped: by frame information.
strip -o stripped "$spots"
expect_status 0 "$CHOP" hot -n 100 -j -o hot.json -- sh -c "(./stripped 600; true) & wait"
hottest=0x$(nm "$spots" | awk '$3 == "hottest" { sub(/^0+/, "", $1); print $1 }')
warm=0x$(nm "$spots" | awk '$3 == "warm" { sub(/^0+/, "", $1); print $1 }')
shares hot.json "$hottest" "$warm"

# A running process, left as it was.
"$spots" 20000 &
pid=$!
expect_status 0 "$CHOP" hot -p $pid -timeout 800ms
head -n 3 "$ERR" | tail -n 1 | grep -q 'hottest (hot_spots)$' || { kill $pid; fail "$(cat "$ERR")"; }
kill -0 $pid || fail "the process has ended"
kill $pid
wait $pid 2>/dev/null

expect_status 127 "$CHOP" hot -- ./nowhere
expect_one_error 'nowhere'
expect_status 2 "$CHOP" hot
expect_one_error 'give a command to run, or -p PID'
expect_status 2 "$CHOP" hot -p 999999999
expect_one_error 'no process 999999999'
expect_status 2 "$CHOP" hot -o no/where -- true
expect_status 143 "$CHOP" hot -- sh -c 'kill -TERM $$'

# The rest of the way.
need_facility ptrace userfaultfd userfaultfd-async pagemap-scan
expect_status 0 "$CHOP" cut --hottest -n 3 -o cut -- "$spots" 300
expect_error_match 'hottest of hot_spots has [0-9.]+ % of the time'
expect_error_match 'cut/hottest.3: equal: '
[ -x cut/hottest.3 ] || fail "no snippet"
expect_status 2 "$CHOP" cut --hottest
expect_one_error 'no command to run'
exit 0
