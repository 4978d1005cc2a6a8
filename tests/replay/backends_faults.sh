#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What goes wrong while a program is in its region, with each back end: the tracer is killed, the
# tracing interrupted, the program killed, or it crashes; it is confined by seccomp, or traced
# already. It never goes on with wrong memory, and nothing is left behind.
. "$(dirname "$0")/../lib.sh"

own backends_faults
victim='' tracer=''
trap 'kill -9 $victim $tracer 2>/dev/null; cd / && rm -rf "$TEST_TMP"' EXIT

find_backends
backends="uffd$backends"

await() { # SECONDS COMMAND...: until it succeeds
	local left=$(($1 * 20))
	shift
	until "$@"; do
		left=$((left - 1))
		[ $left -gt 0 ] || return 1
		sleep 0.05
	done
}
says() { grep -q "^$1 " output; }
gone() { ! [ -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"; }
# No process runs the program any more: the duplicates that clone makes neither.
all_gone() {
	local exe
	for exe in /proc/[0-9]*/exe; do
		[ "$exe" -ef "$OWN" ] && return 1
	done
	return 0
}
run() { # COMMAND...: in the background, until it is inside
	rm -rf t stop output
	touch output
	"$@" >output 2>"$ERR" </dev/null &
	tracer=$!
	await 60 says inside || { kill -9 $tracer; fail "never inside: $* $(cat output "$ERR")"; }
	victim=$(awk '/^inside/ { print $2 }' output)
}
never_wrong() {
	! grep -q WRONG output || fail "$backend: the program saw wrong memory"
	await 60 all_gone || fail "$backend: a process is left"
	victim='' tracer=''
}

for backend in $backends; do
	# The tracer is killed: so is the program it started, at once, and it is told.
	run "$CHOP" trace -backend $backend -function region -trace-dir t -- "$OWN" stay
	kill -9 $tracer
	wait $tracer 2>/dev/null
	await 60 gone "$victim" || fail "$backend: the program lives on without its tracer"
	await 60 grep -q "^chop: trace: the tracer was killed; process $victim" "$ERR" ||
		fail "$backend: nobody says why: $(cat "$ERR")"
	never_wrong

	# And so is one it was attached to.
	if [ $backend != clone ]; then
		rm -rf t
		"$OWN" stay start >output </dev/null &
		victim=$!
		await 60 says waiting || fail "does not wait"
		"$CHOP" trace -backend $backend -p $victim -function region -trace-dir t >/dev/null \
			2>"$ERR" &
		tracer=$!
		await 60 says inside || fail "$backend: -p: never inside: $(cat "$ERR")"
		kill -9 $tracer
		wait $tracer 2>/dev/null
		wait $victim 2>/dev/null
		[ $? -eq 137 ] || fail "$backend: -p: the program lives on without its tracer"
		never_wrong
	fi

	# The tracing is interrupted: the program goes on, its memory whole.
	run "$CHOP" trace -backend $backend -function region -trace-dir t -- "$OWN" "until"
	kill -TERM $tracer
	wait $tracer
	[ $? -eq 1 ] || fail "$backend: interrupted: $? $(cat "$ERR")"
	grep -q 'interrupted before anything was captured' "$ERR" || fail "$backend: $(cat "$ERR")"
	touch stop
	await 60 says intact || fail "$backend: interrupted: $(cat output)"
	never_wrong

	# The program is killed: that is its end, and the capture's.
	run "$CHOP" trace -backend $backend -function region -trace-dir t -- "$OWN" stay
	kill -9 "$victim"
	wait $tracer
	[ $? -eq 1 ] || fail "$backend: killed: status $? $(cat "$ERR")"
	grep -q 'killed inside invocation 0' "$ERR" || fail "$backend: killed: $(cat "$ERR")"
	never_wrong

	# It crashes: with the signal it would have had, from its own memory.
	run "$CHOP" trace -backend $backend -function region -trace-dir t -- "$OWN" die
	touch stop
	wait $tracer
	[ $? -eq 1 ] || fail "$backend: crashed: status $? $(cat "$ERR")"
	grep -q 'invocation 0 got SIGSEGV at region.*, which ends the program' "$ERR" ||
		fail "$backend: crashed: $(cat "$ERR")"
	never_wrong

	# Filters kill it for calls it does not make itself; root can suspend them.
	if [ "$(id -u)" -eq 0 ]; then
		run "$CHOP" trace -backend $backend -function region -trace-dir t -- "$OWN" filter
		touch stop
		wait $tracer || fail "$backend: seccomp: $? $(cat "$ERR")"
		says intact || fail "$backend: seccomp: $(cat output)"
		# Where something ages pages (DAMON) clone may lack one that was only read.
		if ! chop verify t >verified 2>&1; then
			[ $backend = clone ] && grep -q kdamond "$ERR" ||
				fail "$backend: seccomp: $(cat verified)"
		fi
	fi
done

# Others cannot: refused with the reason, and the program not harmed.
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	cp "$CHOP" "$TEST_TMP/chop"
	mkdir own && chown 65534 own && cd own || exit 1
	run setpriv --reuid=65534 --regid=65534 --clear-groups "$TEST_TMP/chop" trace \
		-backend mprotect -function region -trace-dir t -- "$OWN" filter
	touch stop
	wait $tracer
	[ $? -eq 5 ] || fail "seccomp, no privileges: status $? $(cat "$ERR")"
	says intact || fail "seccomp, no privileges: $(cat output)"
	grep -q 'seccomp filters, and suspending them .* run as root' "$ERR" || fail "$(cat "$ERR")"
	cd ..
fi

# Somebody else traces it.
if command -v strace >/dev/null; then
	rm -f output # what was said before is not what is waited for
	strace -o /dev/null "$OWN" stay >output </dev/null &
	await 60 says inside || fail "strace: $(cat output)"
	victim=$(awk '/^inside/ { print $2 }' output)
	for backend in $backends; do
		expect_status 2 chop trace -backend $backend -p "$victim" -function region -trace-dir t
		expect_one_error "is traced by strace \(process .*detach that one first"
	done
	kill -9 "$victim"
fi
exit 0
