#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop syscalls: whom it watches (a tree of processes, no more and no less; processes that run
# already), what becomes of signals, of a reader that is gone or too slow; without root.
. "$(dirname "$0")/../lib.sh"
pin first

sources=ptrace
chop check bpf >/dev/null && sources="bpf ptrace"

calls() { grep -cE "(^|[] ])$1\(" "$2"; } # NAME FILE

for source in $sources; do
	syscalls="chop syscalls --source $source"

	# -- a tree, beside one that nobody watches
	"$PROG/syscalls_tree" >other &
	for filter in trace=all trace=getppid; do
		expect_status 0 $syscalls -f -e $filter -o tree "$PROG/syscalls_tree"
		[ "$(cat "$OUT")" -eq "$(calls getppid tree)" ] ||
			fail "$source $filter: $(calls getppid tree) calls of $(cat "$OUT")"
		[ "$(grep -c ' +++ exited with 0 +++$' tree)" -eq 31 ] || fail "not 31 ends"
	done
	expect_status 0 $syscalls -f -c --plain -o table "$PROG/syscalls_tree"
	[ "$(awk '$NF == "getppid" { print $4 }' table)" -eq "$(cat "$OUT")" ] || fail "$(cat table)"
	expect_status 0 $syscalls -o alone "$PROG/syscalls_tree"
	[ "$(calls getppid alone)" -eq 4 ] || fail "$source: without -f $(calls getppid alone)"
	wait $! || fail "the one nobody watched"
	[ "$(cat other)" -eq "$(cat "$OUT")" ] || fail "it said $(cat other)"

	# -- one that runs already; a signal leaves it alone
	mkfifo in out
	sh -c 'while read -r word; do echo "$word"; done' <in >out &
	program=$!
	exec 8>in 9<out
	rm -f attached attach.err
	env --default-signal=INT $syscalls -p $program -o attached 2>attach.err &
	watcher=$!
	wait_for grep -q "watching process $program" attach.err
	echo one >&8
	read -r word <&9
	wait_for grep -q 'write(1, "one' attached
	kill -INT $watcher
	wait $watcher || fail "$source: status $?, attached and interrupted: $(cat attach.err)"
	echo two >&8
	read -r word <&9
	[ "$word" = two ] || fail "$source: the program does not go on"
	grep -q two attached && fail "$source: watched after the end"
	exec 8>&- 9<&-
	wait $program || fail "$source: the program ended with $?"
	rm in out

	# -- our command gets the signals we get, once
	cat >handler <<-'END'
		trap 'echo got it; exit 7' TERM
		echo ready
		while :; do sleep 0.05; done
	END
	rm -f said
	$syscalls -e trace=none -o text sh handler >said &
	watcher=$!
	wait_for grep -q ready said
	kill -TERM $watcher
	wait $watcher
	[ $? -eq 7 ] || fail "$source: not the command's status"
	[ "$(grep -c 'got it' said)" -eq 1 ] || fail "$source: $(cat said)"
	grep -q -e '--- SIGTERM' text || fail "$source: no signal in $(cat text)"

	printf 'text\n' >input

	# -- nobody reads: the program does not mind
	for options in '' '-f -e trace=openat,write'; do
		rm -f went
		$syscalls $options -o /dev/stdout -- sh -c '
			i=0; while [ $i -lt 2000 ]; do read -r a <input; i=$((i + 1)); done
			echo on >went' 2>err | true
		wait_for test -s went
	done
done

# A reader that is too slow: what is lost is counted, and the remedy named.
if [[ $sources == bpf* ]]; then
	mkfifo in
	chop syscalls --source bpf --buffer 4096 -f -o text sh -c \
		': >ready; read -r go <in; i=0; while [ $i -lt 500 ]; do read -r a <input; i=$((i + 1)); done' 2>err &
	watcher=$!
	exec 8>in
	wait_for test -e ready # not a line of text: under load those before may be lost as well
	child=$(pgrep -P $watcher)
	kill -STOP $watcher
	echo go >&8
	exec 8>&-
	wait_for grep -q '^State:.Z' "/proc/$child/status"
	kill -CONT $watcher
	wait $watcher || fail "status $?"
	grep -qE '^chop: .*: [1-9][0-9]* events lost; use a larger --buffer or watch less$' err ||
		fail "no word of losses: $(cat err)"
fi

# -- without root
if [ "$(id -u)" -eq 0 ] && runuser -u nobody -- test -x "$CHOP" && [ -r "$CHOP" ]; then
	chmod 777 .
	rm -f text
	expect_status 3 runuser -u nobody -- "$CHOP" syscalls -o text sh -c 'cat input >/dev/null; exit 3'
	tail -n 1 text | grep -qx '+++ exited with 3 +++' || fail "not root: $(tail -n 1 text)"
	expect_status 0 runuser -u nobody -- "$CHOP" syscalls --verbose -f -e trace=openat -o text cat input
	expect_error_match 'watching by seccomp and ptrace'
	grep -q 'openat(AT_FDCWD, "input"' text || fail "not root: $(cat text)"
	expect_status 5 runuser -u nobody -- "$CHOP" syscalls --source bpf true
	expect_one_error 'CAP_BPF'
fi

exit 0
