#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop bbv: the vectors and markers are those that a few lines of Python count from the
# trace's text and objdump's idea of what a branch is.
. "$(dirname "$0")/../lib.sh"
need_facility ptrace userfaultfd userfaultfd-async pagemap-scan
need python3 objdump

for name in fibonacci sum; do
	expect_status 0 chop trace -q -function $name -module mem_cases -indices 1 -trace-dir $name \
		-- "$PROG/mem_cases" $name
	expect_status 0 chop mem $name -o $name.mem
	expect_status 0 chop convert $name.mem --to csv --kinds i -o $name.csv
	expect_status 0 chop bbv $name.mem --interval 1000
	base=$(awk '/mem_cases/ { split($1, a, "-"); print a[1]; exit }' $name/0.maps)
	objdump -d -w "$PROG/mem_cases" >code
	python3 - $name "$base" >"$OUT" 2>&1 <<'PY' || fail "$name: $(cat "$OUT")"
import re, sys
name, base = sys.argv[1], int(sys.argv[2], 16)
branch = {}
for line in open("code"):
    m = re.match(r"\s*([0-9a-f]+):\t[0-9a-f ]+\t(?:(?:bnd|notrack|rep|repz) )*(\S+)", line)
    if m:
        branch[int(m[1], 16) + base] = bool(re.match(r"j|call|ret|loop|syscall", m[2]))
numbers, executed, bb, markers, vector, count, begin = {}, {}, [], [], {}, 0, True
for total, line in enumerate(open(name + ".csv").read().split()[1:]):
    ip = int(line.split(",")[1], 16)
    executed[ip] = executed.get(ip, 0) + 1
    if begin:
        block = numbers.setdefault(ip, len(numbers) + 1)
        if count >= 1000:
            bb.append(vector)
            vector, count = {}, 0
        if not count:
            markers.append(f"{len(bb)} {ip:#x} {executed[ip]} {total}")
    vector[block] = vector.get(block, 0) + 1
    count += 1
    begin = branch[ip]
bb.append(vector)
lines = ["T" + "   ".join(f":{b}:{n}" for b, n in sorted(v.items())) for v in bb]
for path, want in ((name + ".mem.bb", lines), (name + ".mem.markers", markers)):
    got = [re.sub(r" -module mem_cases -begin 0x[0-9a-f]+@[0-9]+$", "", l) for l in open(path).read().splitlines()]
    if got != want:
        index = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
        sys.exit(f"{path} line {index + 1} of {len(got)}, {len(want)}: {got[index:index + 1]} not {want[index:index + 1]}")
print(len(lines), "intervals")
PY
	expect_match '^[0-9]+ intervals$'
done

expect_status 0 chop bbv sum.mem -n 100 -o v.bb -m v.markers
expect_match '^v.bb: [0-9]+ intervals, [0-9]+ basic blocks, 5007 instructions; v.markers$'
expect_status 2 chop bbv /etc/passwd
expect_one_error '/etc/passwd: not a memory trace'
expect_status 2 chop bbv
expect_one_error 'expected one memory trace'
expect_status 2 chop bbv sum.mem -o /nonexistent/x
expect_one_error 'cannot create'
head -c 700 sum.mem >short.mem
expect_status 2 chop bbv short.mem
expect_one_error 'cut off'
exit 0
