#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop mem --analyse: every number is what a few lines of Python make of the trace's text.
. "$(dirname "$0")/../lib.sh"
need python3 nm

"$CHOP" mem --live -q -o t.mem -- "$PROG/bbv_plain" >/dev/null
expect_status 0 chop convert -q t.mem --to csv -o t.csv
head -n 2 t.csv >>"$OUT"
for line in 64 16; do
	expect_status 0 chop mem --analyse --line $line --window 10000 --top 3 t.mem
	cp "$OUT" got
	python3 - $line <<'PY' >want 2>"$ERR" || fail "$(cat "$ERR")"
import sys
line, window, top = int(sys.argv[1]), 10000, 3
kinds = {"fetch": 0, "read": 0, "write": 0}
size_sum, stack, buckets, sets, insns, lines, pages = 0, [], {}, [], {}, {}, set()
rows = open("t.csv").read().split()
head = rows[0].split(",")
for row in rows[1:]:
    r = dict(zip(head, row.split(",")))
    kind, address, size, ip = r["kind"], int(r["address"], 16), int(r["size"]), int(r["ip"], 16)
    kind = {"i": "fetch", "r": "read", "w": "write"}.get(kind, kind)
    if kind not in kinds:
        continue
    number = (kinds["read"] + kinds["write"]) // window
    kinds[kind] += 1
    if kind == "fetch":
        continue
    if len(sets) <= number:
        sets.append(set())
    size_sum += size
    for l in range(address // line, (address + size - 1) // line + 1):
        sets[number].add(l)
        pages.add(l * line // 4096)
        lines[l] = lines.get(l, 0) + 1
        d = len(stack) - stack.index(l) if l in stack else 0
        if d:
            stack.remove(l)
        stack.append(l)
        b = 0 if not d else 1 + (d - 1).bit_length()
        buckets[b] = buckets.get(b, 0) + 1
    insn = insns.setdefault(ip, [0, 0])
    insn[kind == "write"] += 1
print(f"{kinds['fetch']} instructions, {kinds['read']} reads, {kinds['write']} writes, {size_sum} bytes")
print(f"footprint: {len(lines)} lines of {line} bytes, {len(pages)} pages, {len(insns)} instructions with accesses")
print("first", buckets.get(0, 0))
for b in range(1, max(buckets) + 1):
    print(1 << b - 1, buckets.get(b, 0))
for i, s in enumerate(sets):
    print(i, len(s))
for ip, (r, w) in sorted(insns.items(), key=lambda x: (-sum(x[1]), x[0]))[:top]:
    print(r + w, r, w, hex(ip))
PY
	awk '/^[0-9]+ instructions|^footprint/ { print; next }
		/^reuse|^working/ { part = 1; next }
		/^hottest instr/ { part = 2; next }
		/^hottest/ { part = 3; next }
		part == 1 && NF == 2 { print $1, $2 }
		part == 2 && NF { match($0, /bbv_plain 0x[0-9a-f]+/)
			print $1, $2, $3, substr($0, RSTART + 10, RLENGTH - 10) }' got >seen
	diff want seen >differences || fail "lines of $line: $(head -n 10 differences)"
done

# Names and strides.
grep -Eq '^ +[0-9]+ [0-9]+ [0-9]+  fibonacci\+0x?[0-9a-f]* \(bbv_plain 0x[0-9a-f]+\)( [+-][0-9]+:[0-9]+)+' \
	<("$CHOP" mem --analyse t.mem) || fail "no fibonacci: $(cat got)"
grep -q '^ *[0-9]*  \[stack\]$' got || fail "no stack: $(cat got)"
grep -q '^ *[0-9]*  _start (bbv_plain)$' got || fail "no function: $(cat got)"

expect_status 2 chop mem --analyse
expect_one_error 'reads one memory trace'
expect_status 2 chop mem --analyse /etc/passwd
expect_one_error 'not a memory trace'
head -c 3000 t.mem >cut.mem
expect_status 2 chop mem --analyse cut.mem
expect_one_error 'cut off'
exit 0
