#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A whole program, record by record, as valgrind's lackey sees it: chop mem --live. Documented
# differences, which are counted: lackey fetches a repeated string instruction once for each
# iteration; the stack lies elsewhere, all of it at one distance.
. "$(dirname "$0")/../lib.sh"
need valgrind python3

valgrind --tool=lackey --trace-mem=yes --log-file=lackey "$PROG/bbv_plain" >"$OUT"
[ $? = 7 ] || fail "valgrind cannot run the program: $(tail -n 3 lackey)"
expect_status 7 chop mem --live -q -o ours.mem -- "$PROG/bbv_plain"
expect_status 0 chop convert -q ours.mem --to lackey -o ours
python3 - >"$OUT" 2>&1 <<'PY' || fail "$(cat "$OUT")"
import re, sys

def parse(path):
    last, repeats, records = None, 0, []
    for line in open(path):
        match = re.match(r"(I | L| S| M)\s*([0-9a-f]+),(\d+)$", line.rstrip("\n"))
        if not match:
            continue
        record = match[1].strip(), int(match[2], 16), int(match[3])
        if record[0] == "I" and record == last:
            repeats += 1
            continue
        if record[0] == "I":
            last = record
        records.append(record)
    return records, repeats

theirs, repeats = parse("lackey")
ours, none = parse("ours")
if len(theirs) != len(ours) or none:
    sys.exit(f"lackey {len(theirs)} records, ours {len(ours)}, {none} repeated")
distances = set()
for number, (a, b) in enumerate(zip(theirs, ours)):
    if a[0] != b[0] or a[2] != b[2] or (a[1] != b[1] and a[1] < 1 << 32):
        sys.exit(f"record {number}: lackey {a}, ours {b}")
    if a[1] != b[1]:
        distances.add(b[1] - a[1])
if len(distances) != 1:
    sys.exit(f"the stack is at {len(distances)} distances")
print(len(ours), "records equal,", repeats, "fetches of repeated string instructions only in lackey's")
PY
expect_match '^[0-9]{6} records equal, [1-9][0-9]* fetches'
exit 0
