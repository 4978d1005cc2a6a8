#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop cut and bad input: one line that says what to do, the documented status, nothing left.
. "$(dirname "$0")/../lib.sh"

need xz
seq 20000 >input
left_nothing() {
	local left
	left=$(ls -d -- *.chop 2>/dev/null)
	[ -z "$left" ] || fail "left behind: $left"
}
expect_failure() { # STATUS REGEX CUT ARGUMENTS...
	local status=$1 regex=$2
	shift 2
	expect_status "$status" timeout 60 chop cut "$@"
	grep -v '^chop: cut: warning: the program ' "$ERR" >"$ERR.rest"
	mv "$ERR.rest" "$ERR"
	expect_one_error "$regex"
	left_nothing
}

# Usage.
expect_failure 2 '^chop: cut: which function\? chop cut FUNCTION -- COMMAND$'
expect_failure 2 '^chop: cut: no command to run; try: chop cut lzma_code -- COMMAND$' lzma_code
expect_failure 2 "^chop: cut: option -n: 'x' is not a whole number" lzma_code -n x -- xz
expect_failure 2 'unknown option --invocaton; did you mean --invocation\?' \
	lzma_code --invocaton 3 -- xz

# The program.
expect_failure 127 'no-such-program' lzma_code -- no-such-program
expect_failure 126 '/etc/passwd' lzma_code -- /etc/passwd

# The directory: one that exists is left alone, and the program does not run.
mkdir there && echo mine >there/file
expect_failure 2 'there exists already' lzma_code -o there -- touch ran
[ "$(ls there)" = file ] && [ ! -e ran ] || fail "the directory was touched"
expect_failure 2 'cannot create directory no/where: No such file' lzma_code -o no/where -- touch ran
[ ! -e ran ] || fail "the program ran"

need_facility userfaultfd
# The function: misspelt, in another module, not called often enough, never called.
expect_failure 2 "lzma_cod.*lzma_code" lzma_cod -- xz -c -T1 input
expect_failure 2 'lzma_code' lzma_code -m libc.so.6 -- xz -c -T1 input
expect_failure 1 'lzma_code was reached [0-9]+ times; invocation 5000 never came' \
	lzma_code -n 5000 -- xz -c -T1 input
xz -c -T1 input | cmp - "$OUT" || fail "xz wrote something else"
expect_failure 1 'lzma_code was never reached' lzma_code -- xz --version

# A full disk: no directory that looks whole.
if mkdir small && mount -t tmpfs -o size=400k none small 2>/dev/null; then
	expect_status 2 timeout 60 chop cut lzma_code -n 5 -o small/d -- xz -c -T1 input
	expect_error_match 'No space left on device'
	xz -c -T1 input | cmp - "$OUT" || fail "xz wrote something else"
	[ -z "$(ls small/d/lzma_code.* 2>/dev/null)" ] || fail "half a snippet"
	chop verify small/d >"$OUT" 2>&1 && fail "half a capture passes for whole"
	umount small
fi

# Interrupted before there was anything: one line, no directory; the program goes on to its end.
interrupt_cut() { # INVOCATION DIR: SIGINT once the program runs
	# What a shell starts in the background ignores SIGINT.
	env --default-signal=INT chop cut work -n "$1" -o "$2" -- "$PROG/cut_slow" \
		>"$OUT" 2>"$ERR" </dev/null &
	local pid=$!
	sleep 1
	kill -INT $pid
	wait $pid
	status=$?
	for _ in $(seq 100); do # not waited for by chop when the signal was for chop alone
		grep -q done "$OUT" && break
		sleep 0.1
	done
	expect_output done
}
interrupt_cut 39 early
[ $status -eq 1 ] || fail "exit status $status of an interrupted cut"
expect_one_error 'interrupted before anything was captured'
[ ! -e early ] || fail "an interrupted cut left a directory"
# After the capture: what there is stays, and works.
interrupt_cut 2 late
expect_status 0 ./late/work.2
expect_match '^equal: work invocation 2, '
