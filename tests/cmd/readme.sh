#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the README tells the reader to type works: its `sh` blocks, line by line in one
# directory, and its make targets exist.
. "$(dirname "$0")/../lib.sh"

for target in $(grep -oE '\bmake [a-z]+' "$TOP/README.md" | cut -d' ' -f2 | sort -u); do
	expect_status 0 make -C "$TOP" -n "$target"
done

need xz gdb objdump
need_facility userfaultfd
tar -C "$TOP" -cf FILE src include
awk '/^```sh$/ { on = 1; next } /^```$/ { on = 0 } on' "$TOP/README.md" >commands
[ -s commands ] || fail "the README has no commands"
while IFS= read -r line; do
	bash -o pipefail -c "$line" </dev/null >"$OUT" 2>"$ERR" ||
		{ echo "the README's command failed: $line"; show_output; exit 1; }
done <commands
xz -c -T1 FILE | cmp - FILE.xz || fail "xz wrote something else under chop"
expect_match '<lzma_code>:$'
expect_status 0 ./lzma/lzma_code.20
expect_match '^equal: lzma_code invocation 20, '
