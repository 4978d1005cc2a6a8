#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# All back ends find the same pages with the same contents, in regions of programs nobody
# here wrote, and each leaves the program alone.
. "$(dirname "$0")/../lib.sh"

find_backends
[ -n "$backends" ] || skip "no back end but uffd is possible here"

# What differs between processors (cpuid tells their numbers) is no difference of the back ends.
taskset -cp "$(taskset -cp $$ | sed 's/.*: //; s/[,-].*//')" $$ >/dev/null

trace() { # BACKEND DIRECTORY FUNCTION INDICES COMMAND...
	local backend=$1 directory=$2 function=$3 indices=$4
	shift 4
	rm -rf "$directory"
	chop trace --backend "$backend" -function "$function" -indices "$indices" \
		-trace-dir "$directory" -- "$@" >output 2>"$ERR" ||
		fail "$function with $backend: $(cat "$ERR")"
	cmp -s plain output || fail "$function with $backend: the output of $* changed"
}

# Accessed bits are lost where memory is short, and on kernels that keep no mark of those which
# DAMON clears: several tries.
# The second one with uffd is the last: a time that has come in between is another one there, too.
try() { # FUNCTION INDICES COMMAND...
	local backend n status
	"${@:3}" >plain 2>&1
	for n in $(seq 25); do
		trace uffd one "$@"
		for backend in $backends; do
			trace $backend "other.$backend" "$@"
		done
		trace uffd same "$@"
		for backend in $backends; do
			"$TESTS/replay/captures_compare.py" one same "other.$backend" >differs 2>"$ERR"
			status=$?
			[ $status -le 1 ] && ! [ -s "$ERR" ] || fail "$(cat "$ERR")"
			[ $status -eq 0 ] || continue 2
		done
		return
	done
	fail "$1 with $backend: $(cat differs)"
}

seq 20000 >numbers
xz -c numbers >numbers.xz
try lzma_code 3,10 xz -c -T1 numbers
try lzma_code 1 xz -dc -T1 numbers.xz
try BZ2_bzCompress 1,3 bzip2 -c numbers
try region 0 "$PROG/aged_pages"
try sort_region 0 "$PROG/regions"
try tls_region 0 "$PROG/regions"
try heap_region 0 "$PROG/regions"
try avx2_region 0 "$PROG/regions"
try sqlite3_step 0,1 sqlite3 :memory: 'create table t(a);' 'select 1+1;'

# Who may use neither of the others gets the third, told why.
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null &&
   [ "$(cat /proc/sys/vm/unprivileged_userfaultfd)" -eq 0 ]; then
	cp "$CHOP" "$TEST_TMP/chop"
	own regions
	mkdir own && chown 65534 own && cd own || exit 1
	expect_status 0 setpriv --reuid=65534 --regid=65534 --clear-groups "$TEST_TMP/chop" trace \
		-function sort_region -trace-dir t -- "$OWN"
	if [ -r /dev/userfaultfd ] && ! grep -q '"mprotect"' t/trace.json; then
		echo "/dev/userfaultfd is open to all: uffd was chosen"
	else
		expect_error_match "warning: using the slower back end 'mprotect' \(uffd: .*; clone: "
		grep -q '"backend": "mprotect"' t/trace.json || fail "$(cat t/trace.json)"
	fi
	chop verify t >verified || fail "$(cat verified)"
else
	echo "userfaultfd is open to all, or this is not root: no choice to be made"
fi
