#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# All back ends find the same pages with the same contents, in regions of programs nobody
# here wrote, and each leaves the program alone.
. "$(dirname "$0")/../lib.sh"

backends=
for backend in clone; do
	if chop trace --backend $backend -function fib_region -max-traces 1 -trace-dir try -- \
		"$PROG/regions" >/dev/null 2>"$ERR"; then
		backends+=" $backend"
	else
		echo "$backend: $(cat "$ERR")"
	fi
	rm -rf try
done
[ -n "$backends" ] || skip "no back end but uffd is possible here"

# Accessed bits are lost where something ages pages (DAMON): a busy machine needs several tries.
try() { # FUNCTION INDICES COMMAND...
	local function=$1 indices=$2 backend n status
	shift 2
	"$@" >plain 2>&1
	for n in $(seq 25); do
		rm -rf one same
		for directory in one same; do
			chop trace --backend uffd -function "$function" -indices "$indices" \
				-trace-dir $directory -- "$@" >output 2>"$ERR" || fail "$function: $(cat "$ERR")"
			cmp -s plain output || fail "$function: the output of $* changed"
		done
		for backend in $backends; do
			rm -rf other
			chop trace --backend $backend -function "$function" -indices "$indices" \
				-trace-dir other -- "$@" >output 2>"$ERR" ||
				fail "$function with $backend: $(cat "$ERR")"
			cmp -s plain output || fail "$function with $backend: the output of $* changed"
			"$TESTS/replay/captures_compare.py" one same other >differs 2>"$ERR"
			status=$?
			[ $status -le 1 ] && ! [ -s "$ERR" ] || fail "$(cat "$ERR")"
			[ $status -eq 0 ] || break
			[ "$backend" = "${backends##* }" ] && return
		done
	done
	fail "$function with $backend: $(cat differs)"
}

seq 20000 >numbers
xz -c numbers >numbers.xz
try lzma_code 3,10 xz -c -T1 numbers
try lzma_code 1 xz -dc -T1 numbers.xz
try BZ2_bzCompress 1,3 bzip2 -c numbers
try sort_region 0 "$PROG/regions"
try tls_region 0 "$PROG/regions"
try heap_region 0 "$PROG/regions"
try avx2_region 0 "$PROG/regions"
try sqlite3_step 0,1 sqlite3 :memory: 'create table t(a);' 'select 1+1;'
