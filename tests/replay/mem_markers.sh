#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# From basic-block vectors to a region: the markers of chop bbv --live are where chop trace
# captures an interval, and its memory trace has the interval's instructions, exactly.
. "$(dirname "$0")/../lib.sh"
need_facility ptrace userfaultfd userfaultfd-async pagemap-scan
need gzip

expect_status 7 chop bbv --live -n 5000 -o v.bb -m v.markers -- "$PROG/bbv_plain"
[ "$(wc -l <v.markers)" -gt 5 ] || fail "few intervals: $(cat v.markers)"
for interval in 1 3; do
	begin=$(awk -v n=$interval '$1 == n' v.markers)
	end=$(awk -v n=$((interval + 1)) '$1 == n' v.markers)
	set -- $begin
	first=$4 from=$8
	set -- $end
	expect_status 0 chop trace -q -begin "$from" -end "$8" -trace-dir t$interval \
		-memory-access-trace -- "$PROG/bbv_plain"
	[ -s t$interval/0.mem ] || fail "no t$interval/0.mem"
	[ ! -e t$interval/1.mem ] || fail "more than one interval"
	expect_status 0 chop mem t$interval --count
	expect_match "^equal: region invocation 0, $(($4 - first)) instructions"
done

# A real program, where libraries move and the loader works less: LD_BIND_NOW.
seq 1 3000 >in.txt
"$CHOP" bbv --live -q -n 200000 -m g.markers -o g.bb -- gzip -c in.txt >/dev/null || fail "bbv gzip"
grep -- '-module gzip ' g.markers >inside
[ "$(wc -l <inside)" -gt 5 ] || fail "few intervals in gzip: $(cat g.markers)"
from=$(sed -n 's/.*-begin //p' inside | sed -n 2p)
to=$(sed -n 's/.*-begin //p' inside | sed -n 3p)
want=$(awk 'NR == 2 { a = $4 } NR == 3 { print $4 - a }' inside)
expect_status 0 chop trace -q -begin "$from" -end "$to" -trace-dir g -- gzip -c in.txt
expect_status 0 chop mem g --count
got=$(sed -n 's/^equal: region invocation 0, \([0-9]*\) instr.*/\1/p' "$OUT")
# a copy of bytes may take another path where they lie otherwise
[ $((got - want)) -le 100 ] && [ $((want - got)) -le 100 ] || fail "$got instructions, not $want"

# Several captures at once.
expect_status 0 chop trace -function sorted -trace-dir several -memory-access-trace -j 2 -- \
	"$PROG/mem_cases" sorted
for n in 0 1 2; do
	"$CHOP" convert several/$n.mem --to csv >csv 2>/dev/null && [ -s csv ] || fail "no several/$n.mem"
done
grep -q '^equal: sorted invocation 2' "$ERR" || fail "$(cat "$ERR")"
# In ChopStiX's layout: its file, of all captures.
expect_status 0 chop trace -function sorted -trace-dir old -layout chopstix -memory-access-trace -- \
	"$PROG/mem_cases" sorted
[ -e old/_captures ] && fail "captures left in old"
chop-detrace-mem old/memory_trace.bin | grep -c '^D W 0x' >writes
for n in 0 1 2; do "$CHOP" convert several/$n.mem --to chopstix; done |
	awk '/^D W/ { n += int(($4 + 7) / 8) } END { print n }' >wanted
cmp wanted writes || fail "$(cat writes) writes, not $(cat wanted)"
exit 0
