#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop pages in other formats, directly and by chop convert; slices, samples, the heap only, a
# window that adapts; catcher; bad input.
. "$(dirname "$0")/../lib.sh"
need python3
need_facility ptrace userfaultfd userfaultfd-move
walk=$PROG/pages_walk hard=$PROG/pages_hard mappings=$PROG/pages_mappings

expect_status 7 chop pages --fifo -w 64 -o walk.pages -- "$walk"
expect_errors "chop: pages: $(chop convert walk.pages --to vpn | wc -l) references in walk.pages"
for format in text csv vpn vmtrace kvmtrace oracle-general; do
	expect_status 0 chop convert walk.pages --to $format -o walk.$format
	expect_status 7 chop pages -q --fifo -w 64 -f $format -o direct.$format -- "$walk"
done
cmp walk.vpn direct.vpn || fail 'another run refers to other pages'
cmp walk.vmtrace direct.vmtrace || fail 'vmtrace: not the same directly'
cat >look.py <<'PY'
import csv, struct
pages = [int(line, 16) for line in open("walk.vpn")]
last = {}
follow = [0] * len(pages)
for i in range(len(pages) - 1, -1, -1):
    follow[i] = last.get(pages[i], -1)
    last[pages[i]] = i
# libCacheSim: u32 time in seconds, u64 object, u32 size, i64 next access counted from 1, or -1
data = open("walk.oracle-general", "rb").read()
assert len(data) == 24 * len(pages)
for i, (time, page, size, after) in enumerate(struct.iter_unpack("<IQIq", data)):
    assert (page, size) == (pages[i], 4096), (i, page, size)
    assert after == (follow[i] + 1 or -1), (i, after)
# VMTRACE: the page's address in 16 capital digits, "one", and "End"
lines = open("walk.vmtrace").read().splitlines()
assert lines == [x for p in pages for x in ("%016X" % (p << 12), "one")] + ["End"]
rows = list(csv.DictReader(open("walk.csv")))
assert [int(r["page"]) for r in rows] == pages
assert {r["kind"] for r in rows} == {"read", "write", "execute"}
tags = [line.split() for line in open("walk.kvmtrace")]
seen = [int(t[-1], 16) for t in tags if t[0] in "rwRW"]
assert seen == pages, seen[:5]
PY
expect_status 0 python3 look.py
# Names: the function that referred, and what it referred to.
grep -Eq ' write [0-9a-f]+ .*in anonymous.* at _start\+0x[0-9a-f]+ \(pages_walk\)' walk.text ||
	fail "$(sed -n '50,60p' walk.text)"
expect_status 0 chop convert --list
expect_match '^kvmtrace +page traces:'
expect_status 2 chop convert walk.pages --to lackey
expect_one_error "'lackey'"
expect_status 2 chop convert walk.pages --to nothing
expect_one_error "'nothing'"

# The kernel's accesses carry the call's name, what the program does to its mappings is told.
expect_status 0 chop pages -q -w 32 -f text -o kernel.text -- "$mappings" kernel
for call in read readv getcwd getrandom; do
	grep -q " by $call" kernel.text || fail "nothing by $call"
done
expect_status 0 chop pages -q -w 32 -f text -o events.text -- "$hard" shaking
for event in map unmap remap protect advise thread thread-end exit; do
	awk -v event=$event '$3 == event { found = 1 } END { exit !found }' events.text ||
		fail "no event $event: $(awk '{ print $3 }' events.text | sort | uniq -c | head -20)"
done

# Slices: every page once a slice, written pages among them.
expect_status 0 chop pages -q --interval 5ms -o slices.pages -- "$hard" shaking
expect_status 0 chop mrc slices.pages
expect_match ' slices of 0.005 s: on average [0-9]+ pages used'
awk '/^ +[0-9.]+ +[0-9]+/ { if ($3 > $2) exit 1; pages += $2; written += $3 }
	END { exit !(pages > 100 && written > 50) }' "$OUT" || { show_output; fail 'slices'; }
expect_status 0 chop mrc slices.pages --csv slices.csv
[ "$(wc -l <slices.csv)" = "$(awk 'NF == 4 && $1 ~ /^[0-9.]+$/ { n++ } END { print n + 1 }' "$OUT")" ] ||
	fail "$(head slices.csv)"
expect_status 2 chop mrc slices.pages --svg slices.svg
expect_error_match 'was recorded in slices, which give no curves'
[ -e slices.svg ] && fail 'a picture without curves'

# A sample: all its pages are of those the hash selects, and it is about a quarter.
expect_status 7 chop pages -q -w 32 --sample 0.25 -o sample.pages -- "$walk"
expect_status 0 chop convert sample.pages --to vpn -o sample.vpn
cat >hash.py <<'PY'
def chosen(page):
    m = (1 << 64) - 1
    x = page + 0x9e3779b97f4a7c15 & m
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9 & m
    x = (x ^ x >> 27) * 0x94d049bb133111eb & m
    return (x ^ x >> 31) >> 11 < 1 << 51
sampled = {int(line, 16) for line in open("sample.vpn")}
pages = {int(line, 16) for line in open("walk.vpn")}
assert sampled == {page for page in pages if chosen(page)}, (len(sampled), len(pages))
PY
expect_status 0 python3 hash.py
expect_status 0 chop mrc sample.pages
expect_match 'a sample of 25 % of the pages'
expect_match '\+-'

expect_status 0 chop pages -q --heap -w 64 -o heap.text -f text -- "$mappings" unmapping
grep -E ' execute | in (libc|ld-linux|pages_mappings|\[stack)' heap.text && fail 'more than the heap'
expect_status 0 chop pages -q --max-slowdown 3 -w 32 -o adaptive.pages -- "$mappings" remapping
expect_status 0 chop mrc adaptive.pages
expect_match 'grew and shrank'

# VMTRACE's interface.
expect_status 0 env VMT_TRACENAME=foo.csv VMT_SIZE=16 catcher sort walk.vpn
[ "$(tail -n 1 foo.csv)" = End ] || fail "no End: $(tail -n 2 foo.csv)"
awk 'NR % 2 && !(/^[0-9A-F]+$/ && length == 16) && !/^End$/ || !(NR % 2) && !/^one$/ { exit 1 }' foo.csv ||
	fail 'not the format'
sort walk.vpn | cmp - "$OUT" || fail 'sort sorts differently under catcher'
expect_status 0 chop mrc foo.csv
expect_match 'VMTRACE'
# Ten pages by malloc, four times one after the other: with 4 pages open all of it misses.
cat >loop.c <<'C'
#include <stdlib.h>
int main(void)
{
	volatile char *block = malloc(20 * 4096);
	for (int round = 0; round < 4; round++)
		for (int page = 0; page < 20; page++)
			block[page * 4096 + 100] += 1;
	return 9;
}
C
if command -v gcc >/dev/null; then
	gcc -O1 -o loop loop.c || fail 'cannot compile'
	for size in 4 10 40; do
		expect_status 9 env VMT_TRACENAME=loop.csv VMT_SIZE=$size catcher ./loop
		case $size in 40) wanted=20 ;; *) wanted=80 ;; esac
		[ "$(grep -c one loop.csv)" = $wanted ] ||
			fail "VMT_SIZE=$size: $(grep -c one loop.csv) records"
	done
	gcc -O1 -static -o loop loop.c 2>/dev/null &&
		expect_status 9 env VMT_TRACENAME=loop.csv VMT_SIZE=4 catcher ./loop &&
		expect_error_match 'statically linked'
fi
expect_status 2 env -u VMT_TRACENAME VMT_SIZE=4 catcher true
expect_one_error 'VMT_TRACENAME is not set'
expect_status 2 env -u VMT_SIZE VMT_TRACENAME=x catcher true
expect_one_error 'VMT_SIZE is not set'
for size in 0 -3 4k 99999999999999999999 ''; do
	expect_status 2 env VMT_TRACENAME=x VMT_SIZE="$size" catcher true
	expect_one_error 'VMT_SIZE'
done
[ -e x ] && fail 'bad input leaves a file'

# Who may not use userfaultfd is told so, and how to get it; the program is not run.
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null &&
   [ "$(cat /proc/sys/vm/unprivileged_userfaultfd)" = 0 ] &&
   [ "$(stat -c %a /dev/userfaultfd 2>/dev/null || echo 600)" = 600 ]; then
	chmod 777 . && cp "$CHOP" mychop
	expect_status 5 setpriv --reuid 65534 --regid 65534 --clear-groups ./mychop pages -- echo on
	expect_output ''
	expect_one_error 'userfaultfd is not allowed .* make /dev/userfaultfd accessible, or set'
	# A process of somebody else.
	sleep 100 &
	expect_status 5 setpriv --reuid 65534 --regid 65534 --clear-groups ./mychop pages -o x -p $!
	expect_one_error 'cannot attach to [0-9]+: not permitted; run as root'
	kill $! && wait $! 2>/dev/null
fi

# A window below what an instruction can need is raised.
expect_status 0 chop pages -w 3 -o t.pages -- true
expect_error_match 'a window of 3 pages is less than one instruction can need: raised to 32'
expect_status 2 chop pages
expect_one_error 'expected a command'
expect_status 2 chop pages -p 1 -- true
expect_status 2 chop pages -f nothing -- true
expect_one_error "no format 'nothing'"
expect_status 2 chop pages --interval 10ms --fifo -- true
expect_status 2 chop pages --sample 0 -- true
expect_status 2 chop pages --max-slowdown 0.5 -- true
expect_status 127 chop pages -o none.pages -- ./nowhere
expect_one_error 'nowhere'
expect_status 126 chop pages -o none.pages -- /
expect_status 2 chop pages -o no/such/dir -- true
expect_one_error 'no/such/dir'
exit 0
