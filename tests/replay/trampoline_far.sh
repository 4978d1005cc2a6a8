#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Invocations far out are reached by counting in the program: the right one is captured, it
# replays, and the program does what it does alone; with threads, signals and a child.
. "$(dirname "$0")/../lib.sh"
need gdb

argument() { # CORE PROGRAM: the first argument at entry
	gdb -nx -batch -ex 'print $rdi' "$2" "$1" 2>/dev/null | sed -n 's/^\$1 = //p'
}

for kind in '' _nopie _static; do
	program=$PROG/trampoline_far$kind
	same_as_untraced "$CHOP" trace -function far -indices 7,100000,100001,299999 -trace-dir t \
		-- "$program" 300000
	i=0
	for wanted in 7 100000 100001 299999; do
		[ "$(argument "$TRACED/t/$i.core" "$program")" = $wanted ] ||
			fail "far$kind: capture $i is not of invocation $wanted"
		i=$((i + 1))
	done
	! grep -q 'stops at every' "$ERR" || fail "$(cat "$ERR")"
	expect_status 0 "$CHOP" snippet "$TRACED/t" --capture 1 -o snippet$kind
	expect_status 0 "$CHOP" verify "$TRACED/t"
done

# All of them counted, none wanted.
expect_status 1 "$CHOP" trace -function far -indices 900000 -trace-dir t2 -- \
	"$PROG/trampoline_far" 300000
expect_error_match 'far was reached 300000 times; invocation 900000 never came'

# Which thread comes is open; that one comes is not.
same_as_untraced "$CHOP" trace -function far -indices 399999 -trace-dir t \
	-- "$PROG/trampoline_far" 200000 threads
grep -q 'invocation 399999:' "$ERR" || fail "$(cat "$ERR")"

# What cannot be patched is reached as well, and said: a loop back into the first bytes.
same_as_untraced "$CHOP" trace -function refused -indices 100 -trace-dir t \
	-- "$PROG/trampoline_refused"
expect_error_match 'stops at every invocation until the wanted one: a branch leads into'
[ "$(argument "$TRACED/t/0.core" "$PROG/trampoline_refused")" = 101 ] || fail "refused"

# With a timer whose handler calls it too.
expect_status 0 "$CHOP" trace -function far -indices 250000 -trace-dir noise \
	-- "$PROG/trampoline_far" 300000 noise
