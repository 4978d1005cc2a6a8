#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop trace -p: a running process is taken over, its regions are captured, and it is let go
# unharmed, whatever ends the tracing.
. "$(dirname "$0")/../lib.sh"
need mkfifo

start() { # THREADS: the program in the background, its pid in $pid; finish ends it
	rm -rf t out go pipe
	mkfifo pipe
	"$PROG/trace_attach" "$1" <pipe >out 2>&1 &
	pid=$!
	exec 9>pipe
	for _ in $(seq 600); do
		grep -q ready out && return
		sleep 0.05
	done
	fail "the program does not start"
}
tracer() { awk '/^TracerPid/ { print $2 }' "/proc/$pid/status"; }
finish() { # it runs, nobody traces it, and it noticed nothing
	[ "$(tracer)" = 0 ] || fail "$1: still traced by $(tracer)"
	grep -q 1f0000000000 "/proc/$pid/maps" && fail "$1: our pages are still there"
	exec 9>&-
	wait $pid || { cat out; fail "$1: the program ended with $?"; }
	grep -q 'errors 0' out || { cat out; fail "$1: disturbed"; }
}
wait_traced() {
	for _ in $(seq 600); do
		[ "$(tracer)" != 0 ] && return
		sleep 0.05
	done
	fail "it is never traced"
}

# One thread after another enters; hundreds of threads.
for threads in 3 300; do
	start $threads
	expect_status 0 "$CHOP" trace -p $pid -function region -max-traces 3 -trace-dir t
	[ "$(grep -c 'core$' "$ERR")" -eq 3 ] || { show_output; fail "not 3 captures"; }
	finish "$threads threads"
	expect_status 0 "$CHOP" verify t
done

# Windows of time of a process that mostly waits.
start 2
expect_status 0 "$CHOP" trace -p $pid -interval 10ms -active 5ms -max-traces 3 -trace-dir t
finish "windows"

# Ctrl-C between invocations, inside one, and other signals.
for signal in INT TERM HUP; do
	start 3
	env --default-signal=INT "$CHOP" trace -p $pid -function region -indices 1000000000000 -trace-dir t 2>"$ERR" &
	chop=$!
	wait_traced
	kill -$signal $chop
	wait $chop
	[ $? -eq 1 ] || { show_output; fail "SIG$signal: not status 1"; }
	finish "SIG$signal"
	[ ! -e t ] || fail "an empty directory"
done
start 3
env --default-signal=INT "$CHOP" trace -p $pid -function endless -trace-dir t 2>"$ERR" &
chop=$!
wait_traced
touch go
sleep 0.5
kill -INT $chop
wait $chop
[ $? -eq 1 ] || { show_output; fail "inside: not status 1"; }
finish "inside"

# Killed with SIGKILL, the tracer takes the program with it: it must not go on with
# breakpoints or wrong memory. Inside a region, and outside.
for function in region endless; do
	start 3
	touch go
	env --default-signal=INT "$CHOP" trace -p $pid -function $function -indices 1000000000000 -trace-dir t 2>"$ERR" &
	chop=$!
	wait_traced
	sleep 0.3
	kill -KILL $chop
	wait $chop 2>/dev/null
	wait $pid
	[ $? -eq 137 ] || fail "SIGKILL: the program survived"
	exec 9>&-
	grep -q errors out && fail "SIGKILL: the program went on"
	[ ! -e t/trace.json ] || fail "a directory that looks complete"
done

# What cannot be traced.
start 2
thread=$(ls /proc/$pid/task | tail -n 1)
expect_status 2 "$CHOP" trace -p "$thread" -function region -trace-dir t
expect_one_error "$thread is a thread of process $pid"
expect_status 2 "$CHOP" trace -p $pid -function regoin -trace-dir t
expect_one_error "no function 'regoin'.*did you mean 'region'"
expect_status 2 "$CHOP" trace -p $pid -function region -trace-dir t -- true
expect_one_error "a command cannot be run as well"
env --default-signal=INT "$CHOP" trace -p $pid -function region -indices 1000000000000 -trace-dir t2 2>"$ERR" &
chop=$!
wait_traced
expect_status 2 "$CHOP" trace -p $pid -function region -trace-dir t
expect_one_error "traced by chop \(process $chop\) already"
kill -TERM $chop
wait $chop
if command -v gdb >/dev/null; then # a debugger is attached
	gdb -q -batch -p $pid -ex "shell '$CHOP' trace -p $pid -function region -trace-dir t 2>said" \
		>/dev/null 2>&1
	grep -q "traced by gdb (process .*) already" said || { cat said; fail "debugger"; }
fi
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	expect_status 5 setpriv --reuid=65534 --clear-groups \
		"$CHOP" trace -p $pid -function region -trace-dir /tmp/never
	expect_one_error "belongs to another user"
fi
finish "refused"
expect_status 2 "$CHOP" trace -p $pid -function region -trace-dir t
expect_one_error "there is no process $pid"
exit 0
