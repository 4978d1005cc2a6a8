#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop pages --sites: references to the heap name the block and the call that asked for it. The
# program itself tells which of its functions asked for what.
. "$(dirname "$0")/../lib.sh"
need python3
need_facility ptrace userfaultfd userfaultfd-move

expect_status 0 chop pages -q --sites --no-ips -w 40 -o t.pages -- "$PROG/pages_sites"
cp "$OUT" blocks
expect_status 0 chop convert -q t.pages --to text -o text
cat >compare.py <<'PY'
import bisect, re
blocks = sorted((int(a, 16), int(b, 16), name) for a, b, name in map(str.split, open("blocks")))
starts = [block[0] for block in blocks]
line = re.compile(r"\S+ \d+ (?:read|write) ([0-9a-f]{12}) .*?(?: of (\d+) bytes from (\S+?)\+0x[0-9a-f]+ \((\S+)\))?"
                  r"(?: (?:by|at) .*)?$")
seen = {}
used = False
for text in open("text"):
    match = line.match(text)
    if not match:
        continue
    address = int(match[1], 16)
    at = bisect.bisect(starts, address) - 1
    inside = at >= 0 and address < blocks[at][1]
    # The grid is moved and cleared by the C library before it is what is printed.
    if not inside or not match[3]:
        continue
    start, end, name = blocks[at]
    assert match[3] == name or name == "make_grid", (text, blocks[at])
    if match[3] == name:
        assert int(match[2]) in (end - start, 100 * 4096), text
        assert match[4] == "pages_sites", text
        seen[name] = seen.get(name, 0) + 1
print(seen)
assert seen["make_table"] >= 4 * 74 and seen["make_grid"] >= 4 * 199 and seen["make_nodes"] >= 2 * 60, seen
PY
expect_status 0 python3 compare.py
[ "$(grep -c ' alloc .* from make_nodes+0x[0-9a-f]* (pages_sites)$' text)" = 2000 ] || fail "$(grep -m 5 ' alloc ' text)"

# Nothing of the program changes, and what cannot be had is said.
same_as_untraced "$CHOP" pages --sites -w 64 -o "$TEST_TMP/t.pages" -- sort "$TOP/README.md"
expect_status 7 chop pages --sites -w 64 -o t.pages -- "$PROG/pages_walk"
expect_error_match 'no call of malloc was seen'
expect_status 2 chop pages --sites -p 1
expect_one_error 'not for a process that runs already'
exit 0
