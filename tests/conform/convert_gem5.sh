#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop convert --to gem5, read by Google's protobuf library with the messages of gem5's
# src/proto/packet.proto, in the steps of gem5's util/decode_packet_trace.py.
. "$(dirname "$0")/../lib.sh"
need_facility ptrace userfaultfd userfaultfd-async pagemap-scan
for python in python3 /usr/bin/python3; do
	$python -c 'import google.protobuf' 2>/dev/null && break
done
$python -c 'import google.protobuf' 2>/dev/null || skip 'python3-protobuf is not installed'

expect_status 0 chop trace -q -function strings -module mem_cases -indices 1 -trace-dir strings \
	-- "$PROG/mem_cases" strings
expect_status 0 chop mem strings -o strings.mem
expect_status 0 chop convert -q strings.mem --to csv -o strings.csv
for file in strings.gem5 strings.gem5.gz; do
	expect_status 0 chop convert -q strings.mem --to gem5 -o $file
	$python "$TESTS/conform/convert_gem5.py" $file strings.csv >"$OUT" 2>&1 ||
		fail "$file: $(cat "$OUT")"
	expect_match '^[0-9]{4,} packets at 1000000000000 ticks a second$'
done
exit 0
