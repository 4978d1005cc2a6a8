#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop trace -f: children have captures of their own, and nobody notices: forks, vforks, programs
# that a shell starts, children of children, children that are forked after the last capture.
. "$(dirname "$0")/../lib.sh"

program=$PROG/trace_program
same() { # WANTED-CAPTURES FUNCTION OPTIONS... -- COMMAND...
	local wanted=$1 function=$2 options=() found
	shift 2
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	rm -rf t t.*
	"$@" >alone 2>&1
	expect_status 0 timeout 100 "$CHOP" trace -f -q -function "$function" -trace-dir t \
		"${options[@]}" -- "$@"
	cmp alone "$OUT" || { diff alone "$OUT"; fail "$*: another output"; }
	found=$(ls t/[0-9]*.core t.*/[0-9]*.core 2>/dev/null | grep -vc end)
	[ "$found" -eq "$wanted" ] || { ls -d t t.*; fail "$*: $found captures, not $wanted"; }
	for directory in t t.*; do
		[ ! -d "$directory" ] || expect_status 0 "$CHOP" verify "$directory"
	done
}

# Two in the program, one in each of four children.
same 6 region -- "$program" forks
# The program's captures are complete after the first; its children are still followed.
same 5 region -max-traces 1 -- "$program" forks
# A shell that does not have the function starts programs that do; pipes, children of children.
same 6 region -max-traces 1 -- sh -c "'$program' forks | cat; (true; '$program' many | cat); echo done"
# A child that is another program after vfork and exec.
same 3 setlocale -max-traces 1 -- env sh -c '/usr/bin/sort /etc/hostname >/dev/null; sort /dev/null'

# A program that ends at once leaves a child behind: it lives, followed or not.
for follow in -follow -no-follow; do
	rm -rf t t.*
	expect_status 0 "$CHOP" trace $follow -q -function step -indices 0,50 -trace-dir t -- \
		"$PROG/trace_modes" leaves_child 7
	for _ in $(seq 600); do
		grep -q late "$OUT" && break
		sleep 0.05
	done
	expect_output late
done

# Nobody has it.
expect_status 2 "$CHOP" trace -f -function nosuch -trace-dir t5 -- sh -c 'true; (true); true'
expect_one_error "no function 'nosuch'"
# %p in the name.
expect_status 0 "$CHOP" trace -f -q -function region -trace-dir 'p%p' -- "$program" forks
[ "$(ls -d p* | wc -l)" -eq 5 ] || fail "directories: $(ls -d p*)"
