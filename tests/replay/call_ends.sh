#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# SysV memory and keys in a region; fork, vfork and exec, before
# which a region ends, saying so.
. "$(dirname "$0")/../lib.sh"
need_facility ptrace userfaultfd userfaultfd-async pagemap-scan seccomp

names='attaches keys forks vforks executes'
for name in $names; do
	"$PROG/call_ends" $name >alone.out || fail "$name: the program does not run"
	expect_status 0 chop trace -function $name -module call_ends -indices 0 -trace-dir $name \
		-- "$PROG/call_ends" $name
	cmp -s "$OUT" alone.out || fail "$name: the program's output is not the same"
	case $name in
	forks | vforks) expect_error_match 'the program forks' ;;
	executes) expect_error_match 'the program executes another' ;;
	esac
	expect_status 0 chop snippet -q $name -o $name.snippet
	for run in $(seq 5); do
		expect_status 0 ./$name.snippet
	done
	expect_match "^equal: $name invocation 0,"
done
exit 0
