#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop syscalls: filters, when it stops, tables and formats; bad input.
. "$(dirname "$0")/../lib.sh"
need strace python3
pin last

sources=ptrace
chop check bpf >/dev/null && sources="bpf ptrace"

calls() { grep -cE "(^|[] ])$1\(" "$2"; } # NAME FILE

for source in $sources; do
	syscalls="chop syscalls --source $source"

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
done

expect_status 0 chop syscalls --format folded -o folded cat input
grep -qE '^cat;.*main.*;openat 1$' folded || grep -qE '^cat;.*;openat [0-9]+$' folded ||
	fail "no stack of openat: $(head -n 3 folded)"

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
