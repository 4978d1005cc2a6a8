# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# For tests of programs that check themselves (tests/prog/capture_touch.h), one case a run, with
# every back end that this machine allows. $program is set before.

find_backends
backends="uffd$backends"

trace() { # BACKEND CASE: the program says it is intact; 1 where it cannot be
	rm -rf t expect
	timeout 100 "$CHOP" trace -backend "$1" -function region -indices 0 -trace-dir t -- \
		"$program" "$2" expect >"$OUT" 2>"$ERR"
	status=$?
	if [ $status -eq 1 ] && grep -q 'was never reached' "$ERR"; then
		echo "$2: not possible here"
		return 1
	fi
	[ "$(cat "$OUT")" = "$2 intact" ] || { show_output; fail "$1: $2"; }
}

# The capture has the pages that were touched, and the snippet ends as the program did, as it does
# in translation. Where
# something ages pages (DAMON) one that was only read may be missing with clone: 1.
exact() { # BACKEND CASE
	"$PROG/capture_check" expect t/0.core t/0.end.core >check.log &&
		{ [ -n "${no_replay:-}" ] || { chop verify t && chop mem t --count; } >verified 2>&1; } && return
	[ "$1" = clone ] && grep -q kdamond "$ERR" && return 1
	fail "$1: $2: $(cat check.log verified)"
}

try() { # CASE
	local backend tries
	for backend in $backends; do
		for tries in $(seq 25); do
			trace $backend "$1" || return
			[ $status -eq 0 ] || { show_output; fail "$backend: $1: status $status"; }
			exact $backend "$1" && continue 2
		done
		fail "$backend: $1: $(cat check.log verified)"
	done
}

refused() { # CASE REGEX
	local backend
	for backend in $backends; do
		trace $backend "$1" || return
		[ $status -eq 1 ] || { show_output; fail "$backend: $1: not refused"; }
		expect_one_error "$2"
	done
}
