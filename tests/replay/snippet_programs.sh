#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Functions of programs nobody here wrote: xz, bzip2, a user of libz. Each replays equal
# fifty times, alone and repeated in one process, and the program's output is its own.
. "$(dirname "$0")/../lib.sh"
need xz bzip2

head -c 1500000 "$CHOP" >input

replay() { # FUNCTION INVOCATION COMMAND...
	local function=$1 invocation=$2 i
	shift 2
	rm -rf t
	same_as_untraced "$CHOP" trace -function "$function" -indices "$invocation" \
		-trace-dir "$PWD/t" -- "$@"
	expect_status 0 chop snippet t
	[ -x "t/$function.$invocation" ] || fail "no t/$function.$invocation"
	for i in $(seq 50); do
		expect_status 0 "t/$function.$invocation"
		expect_match "^equal: $function invocation $invocation, registers and [0-9]+ pages"
		expect_errors ''
	done
	expect_status 0 "t/$function.$invocation" --iterations 30
	expect_match '^warm median: +[0-9]+ cycles'
	expect_status 0 chop verify "t/$function.$invocation"
	expect_match "^equal: $function"
}

replay lzma_code 5 xz -c -T1 "$PWD/input"
replay BZ2_bzCompress 20 bzip2 -c "$PWD/input"
replay deflate 3 "$PROG/deflate" "$PWD/input"
