#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What chop pages --fifo records is, record for record, what a FIFO memory of that size misses
# of the complete stream of references. The stream comes from the translator (chop mem) on
# a capture of the whole program, and once more from a single-stepper that shares nothing
# with either. The programs make no system call but exit.
. "$(dirname "$0")/../lib.sh"
need python3 objdump nm
need_facility ptrace userfaultfd userfaultfd-async pagemap-scan userfaultfd-move

cat >fifo.py <<'PY'
import sys
def misses(pages, limit):
    resident, ring, count = set(), [None] * limit, 0
    for page in pages:
        if page in resident:
            continue
        yield page
        resident.discard(ring[count % limit])
        ring[count % limit] = page
        resident.add(page)
        count += 1
pages, last = [], None
for line in sys.stdin: # lackey: kind address,size
    address, size = line[2:].split(",")
    first = int(address, 16)
    for page in range(first >> 12, (first + max(int(size), 1) - 1 >> 12) + 1):
        if page != last: # it is resident, whatever the size
            pages.append(page)
            last = page
for limit in 32, 64, 100:
    with open("expected.%d" % limit, "w") as out:
        out.writelines("%x\n" % page for page in misses(pages, limit))
PY

for name in walk sort code; do
	program=$PROG/pages_$name
	"$program"
	status=$?
	begin=$(nm "$program" | awk '$3 == "_start" { print $1 }')
	end=$(objdump -d "$program" | awk '/\tsyscall/ { sub(":", "", $1); at = $1 } END { print at }')
	expect_status 0 chop trace -q -begin "$begin" -end "$end" -trace-dir $name.trace -- "$program"
	expect_status 0 chop mem -q -c 0 $name.trace -o $name.mem
	expect_match '^equal:'
	expect_status 0 chop convert -q $name.mem --to lackey -o $name.lackey
	python3 fifo.py <$name.lackey
	for window in 32 64 100; do
		[ "$(wc -l <expected.$window)" -gt 200 ] || fail "$name: too few references to tell anything"
		expect_status $status chop pages -q --fifo -w $window -f vpn -o found -- "$program"
		cmp expected.$window found || fail "$name: the trace of $window pages is another"
	done
	# The binary trace says the same.
	expect_status $status chop pages -q --fifo -w 32 -o $name.pages -- "$program"
	expect_status 0 chop convert $name.pages --to vpn -o found
	cmp expected.32 found || fail "$name: the binary trace is another"
done

for name in walk; do
	"$PROG/pages_stepper" -f 64 "$PROG/pages_$name" >stepped
	expect_status $? chop pages -q --fifo -w 64 -f vpn -o found -- "$PROG/pages_$name"
	cmp stepped found || fail "$name: the single-stepper says something else"
done
exit 0
