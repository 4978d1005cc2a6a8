#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A traced program behaves as if nobody watched: output and status are the same, whatever
# it does, while it is traced to its end and when it is let go in between.
. "$(dirname "$0")/../lib.sh"

try() { # NAME FUNCTION CAPTURES [LIBC OPTIONS]
	local name=$1 function=$2 captures=$3 alone limit
	"$PROG/trace_program" "$name" >alone 2>&1
	alone=$?
	[ $alone -eq 77 ] && return
	[ $alone -gt 128 ] && alone="was ended by SIG$(kill -l $alone)" ||
		alone="exited with status $alone"
	for limit in "" "-max-traces 1"; do
		rm -rf t
		# shellcheck disable=SC2086
		timeout 100 "$CHOP" trace -v -function "$function" $limit -trace-dir t -- \
			"$PROG/trace_program" "$name" >"$OUT" 2>"$ERR" ||
			{ show_output; fail "$name $limit: status $?"; }
		cmp -s alone "$OUT" || { diff alone "$OUT"; show_output; fail "$name $limit: output"; }
		expect_error_match "^chop: trace: the program $alone\$"
		[ -n "$limit" ] || [ "$(grep -c '\.core$' "$ERR")" -eq "$captures" ] ||
			{ show_output; fail "$name: not $captures captures"; }
	done
}

try forks region 2
try vforks region 2
try leader region 200
try recursion recursive 2
try timer region 8
try faults faulty 3
try crash faulty 1
try traps region 2
try execs region 3
try thread_execs region 3
try exits leaves 2
try confined region 3
try affinity region 2
try stops region 2
try many region 30
try strings memcpy 30

# Threads: all of them enter the region.
"$PROG/trace_program" threads >alone
timeout 60 "$CHOP" trace -function region -max-traces 100 -trace-dir threads -- \
	"$PROG/trace_program" threads >"$OUT" 2>"$ERR" || { show_output; fail "threads: $?"; }
cmp alone "$OUT" || fail "threads: output"
