#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop snippet and chop verify: what they say and how they exit, mostly about bad input.
. "$(dirname "$0")/../lib.sh"

for command in snippet verify; do
	expect_status 2 chop $command
	expect_one_error 'expected'
	expect_status 2 chop $command nowhere
	expect_one_error 'nowhere'
done
mkdir empty
expect_status 2 chop snippet empty
expect_one_error 'empty'
expect_status 2 chop verify /bin/true
expect_one_error '/bin/true is not a snippet'
expect_status 2 chop verify nowhere
expect_one_error 'cannot open nowhere: No such file'
expect_status 2 chop verify /dev/null
expect_one_error '/dev/null is not a snippet'

expect_status 0 chop trace -function fib_region -indices 0,465 -trace-dir t -- "$PROG/regions" # fib(12) is 465 calls
expect_status 2 chop snippet t
expect_one_error 't holds captures 0, 1: choose one with --capture N'
expect_status 2 chop snippet t --capture 7
expect_one_error 't has no capture 7; it holds 0, 1'
expect_status 2 chop snippet t --capture x
expect_one_error "option --capture"
expect_status 2 chop snippet t -c 1 -o /nowhere/file
expect_one_error '/nowhere/file'
expect_status 2 chop snippet t -c 1 --base 10000001
expect_one_error 'the runtime cannot be at 0x10000001'
expect_status 2 chop snippet t -c 1 --base 7ffff0000000
expect_one_error 'the runtime cannot be at 0x7ffff0000000'

expect_status 0 chop snippet t --capture 1 -o one
expect_error_match '^chop: snippet: one: invocation 465 of fib_region, [0-9]+ pages \([0-9]+ changed\)'
expect_status 0 chop elf -q t --capture 0
expect_errors ''
[ -x t/fib_region.0 ] || fail "no default name"
expect_status 0 ./one
expect_match '^equal: fib_region invocation 465, '
# Alarms that come faster than they can be handled must not end it.
timeout 60 ./one --iterations 20000 --timeout 1us >"$OUT" 2>"$ERR"
status=$?
[ $status -eq 0 ] || [ $status -eq 4 ] || fail "status $status with a short timeout"
# The same to a place that is chosen.
expect_status 0 chop snippet t --capture 1 -o elsewhere --base 77000000
readelf -hW elsewhere | grep -q 'Entry point address: *0x77000000' || fail "not at the base"
expect_status 0 ./elsewhere

expect_status 0 chop verify one
expect_match '^equal: fib_region invocation 465, '
expect_status 0 chop verify t one
expect_match '^capture +function +invocation +pages +result$'
expect_match '^t/0 +fib_region +0 +[0-9]+  equal$'
expect_match '^t/1 +fib_region +465 +[0-9]+  equal$'
expect_match '^one +fib_region +465 +[0-9]+  equal$'
[ "$(wc -l <"$OUT")" -eq 4 ] || fail "not four lines"
expect_status 0 chop verify t -c 1
expect_match '^equal'
expect_status 0 chop verify -q t one
expect_output ''
expect_errors ''
expect_status 0 chop verify -q one
expect_output ''

# One byte of a data page: it differs, in the table and alone, and the exit status says so.
python3 - one damaged <<'END'
import struct, sys
data = bytearray(open(sys.argv[1], "rb").read())
shoff = struct.unpack_from("<Q", data, 40)[0]
data[shoff - 4096 + 100] ^= 1		# the last page image lies before the section headers
open(sys.argv[2], "wb").write(data)
data[64 + 200] ^= 1			# the header
open("header", "wb").write(data)
open("short", "wb").write(data[:20000])
END
chmod +x damaged header short
expect_status 1 ./damaged
expect_match '^differs: '
expect_status 1 chop verify damaged
expect_match '^differs: '
expect_status 1 chop verify one damaged
expect_match '^damaged .* differs: '
expect_status 2 ./header
expect_errors 'header: this snippet is damaged: the checksum of its header is wrong; build it again with chop snippet'
expect_status 2 chop verify header
expect_one_error 'header is damaged: the checksum of its header'
expect_status 2 chop verify one short damaged
expect_match '^short .* short is (not a snippet|damaged)'
expect_match '^one .* equal$'

# A directory that lost a member, and one that lost its index.
cp -r t broken
rm broken/1.core
expect_status 2 chop verify broken
expect_match '^broken/0 .* equal$'
expect_match '^broken/1 .*1.core'
expect_status 2 chop snippet broken -c 1
expect_one_error '1.core'
[ -e broken/fib_region.3 ] && fail "half a snippet was left"
rm broken/trace.json
expect_status 2 chop verify broken
expect_one_error 'broken'

# Nothing half-written when the disk is full.
if [ "$(id -u)" -eq 0 ] && mkdir small && mount -t tmpfs -o size=64k tmpfs small 2>/dev/null; then
	expect_status 2 chop snippet t -c 1 -o small/file
	expect_one_error 'No space left'
	left=$(ls -A small)
	umount small
	[ -z "$left" ] || fail "left behind: $left"
fi
