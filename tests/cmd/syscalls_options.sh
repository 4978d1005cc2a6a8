#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop syscalls: whom it watches (a tree of processes, no more and no less; processes that run
# already), filters, when it stops, tables and formats; losses; bad input.
. "$(dirname "$0")/../lib.sh"
need strace python3

renice -n -15 $$ >/dev/null 2>&1 # thousands of stops, each waiting for a processor

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

	# -- filters
	printf 'text\n' >input
	expect_status 1 $syscalls -e trace=%file -o text cat input nowhere
	grep -vE '^(execve|access|open|openat|newfstatat|stat)\(|^[+]' text && fail "not only files"
	expect_status 1 $syscalls -e trace=openat -Z -o text cat input nowhere
	[ "$(grep -c '^openat.*"nowhere".* ENOENT' text) $(calls '[a-z0-9_]*' text)" = "1 1" ] ||
		fail "-Z: $(cat text)"
	expect_status 1 $syscalls -e error=enoent -o text cat input nowhere
	grep -v ' ENOENT (No such\|^+++' text && fail "error=: more than that"
	grep -q '"nowhere"' text || fail "error=: $(cat text)"
	expect_status 1 $syscalls -e 'error=!ENOENT' -o text cat input nowhere
	grep -q ' ENOENT ' text && fail "error=!: $(cat text)"
	expect_status 1 $syscalls -e trace=openat -e status=successful -o text cat input nowhere
	grep -q nowhere text && fail "status="
	expect_status 0 $syscalls -P "$PWD/input" -e trace=openat,close -o text \
		cat "$PWD/input"
	sed -E 's/ += .*//' text >got
	printf '%s\n' "openat(AT_FDCWD, \"$PWD/input\", O_RDONLY)" \
		'close(3)' '+++ exited with 0 +++' | cmp -s - got ||
		fail "-P: $(cat text)"

	# -- limits: the program goes on
	expect_status 0 $syscalls --stop-count 3 -o text sh -c 'sleep 0.3; echo on >went'
	[ "$(grep -c . text)" -eq 3 ] || fail "--stop-count: $(cat text)"
	wait_for test -s went
	rm went
	expect_status 0 $syscalls --stop-size 1000 -o text sh -c \
		'i=0; while [ $i -lt 300 ]; do read -r a <input; i=$((i + 1)); done; echo on >went'
	[ "$(stat -c %s text)" -ge 1000 ] || fail "--stop-size: $(stat -c %s text)"
	wait_for test -s went
	rm went
	mkfifo go
	expect_status 0 $syscalls --stop-time 50ms -o text sh -c 'read -r word <go; echo on >went'
	echo >go
	grep -q exited text && fail "--stop-time: it saw the end"
	wait_for test -s went
	rm went go

	# -- formats
	expect_status 0 $syscalls -f --format json -o json sh -c \
		'cat input; sh -c "kill -USR2 \$\$"; true'
	python3 - json <<-'END' || fail "$source: json"
		import json, sys
		events = [json.loads(line) for line in open(sys.argv[1])]
		kinds = {event['event'] for event in events}
		assert {'call', 'fork', 'exec', 'exited', 'signal', 'killed'} & kinds >= {
			'call', 'fork', 'exec', 'signal'}, kinds
		opened = [e for e in events if e.get('call') == 'openat' and e['args'].get('path') == '"input"']
		assert len(opened) == 1 and opened[0]['result'] >= 0 and opened[0]['duration'] > 0
		missing = [e for e in events if e.get('call') == 'access' and e['result'] < 0]
		assert missing[0]['error'] == 'ENOENT', missing[0]
	END
	expect_status 0 $syscalls -f --format perfetto -o json sh -c 'cat input; true'
	python3 - json <<-'END' || fail "$source: perfetto"
		import json, sys
		events = json.load(open(sys.argv[1]))['traceEvents']
		reads = [e for e in events if e['name'] == 'read' and e['ph'] == 'X']
		assert reads and all(e['dur'] >= 0 and e['ts'] > 0 for e in reads)
		assert any(e['ph'] == 'M' and e['args']['name'] == 'cat' for e in events)
	END

	# -- a table: strace counts the same
	strace -c -o theirs ls -d / nowhere >"$OUT" 2>"$ERR" </dev/null
	expect_status 2 $syscalls -c --plain -o ours ls -d / nowhere
	counts() { awk '$NF ~ /^[a-z_0-9]+$/ && $4 ~ /^[0-9]+$/ {
		print $NF, $4, (NF > 5 ? $5 : 0) }' "$1" | sort; }
	counts ours | grep -q '^openat [1-9]' || fail "$source: $(cat ours)"
	diff <(counts theirs) <(counts ours) || fail "$source: other counts"

	# -- nobody reads: the program does not mind
	for options in '' '-f -e trace=openat,write'; do
		rm -f went
		$syscalls $options -o /dev/stdout -- sh -c '
			i=0; while [ $i -lt 2000 ]; do read -r a <input; i=$((i + 1)); done
			echo on >went' 2>err | true
		wait_for test -s went
	done
done

expect_status 0 chop syscalls --format folded -o folded cat input
grep -qE '^cat;.*main.*;openat 1$' folded || grep -qE '^cat;.*;openat [0-9]+$' folded ||
	fail "no stack of openat: $(head -n 3 folded)"

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

# -- bad input
expect_status 2 chop syscalls -e trace=%fle true
expect_one_error "did you mean '%file'"
expect_status 2 chop syscalls -e signal=SIGUSR3 true
expect_one_error "did you mean 'SIGUSR1'"
expect_status 2 chop syscalls -e error=ENOET true
expect_one_error "did you mean 'ENOENT'"
expect_status 2 chop syscalls -e 'trace=/[/' true
expect_one_error 'regular expression'
expect_status 2 chop syscalls -e color=red true
expect_one_error 'color=red'
expect_status 2 chop syscalls -p 4194305
expect_one_error 'no process 4194305'
expect_status 2 chop syscalls -p self
expect_one_error 'self'
expect_status 2 chop syscalls -S colour -c true
expect_one_error 'colour'
expect_status 2 chop syscalls --format yaml true
expect_one_error 'yaml'
expect_status 2 chop syscalls -o nowhere/text touch made
expect_one_error 'nowhere/text'
[ ! -e made ] || fail "the command ran without an output"
exit 0
