#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop mrc: every miss count equals that of a naive count, to the last digit, on page numbers,
# page traces and memory traces; the table, files, reductions, other tools' formats, bad input.
. "$(dirname "$0")/../lib.sh"
need python3

# Mattson's stack as a list; FIFO, CLOCK and OPT as their definitions say.
cat >naive.py <<'PY'
import csv, sys

def lru(pages):
    stack, hits = [], {}
    for page in pages:
        if page in stack:
            depth = stack.index(page) + 1
            hits[depth] = hits.get(depth, 0) + 1
            stack.remove(page)
        stack.insert(0, page)
    return lambda size: len(pages) - sum(n for depth, n in hits.items() if depth <= size)

def fifo(pages):
    def misses(size):
        queue, count = [], 0
        for page in pages:
            if page not in queue:
                count += 1
                queue = (queue + [page])[-size:]
        return count
    return misses

def clock(pages):
    def misses(size):
        frames, hand, count = [], 0, 0 # [page, referenced]
        for page in pages:
            frame = next((f for f in frames if f[0] == page), None)
            if frame:
                frame[1] = True
                continue
            count += 1
            if len(frames) < size:
                frames.append([page, False])
                continue
            while frames[hand][1]:
                frames[hand][1] = False
                hand = (hand + 1) % size
            frames[hand] = [page, False]
            hand = (hand + 1) % size
        return count
    return misses

def opt(pages):
    following, nexts = {}, [0] * len(pages)
    for i in range(len(pages) - 1, -1, -1):
        nexts[i] = following.get(pages[i], len(pages))
        following[pages[i]] = i
    def misses(size):
        memory, count = {}, 0
        for i, page in enumerate(pages):
            if page not in memory:
                count += 1
                if len(memory) == size:
                    del memory[max(memory, key=memory.get)]
            memory[page] = nexts[i]
        return count
    return misses

pages = [line.strip() for line in open(sys.argv[1])]
rows = list(csv.DictReader(open(sys.argv[2])))
policies = {name: globals()[name](pages) for name in ("lru", "fifo", "clock", "opt")}
checked = 0
for row in rows:
    name = row["policy"].lower()
    if name not in policies:
        continue
    wanted = policies[name](int(row["size"]))
    assert row["misses"] == str(wanted), (row, wanted)
    assert abs(float(row["miss_ratio"]) - wanted / len(pages)) < 1e-8, row
    checked += 1
assert checked >= int(sys.argv[3]), checked
PY

# Page numbers: skewed and looping.
awk 'BEGIN { x = 7; for (i = 0; i < 3000; i++) { x = (x * 1103515245 + 12345) % 2147483648
	printf "%x\n", i % 3 ? int(x / 65536) % (1 + int(x / 1024) % 60) + 1024 : i / 3 % 50 } }' >numbers.vpn
expect_status 0 chop mrc numbers.vpn --all --csv all.csv
expect_status 0 python3 naive.py numbers.vpn all.csv 50
expect_status 0 chop mrc numbers.vpn --policy all --points 2 --csv some.csv --svg some.svg
expect_match 'ARC misses'
expect_status 0 python3 naive.py numbers.vpn some.csv 40
expect_status 0 python3 -c 'import xml.dom.minidom as m; assert m.parse("some.svg").getElementsByTagName("polyline")'
expect_status 0 bash -c 'chop mrc - --memory 128K --working-set <numbers.vpn'
expect_match '^with 128 KB: LRU [0-9.]+ % misses$'

# Reductions have the same misses for memories of that size and more.
for how in sad olr; do
	expect_status 0 chop mrc numbers.vpn --reduce $how --keep 12 -o small.vpn
	expect_error_match "small.vpn: $(wc -l <small.vpn) references of $(wc -l <numbers.vpn) "
	[ "$(wc -l <small.vpn)" -lt "$(wc -l <numbers.vpn)" ] || fail "$how reduces nothing"
	expect_status 0 chop mrc small.vpn --all --csv small.csv
	join -t, <(awk -F, '$2 >= 12 { print $2 "," $4 }' all.csv | sort -t, -k1,1) \
		<(awk -F, '$2 >= 12 { print $2 "," $4 }' small.csv | sort -t, -k1,1) >both
	[ "$(wc -l <both)" -gt 30 ] || fail "$how: only $(wc -l <both) sizes"
	awk -F, '$2 != $3 { exit 1 }' both || fail "$how: other misses"
done
expect_status 0 chop mrc -q numbers.vpn --reduce olr --keep 12 -o small.pages
expect_status 0 chop mrc small.pages
expect_match 'valid from 12 pages'

# Sampling: everything sampled is everything; a part comes with error bars.
expect_status 0 chop mrc numbers.vpn --sample-pages 100000 --csv sampled.csv
awk -F, 'NR == FNR { m[$2] = $4; next } FNR > 1 && m[$2] != $4 { exit 1 }' all.csv sampled.csv ||
	fail 'a sample of all is not all'
expect_status 0 chop mrc numbers.vpn --sample 0.5
expect_match '\+-'
expect_error_match 'only [0-9]+ pages are in the sample'

# A page trace and a memory trace.
if chop check ptrace userfaultfd userfaultfd-move >/dev/null 2>&1; then
	expect_status 7 chop pages -q -w 64 -o walk.pages -- "$PROG/pages_walk"
	expect_status 0 chop convert walk.pages --to vpn -o walk.vpn
	expect_status 0 chop mrc walk.pages --all --csv walk.csv
	expect_match 'valid from 128 pages'
	expect_status 0 python3 naive.py walk.vpn walk.csv 100
	awk -F, 'NR > 1 && $7 != ($2 >= 128) { exit 1 }' walk.csv || fail 'valid is marked wrongly'
	expect_status 0 chop trace -q -function fib_region -indices 0 -trace-dir t -- "$PROG/regions"
	expect_status 0 chop mem -q t -c 0 -o t.mem
	expect_status 0 chop convert t.mem --to lackey -o t.lackey
	for block in 64 4096; do
		python3 - $block >t.blocks <<'PY'
import sys
block = int(sys.argv[1])
for line in open("t.lackey"):
    address, size = line[2:].split(",")
    first = int(address, 16)
    for number in range(first // block, (first + int(size) - 1) // block + 1):
        print("%x" % number)
PY
		expect_status 0 chop mrc t.mem --block $block --policy all --csv t.csv
		expect_status 0 python3 naive.py t.blocks t.csv 8
		expect_status 0 chop mrc t.lackey --block $block --policy all --csv t2.csv
		cmp t.csv t2.csv || fail "lackey's text gives another curve"
	done
else
	echo 'page traces: this machine cannot make them'
fi

# Bad input: one line, nothing written.
expect_status 2 chop mrc nowhere
expect_one_error 'nowhere'
expect_status 2 chop mrc numbers.vpn --policy lfu
expect_one_error "'lfu' is none of"
expect_status 2 chop mrc numbers.vpn --memory 12
expect_one_error 'less than one page'
expect_status 2 chop mrc numbers.vpn --reduce olr
expect_status 2 chop mrc numbers.vpn --block 100
expect_one_error 'power of two'
expect_status 2 chop mrc numbers.vpn --sample 0.5 --policy opt
head -c 3000 /dev/urandom >noise
expect_status 2 chop mrc noise
expect_one_error 'noise'
: >empty
expect_status 2 chop mrc empty
expect_one_error 'empty'
expect_status 2 chop mrc numbers.vpn --csv /dev/full
expect_one_error '/dev/full'
if [ -e walk.pages ]; then
	for size in 50 150 3000; do
		head -c $size walk.pages >cut.pages
		chop mrc cut.pages >"$OUT" 2>"$ERR"
		case $? in
		0) expect_error_match 'cut short' ;;
		2) expect_one_error 'cut.pages' ;;
		*) fail "cut at $size" ;;
		esac
	done
	{ head -c 1000 walk.pages; printf XXXX; tail -c +1005 walk.pages; } >damaged.pages
	expect_status 2 chop mrc damaged.pages
	expect_one_error 'damaged'
fi
exit 0
