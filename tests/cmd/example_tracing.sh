#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# examples/tracing from the first step to the last, what it writes read by an independent parser
# and compared with the captures; the commands of its README.
. "$(dirname "$0")/../lib.sh"
need python3 cc make xz
need_facility ptrace userfaultfd userfaultfd-async pagemap-scan
reader=$TESTS/conform/mpt.py

cp -r "$TOP/examples/tracing" example
rm -f example/daxpy
# The stack and the vectors are as large as they need be to show something.
export TEST_SIZE=1000
expect_status 0 example/run_example.sh "$PWD/out"
[ "$(grep -c '^equal: ' "$OUT")" -ge 3 ] || { show_output; fail "snippets that do not say equal"; }
for id in 0 1 2 3 4 5 6 7 8 9; do
	expect_status 0 python3 "$reader" --core out/trace_data/$id.core "out/ubench_daxpy#$id.mpt"
done
expect_status 0 python3 "$reader" --core out/trace_lzma/0.core 'out/ubench_lzma_code#0.mpt.gz'
for name in 'ubench_daxpy#0#memory.mpt' 'ubench_lzma_code#0#memory.mpt.gz'; do
	expect_status 0 python3 "$reader" "out/$name"
	expect_match "^T ${name%%#0*}#0.memtrace.gz\$"
	gzip -dc "out/${name%%#0*}#0.memtrace.gz" >accesses
	[ "$(grep -cE '^(D [RW]|I R) 0x[0-9a-f]{16} [0-9]+$' accesses)" = "$(wc -l <accesses)" ] ||
		fail "lines that Microprobe does not read"
	[ "$(wc -l <accesses)" -gt 10000 ] || fail "few accesses"
done
# xz has done its work undisturbed.
seq 1 300 | cmp - <(xz -dc out/numbers.xz) || fail "the output of xz"
expect_status 2 example/run_example.sh "$PWD/out"

# The README's own lines.
cd example && rm -f daxpy
sed -n 's/^       //p' README.md >commands
[ "$(wc -l <commands)" -ge 7 ] || fail "no commands in the README"
while IFS= read -r line; do
	expect_status 0 bash -c "$line"
done <commands
expect_status 0 python3 "$reader" 'base_name#0#memory.mpt'
exit 0
