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
    insn = insns.setdefault(ip, [0, 0, None, {}])
    insn[kind == "write"] += 1
    if insn[2] is not None:
        stride = address - insn[2]
        stride = (stride + 2**63) % 2**64 - 2**63
        if stride in insn[3] or len(insn[3]) < 32:
            insn[3][stride] = insn[3].get(stride, 0) + 1
    insn[2] = address
print(f"{kinds['fetch']} instructions, {kinds['read']} reads, {kinds['write']} writes, {size_sum} bytes")
print(f"footprint: {len(lines)} lines of {line} bytes, {len(pages)} pages, {len(insns)} instructions with accesses")
print("first", buckets.get(0, 0))
for b in range(1, max(buckets) + 1):
    print(1 << b - 1, buckets.get(b, 0))
for i, s in enumerate(sets):
    print(i, len(s))
for ip, (r, w, _, strides) in sorted(insns.items(), key=lambda x: (-sum(x[1][:2]), x[0]))[:top]:
    shown = sorted(strides.items(), key=lambda x: (-x[1], x[0]))[:8]
    other = r + w - 1 - sum(count for _, count in shown)
    print(r + w, r, w, hex(ip), *(f"{stride:+d}:{count}" for stride, count in shown),
          *([f"other:{other}"] if other else []))
PY
	awk '/^[0-9]+ instructions|^footprint/ { print; next }
		/^reuse|^working/ { part = 1; next }
		/^hottest instr/ { part = 2; next }
		/^hottest/ { part = 3; next }
		part == 1 && NF == 2 { print $1, $2 }
		part == 2 && NF { match($0, /bbv_plain 0x[0-9a-f]+/)
			print $1, $2, $3, substr($0, RSTART + 10, RLENGTH - 10) substr($0, RSTART + RLENGTH + 1) }
		' got >seen
	diff want seen >differences || fail "lines of $line: $(head -n 10 differences)"
done

# Names and strides.
grep -Eq '^ +[0-9]+ [0-9]+ [0-9]+  fibonacci\+0x?[0-9a-f]* \(bbv_plain 0x[0-9a-f]+\)( [+-][0-9]+:[0-9]+)+' \
	<("$CHOP" mem --analyse t.mem) || fail "no fibonacci: $(cat got)"
grep -q '^ *[0-9]*  \[stack\]$' got || fail "no stack: $(cat got)"
grep -q '^ *[0-9]*  _start (bbv_plain)$' got || fail "no function: $(cat got)"

# Objects: what lies in .bss, where no file is; the heap.
"$CHOP" mem --live -q -o sum.mem -- "$PROG/mem_cases" sum >/dev/null
expect_status 0 chop convert -q sum.mem --to csv --no-ifetch -o sum.csv
expect_status 0 chop mem --analyse --top 1000 sum.mem
read -r start size < <(nm -S "$PROG/mem_cases" | awk '$4 == "table" { print $1, $2 }')
touches=$(python3 - "$start" "$size" <<'PY'
import csv, sys
start, size = (int(x, 16) for x in sys.argv[1:])
first, touches = {}, 0
for row in csv.DictReader(open("sum.csv")):
    address, length = int(row["address"], 16), int(row["size"])
    for line in range(address // 64, (address + length - 1) // 64 + 1):
        begin = first.setdefault(line, max(address, line * 64))
        touches += 0 <= begin - 0x555555554000 - start < size
print(touches)
PY
)
expect_match "^ *$touches  table \\(mem_cases\\)\$"
expect_match '^ *[0-9]+  \[heap\]$'

expect_status 2 chop mem --analyse
expect_one_error 'reads one memory trace'
expect_status 2 chop mem --analyse /etc/passwd
expect_one_error 'not a memory trace'
head -c 3000 t.mem >cut.mem
expect_status 2 chop mem --analyse cut.mem
expect_one_error 'cut off'
# What there is of it, when asked for; and a trace that says it is not whole.
size=$(stat -c %s t.mem)
head -c $((size - 5)) t.mem >cut.mem
expect_status 0 chop mem --analyse --partial cut.mem
expect_error_match 'warning: this trace ends before its region does'
"$CHOP" mem --live -q --max-refs 1000 -o limited.mem -- "$PROG/bbv_plain" >/dev/null
expect_status 0 chop mem --analyse limited.mem
expect_error_match 'warning: this trace ends before its region does: as many references'
exit 0
