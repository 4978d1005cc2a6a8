#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What chop trace wrote, as debuggers and other readers of core files see it; and the region
# by marks is the region by name.
. "$(dirname "$0")/../lib.sh"
need gdb readelf eu-readelf eu-stack xz
need_facility ptrace userfaultfd
program=$PROG/marks_cases

expect_status 0 "$CHOP" trace -function two_returns -trace-dir t -- "$program"

# Registers, the callers, a global variable, the libraries; nothing that was not captured.
expect_status 0 gdb -nx -batch -ex 'x/x 0x1000' -ex bt -ex 'print marks_data' \
	-ex 'info registers rip' -ex 'print $xmm0' -ex 'info sharedlibrary' "$program" t/0.core
expect_error_match 'Cannot access memory at address 0x1000'
expect_match '^#0 .*two_returns \(x='
expect_match '^#1 .*tail_call \(x='
expect_match '^#2 .*main \(argc=1'
expect_match '^\$1 = 3$'
expect_match '^rip  *0x[0-9a-f]+  *0x[0-9a-f]+ <two_returns>'
expect_match 'v4_float = \{'
expect_match 'Yes .*libc\.so\.6'
grep -q 'Unexpected size' "$ERR" && fail "gdb does not like the registers"

expect_status 0 readelf -lW t/0.core
expect_match 'CORE \(Core file\)'
awk '$1 == "LOAD" { if ($3 <= last || $5 != $6) exit 1; last = $3 }' "$OUT" ||
	fail "segments are not in order or not all in the file"
expect_status 0 readelf -n t/0.core
expect_match 'NT_X86_XSTATE'
expect_status 0 eu-readelf -n t/0.core
expect_match 'X86_XSTATE'
expect_match 'libc\.so\.6'
expect_status 0 eu-stack --core t/0.core -e "$program"
expect_match 'two_returns'
expect_match 'main'

# A library's function in a stripped program, by marks: the same place and callers as
# by name.
marks=$(chop marks xz lzma_code) || fail "marks"
seq 20000 >data
# shellcheck disable=SC2086
expect_status 0 "$CHOP" trace $marks -max-traces 1 -trace-dir by-marks -- xz -c -T1 data
expect_status 0 "$CHOP" trace -function lzma_code -max-traces 1 -trace-dir by-name -- xz -c -T1 data
for dir in by-marks by-name; do
	expect_status 0 gdb -nx -batch -ex 'info registers' -ex bt "$(command -v xz)" $dir/0.core
	grep -E '^(rip |rsp |rdi |#)' "$OUT" >$dir.seen
	expect_match '^#0 .* in lzma_code \(\)'
	expect_match '__libc_start_main'
done
cmp by-marks.seen by-name.seen || fail "different registers"
