#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Regions that change their own address space: the kernel does to the program's memory what it
# was asked to, the capture has the touched pages with the contents of entry, and the snippet is
# equal. One case each of capture_changes.c, with every back end that this machine allows.
. "$(dirname "$0")/../lib.sh"

trace() { # BACKEND CASE: the program says it is intact
	rm -rf t expect
	timeout 60 "$CHOP" trace -backend "$1" -function region -indices 0 -trace-dir t -- \
		"$PROG/capture_changes" "$2" expect >"$OUT" 2>"$ERR"
	status=$?
	if [ $status -eq 1 ] && grep -q 'was never reached' "$ERR"; then
		echo "$2: not possible here"
		return 1
	fi
	[ "$(cat "$OUT")" = "$2 intact" ] || { show_output; fail "$1: $2"; }
}

backends=uffd
for backend in clone mprotect; do
	if chop trace -backend $backend -function region -trace-dir try -- "$PROG/capture_changes" \
		map_new expect >/dev/null 2>"$ERR"; then
		backends+=" $backend"
	else
		echo "$backend: $(cat "$ERR")"
	fi
	rm -rf try
done

# Where something ages pages (DAMON), a page that was only read may be missing with clone: then
# once more.
exact() { # BACKEND
	"$PROG/capture_check" expect t/0.core t/0.end.core >check.log && chop verify t >verified 2>&1 &&
		return
	[ "$1" = clone ] && grep -q kdamond "$ERR" && return 1
	fail "$1: $name: $(cat check.log verified)"
}
try() { # CASE
	local backend tries
	name=$1
	for backend in $backends; do
		for tries in $(seq 25); do
			trace $backend "$1" || return
			[ $status -eq 0 ] || { show_output; fail "$backend: $1: status $status"; }
			exact $backend && continue 2
		done
		fail "$backend: $1: $(cat check.log verified)"
	done
}

for name in malloc_grow brk_shrink map_new unmap_part unmap_span remap_grow remap_move realloc_grow \
	map_fixed guard guard_before opened just_in_time dont_need advice mergeable lock_inside \
	grows_down frame; do
	try $name
done

# Other threads change theirs while the region waits for them: nothing to compare with, but they
# find their memory as it should be, and the snippet is equal.
for backend in $backends; do
	trace $backend stress
	expect_error_match 'other threads ran while the region waited'
	[ $backend = clone ] || expect_status 0 chop verify t
done

# What is sealed cannot be put back: refused.
for backend in $backends; do
	trace $backend seals || continue
	expect_one_error 'makes the system call mseal at .*cannot be recorded: sealed memory'
done
exit 0
