#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop trace with static probe points as begin and end: the same region as by their addresses.
. "$(dirname "$0")/../lib.sh"
own probe_points
points=$OWN
at() { readelf -nW "$points" | awk -v name="$1" '/Name:/ { on = $2 == name } on && /Location:/ { sub(",", "", $2); print $2; exit }'; }
need readelf

expect_status 2 chop trace -begin-probe usdt::shop:takn -end-probe usdt::shop:kinds -- "$points"
expect_one_error 'no static probe point shop:takn; `chop probe -l'
expect_status 2 chop trace -begin-probe k:vfs_read -end-probe usdt::shop:kinds -- "$points"
expect_one_error 'is a function of the kernel'
expect_status 2 chop trace -begin-probe usdt::shop:taken -- "$points"
expect_one_error 'needs an -end'
need_facility ptrace userfaultfd

expect_status 0 chop trace -begin-probe usdt::shop:taken -end-probe usdt::shop:kinds -indices 2 -trace-dir byname -- "$points" calls 5
expect_status 0 chop trace -begin "$(at taken)" -end "$(at kinds)" -indices 2 -trace-dir byaddress -- "$points" calls 5
for directory in byname byaddress; do
	expect_status 0 chop verify $directory
	expect_match equal
	gdb -nx -batch -ex 'printf "%d\n", $rip' "$points" $directory/0.core 2>/dev/null | tail -n 1 >$directory.pc
done
cmp byname.pc byaddress.pc || fail "not the same begin"
exit 0
