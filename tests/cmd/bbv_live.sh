#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop bbv --live: vectors and markers are those that follow from single-stepping the program
# and objdump's idea of what a branch is; and those of the memory trace of the same program.
. "$(dirname "$0")/../lib.sh"
need python3 objdump gzip

"$PROG/step_ips" steps "$PROG/bbv_plain" >alone
[ $? = 7 ] || fail "the program does not end as it should"
[ "$(stat -c %s steps)" -gt 200000 ] || fail "only $(stat -c %s steps) bytes of steps"
objdump -d -w "$PROG/bbv_plain" >code

for interval in 1 777 10000; do
	expect_status 7 chop bbv --live -n $interval -o v.bb -m v.markers -- "$PROG/bbv_plain"
	cmp -s "$OUT" alone || fail "other output"
	python3 - $interval >"$OUT" 2>&1 <<'PY' || fail "interval $interval: $(cat "$OUT")"
import array, re, sys
interval = int(sys.argv[1])
branch = {}
for line in open("code"):
    m = re.match(r"\s*([0-9a-f]+):\t[0-9a-f ]+\t(?:(?:bnd|notrack|rep|repz) )*(\S+)", line)
    if m:
        branch[int(m[1], 16)] = bool(re.match(r"j|call|ret|loop|syscall", m[2]))
steps = array.array("Q", open("steps", "rb").read())
numbers, executed, bb, markers, vector, count, begin = {}, {}, [], [], {}, 0, True
for total, ip in enumerate(steps):
    executed[ip] = executed.get(ip, 0) + 1
    if begin:
        block = numbers.setdefault(ip, len(numbers) + 1)
        if count >= interval:
            bb.append(vector)
            vector, count = {}, 0
        if not count:
            markers.append(f"{len(bb)} {ip:#x} {executed[ip]} {total} "
                           f"-module bbv_plain -begin {ip:#x}@{executed[ip]}")
    vector[block] = vector.get(block, 0) + 1
    count += 1
    begin = branch[ip]
bb.append(vector)
lines = ["T" + "   ".join(f":{b}:{n}" for b, n in sorted(v.items())) for v in bb]
for path, want in (("v.bb", lines), ("v.markers", markers)):
    got = open(path).read().splitlines()
    if got != want:
        index = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
        sys.exit(f"{path} line {index + 1} of {len(got)}, {len(want)}: {got[index:index + 1]} not {want[index:index + 1]}")
PY
done

# The same by way of a memory trace.
seq 1 2000 >in.txt
"$CHOP" mem --live -q -o gzip.mem -- gzip -c in.txt >/dev/null || fail "mem --live"
expect_status 0 chop bbv -n 10000 gzip.mem
"$CHOP" bbv --live -q -n 10000 -- gzip -c in.txt >out.gz || fail "bbv --live"
cmp -s gzip.bb gzip.mem.bb || fail "not the vectors of the memory trace"
cmp -s <(cut -d' ' -f3- gzip.markers) <(cut -d' ' -f3- gzip.mem.markers) || fail "not its markers"
grep -q -- '-module gzip -begin 0x[0-9a-f]*@[0-9]*$' gzip.markers || fail "no marker in gzip"
gzip -c in.txt | cmp -s - out.gz || fail "gzip writes something else"

expect_status 2 chop bbv --live
expect_one_error 'no command to run'
expect_status 127 chop bbv --live -- no-such-command
expect_one_error 'no such command'
expect_status 2 chop bbv --live -o /nonexistent/x -- true
expect_one_error 'cannot create'
exit 0
