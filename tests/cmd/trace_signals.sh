#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Signals for chop end the tracing, not the program; what was captured is kept and marked.
. "$(dirname "$0")/../lib.sh"
need setsid

# A program that takes about two seconds, region() again and again.
program=$PROG/trace_slow

start() { # OPTIONS...: chop in the background, its pid in $chop, the program's in $child
	rm -rf t out
	# Not in the background: there, a shell makes SIGINT ignored.
	setsid "$CHOP" trace -trace-dir t -function region "$@" -- "$program" >out 2>"$ERR" &
	chop=$!
	for _ in $(seq 100); do
		grep -q started out 2>/dev/null && break
		sleep 0.05
	done
	child=$(pgrep -P $chop) || fail "no program"
	sleep 0.2
}
status_is() { # STATUS: of chop
	local status
	wait $chop
	status=$?
	[ $status -eq "$1" ] || { cat "$ERR"; fail "status $status instead of $1"; }
}
child_state() { awk '/^State/ { print $2 }' "/proc/$child/status" 2>/dev/null; }
tracer() { awk '/^TracerPid/ { print $2 }' "/proc/$child/status" 2>/dev/null; }
ended() { # the program says so itself; where others compute as well that takes a while
	for _ in $(seq 600); do
		grep -q 'ended well' out && return
		sleep 0.1
	done
	fail "the program did not end well: $(cat out)"
}

# Terminated between invocations: one capture is kept.
start -indices 0,100000
kill -TERM $chop
status_is 143
[ "$(tracer)" = 0 ] || fail "the program is still traced"
ended
grep -q '"interrupted": "interrupted by SIGTERM"' t/trace.json || fail "not marked interrupted"
[ -e t/0.core ] || fail "the capture is gone"

# Nothing captured yet: an error, no directory.
start -indices 100000
kill -TERM $chop
status_is 1
[ ! -e t ] || fail "an empty directory was left"
expect_one_error 'interrupted before anything was captured'
ended

# Inside an invocation that takes long.
rm -rf t out
setsid "$CHOP" trace -trace-dir t -function long_region -- "$program" long >out 2>"$ERR" &
chop=$!
for _ in $(seq 100); do # printed right before the invocation begins
	grep -q started out 2>/dev/null && break
	sleep 0.05
done
sleep 0.3
child=$(pgrep -P $chop) || fail "no program"
kill -TERM $chop
status_is 1
ended

# Killed: the program goes with it rather than to go on with wrong memory.
start -indices 100000
kill -KILL $chop
wait $chop 2>/dev/null
for _ in $(seq 50); do
	case $(child_state) in '' | Z) break ;; esac
	sleep 0.1
done
case $(child_state) in '' | Z) ;; *) fail "the program survived: $(child_state)" ;; esac
[ ! -e t/trace.json ] || fail "a trace directory that looks complete"

# The program is killed: chop ends as well, with what it has.
start -indices 0,100000
kill -KILL "$child"
status_is 0
[ -e t/trace.json ] || fail "no index"

# Job control: stopped and continued, then it ends as it should.
start -indices 100000
kill -STOP "$child"
sleep 0.2
size=$(stat -c %s out)
sleep 0.4
[ "$(stat -c %s out)" = "$size" ] || fail "the program runs although it is stopped"
kill -CONT "$child"
wait $chop
ended
