#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop cut on programs nobody here wrote: what it cuts is proven equal, again when it is run
# by itself, and the program's output and status are those it has alone.
. "$(dirname "$0")/../lib.sh"

need xz bzip2 python3
need_facility userfaultfd
tar -C "$TOP" -cf input src include docs

cut_equal() { # FUNCTION INVOCATION COMMAND...
	local function=$1 invocation=$2 snippet=$PWD/$1/$1.$2
	shift 2
	same_as_untraced chop cut "$function" -n "$invocation" -o "$PWD/$function" -- "$@"
	expect_error_match "^chop: cut: $snippet: equal: $function invocation $invocation, "
	for _ in 1 2 3; do
		expect_status 0 "$snippet"
		[ "$(wc -l <"$OUT")" -eq 1 ] || fail "$snippet said more than one line"
		expect_match "^equal: $function invocation $invocation, registers and [0-9]+ pages"
		expect_errors ''
	done
	rm -r "$function"
}

cut_equal lzma_code 20 xz -c -T1 "$PWD/input"
cut_equal BZ2_bzCompress 10 bzip2 -c "$PWD/input"
python=/usr/bin/python3 # not what a version manager puts in front of it
if ldd $python 2>/dev/null | grep -q libz.so; then
	cut_equal deflate 1 $python -c '
import sys, zlib
c = zlib.compressobj()
data = open(sys.argv[1], "rb").read()
out = b"".join(c.compress(data[i:i + 9999]) for i in range(0, len(data), 9999)) + c.flush()
sys.stdout.buffer.write(out)' "$PWD/input"
else
	echo "note: $python does not use libz"
fi

# A program that fails is told of; the snippet is good all the same.
expect_status 0 chop cut lzma_code -o failing -- xz -c -T1 input no-such-file
expect_error_match '^chop: cut: failing/lzma_code.0: equal: '
expect_error_match '^chop: cut: warning: the program exited with status 1$'
