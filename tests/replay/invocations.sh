#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What an invocation is, however it is left: each is captured from its begin to its own end,
# replays to the same state, and the program's output is as without tracing.
. "$(dirname "$0")/../lib.sh"

indices=0-1000
captured() { # FUNCTION INVOCATIONS PROGRAM ARGUMENTS...
	local function=$1 wanted=$2 count
	shift 2
	rm -rf t
	"$@" >alone
	expect_status 0 "$CHOP" trace -function "$function" -indices "$indices" -trace-dir t -- "$@"
	cmp alone "$OUT" || { show_output; fail "$function: the output differs"; }
	count=$(python3 -c "import json
print(*(x['invocation'] for x in json.load(open('t/trace.json'))['captures']))")
	[ "$count" = "$wanted" ] || { show_output; fail "$function: captured $count, not $wanted"; }
	expect_status 0 "$CHOP" verify t
}
ends() { # N: how many different places the invocations ended at
	local found
	found=$(python3 -c "import json
print(len({x['reached_end'] for x in json.load(open('t/trace.json'))['captures']}))")
	[ "$found" -eq "$1" ] || fail "$found different ends, not $1"
}
modes=$PROG/trace_modes exceptions=$PROG/trace_exceptions

# Recursion: a call ends with its own activation; inner calls belong to it.
captured recursive "0 1 3 6" "$modes" recursion 4
# Several exits: whichever is taken.
captured exits_early "0 1 2 3" "$modes" exits 4
ends 1
# Tail call out of the function: up to the return to its caller.
captured tail_caller "0 1 2" "$modes" tails 3
captured tail_target "0 1 2" "$modes" tails 3
# longjmp past it: where that lands.
captured jumper "0 1 2 3" "$modes" jumps 4
ends 1
# A C++ exception past it: the landing pad; one that stays inside does not end it.
captured thrower "0 1 2 3" "$exceptions" 2
captured catcher "0 1" "$exceptions" 2
# The thread exits inside it: at its last system call. Not the first one, which loads the unwinder
# and is not the same each time.
indices=1-3
captured thread_ender "1 2 3" "$modes" thread_exits 4
# The program exits, or executes another one, inside it.
expect_status 0 "$CHOP" trace -function leaves -trace-dir left -- "$PROG/trace_program" exits
expect_status 0 "$CHOP" verify left
