#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop pages -p: attached to, let go by a signal, attached to again, chop killed: the program,
# which checks its memory all the time, goes on, with its mappings, processors and children as
# they were. The trace holds what was seen. So it is when chop that started a program is told
# to end, or its disk is full.
. "$(dirname "$0")/../lib.sh"
need_facility ptrace attach userfaultfd userfaultfd-move
trap 'touch stop; kill $(jobs -p) 2>/dev/null; cd / && rm -rf "$TEST_TMP"' EXIT

# Until a condition holds; a slow machine has minutes.
await() { # WHAT COMMAND...
	local what=$1 i
	shift
	for ((i = 0; i < 1200; i++)); do
		"$@" && return 0
		sleep 0.05
	done
	fail "$what"
}
larger() { [ "$(stat -c %s "$1" 2>/dev/null || echo 0)" -gt "$2" ]; }
field() { awk -v name="$1:" '$1 == name { print $2 }' "/proc/$2/status"; }
untraced() { [ "$(field TracerPid "$1")" = 0 ]; }
no_pager() { ! grep -qx chop-pager /proc/[0-9]*/task/[0-9]*/comm 2>/dev/null || ! pager_of "$1"; }
pager_of() { grep -q '^1[ef]0[0-9a-f]*-' "/proc/$1/maps"; }
# Addresses, protection, offset and file: neighbours of one kind may have become one.
mappings() { awk '{ print $2, $3, $6 }' "/proc/$1/maps" | uniq | grep -v '^[^ ]* [^ ]* $'; }
told_pid() { grep -q '^pid' out; }

attached() { # NAME SIGNALS OPTIONS...: the program's name, what ends chop, chop's options
	local name=$1 signals=$2 program chop status signal allowed
	shift 2
	rm -f stop out trace
	"$PROG/pages_hard" "$name" >out 2>&1 &
	program=$!
	await "$name does not start" told_pid
	mappings $program >before
	for signal in $signals; do
		rm -f trace
		env --default-signal=INT "$CHOP" pages "$@" -o trace -p $program 2>errors &
		chop=$!
		await "nothing is recorded" larger trace 100000
		kill -$signal $chop
		wait $chop
		status=$?
		if [ $signal = KILL ]; then
			[ $status = 137 ] || fail "chop ended with $status"
		else
			[ $status = 0 ] || fail "chop ended with $status: $(cat errors)"
			grep -q 'let go; the program goes on' errors || fail "$(cat errors)"
			# The memory is as it was before chop ends.
			mappings $program | diff before - || fail "$name: other mappings after $signal"
		fi
		untraced $program || fail "$name: still traced after $signal"
		[ -d /proc/$program ] || fail "$name died of $signal: $(cat out)"
		chop mrc trace >/dev/null 2>told || fail "$(cat told)"
		if [ $signal = KILL ]; then
			grep -q 'incomplete\|cut short\|killed' told || fail "mrc says nothing: $(cat told)"
		else
			[ -s told ] && fail "mrc: $(cat told)"
		fi
	done
	allowed=$(field Cpus_allowed_list $program)
	[ "$allowed" = "$(field Cpus_allowed_list $$)" ] || fail "it may only run on $allowed"
	touch stop
	wait $program || fail "$name: $(cat out)"
	tail -n 1 out | grep -qx "$name ok" || fail "$name: $(cat out)"
}

attached lasting 'INT KILL TERM' -w 64
attached lasting_threads 'KILL INT' -w 200
attached lasting INT --interval 20ms
attached lasting 'KILL INT' -w 64 --no-move
attached lasting_threads 'KILL INT' -w 200 --no-move

# Nobody takes records out of the ring, which is full soon: commands are waiting, or chop is killed.
ring_full() { grep -q futex "/proc/$1/wchan"; }
pager_id() { grep -lx chop-pager /proc/[0-9]*/comm | cut -d/ -f3 | while read -r id; do
	[ "$(field PPid "$id")" = "$1" ] && echo "$id"; done; }
for ends in CONT KILL; do
	rm -f stop out trace
	"$PROG/pages_hard" lasting_quiet >out 2>&1 &
	program=$!
	await 'lasting does not start' told_pid
	env --default-signal=INT "$CHOP" pages -w 64 -o trace -p $program 2>errors &
	chop=$!
	await 'nothing is recorded' larger trace 100000
	pager=$(pager_id $program)
	# The program may come to its next call, and wait for chop, before it is full: again, then.
	for ((i = 0; i < 100; i++)); do
		kill -STOP $chop
		for ((k = 0; k < 60; k++)); do
			ring_full "$pager" && break 2
			sleep 0.05
		done
		kill -CONT $chop
		sleep 0.3
	done
	ring_full "$pager" || fail 'the ring does not fill'
	kill -$ends $chop
	[ $ends = KILL ] || { await 'nothing more is recorded' larger trace $(($(stat -c %s trace) + 200000)) &&
		kill -INT $chop; }
	wait $chop
	touch stop
	wait $program || fail "the ring was full, $ends: $(cat out)"
done

# A program that chop started, and chop is told to go.
rm -f stop trace
chop pages -w 64 -o trace -- "$PROG/pages_hard" lasting >out 2>errors &
chop=$!
await 'nothing is recorded' larger trace 100000
program=$(awk '/^pid/ { print $2 }' out)
kill -TERM $chop
wait $chop
[ $? = 0 ] || fail "chop told to go: $(cat errors)"
[ -d /proc/$program ] || fail 'the program went, too'
untraced $program || fail 'it is still traced'
touch stop
await 'the program does not end' grep -qx 'lasting ok' out

# A full disk: the program goes on to its end, chop fails with a message.
expect_status 2 chop pages -w 64 -f text -o /dev/full -- "$PROG/pages_mappings" unmapping
expect_error_match '^chop: pages: cannot write /dev/full: No space left'
expect_match '^unmapping ok$'

zombie() { [ "$(field State "$1")" = Z ]; }
# A program that is stopped stays so, goes on when it is told to, and stops again.
state() { [ "$(field State "$program")" = "$1" ]; }
rm -f stop trace
"$PROG/pages_hard" lasting >out 2>&1 &
program=$!
await 'lasting does not start' told_pid
mappings $program >before
kill -STOP $program
await 'it does not stop' state T
for goes in no yes; do
	env --default-signal=INT "$CHOP" pages -w 64 -o trace -p $program 2>errors &
	chop=$!
	await 'not attached' eval '! untraced $program && pager_of $program'
	if [ $goes = yes ]; then
		kill -CONT $program
		await 'nothing is recorded' larger trace 100000
		kill -STOP $program
		await 'it does not stop again' state t
	fi
	kill -INT $chop
	wait $chop || fail "chop ended with $?: $(cat errors)"
	await 'it goes on by itself' state T
	mappings $program | diff before - || fail "other mappings: it was stopped ($goes)"
done
kill -CONT $program
touch stop
wait $program || fail "stopped: $(cat out)"

# Nobody there, and what cannot be traced.
expect_status 2 chop pages -p 4194304
expect_one_error 'there is no process 4194304'
# The shell cannot wait for a child that it did not start: it has become another program.
rm -f go
sh -c '(until [ -e go ]; do sleep 0.1; done) & echo $! >ended; exec sleep 1000' &
holder=$!
await 'no sleep' grep -qx sleep /proc/$holder/comm
touch go
await 'no zombie' zombie "$(cat ended)"
expect_status 2 chop pages -p "$(cat ended)"
expect_one_error 'has ended'
kill $holder
if [ -d /proc/2 ] && [ "$(field Kthread 2)" = 1 ]; then
	expect_status 2 chop pages -p 2
	expect_one_error 'is a thread of the kernel'
fi
exit 0
