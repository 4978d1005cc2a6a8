#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop mem --live with threads: the program behaves as if alone, whatever its threads do, and each
# thread's accesses are in the trace.
. "$(dirname "$0")/../lib.sh"

# threads STATUS NAME: output and, unless it is another, status as alone.
threads() {
	local want=$1 name=$2 status
	("$PROG/mem_threads" $name >alone.out 2>/dev/null) 2>/dev/null
	status=$?
	[ "$want" = same ] && want=$status
	"$CHOP" mem --live -o $name.mem -- "$PROG/mem_threads" $name >"$OUT" 2>"$ERR"
	status=$?
	[ $status = "$want" ] || fail "$name: status $status, not $want: $(cat "$ERR")"
	cmp -s "$OUT" alone.out || fail "$name: $(diff -a alone.out "$OUT" | head -n 5)"
}
said() {
	grep -Eq "$1" "$ERR" || fail "not said: $1: $(cat "$ERR")"
}

for name in counted mutexes churn signals cancel robust ends main killed children changes; do
	threads same $name
	said '^chop: mem: complete: mem_threads, [0-9]+ instructions, [0-9]+ references'
done
# The end of the trace is not that of the program, nor of one of its threads.
threads 3 crowd
said 'incomplete: the program has more than [0-9]+ threads at once'
threads 3 executes
said 'incomplete: the program replaced itself'
threads 3 leaves
said 'incomplete: the code at 0x[0-9a-f]+ writes to the page that it is in'
"$PROG/mem_threads" mutexes >alone.out
expect_status 0 chop mem --live --max-refs 200000 -o limited.mem -- "$PROG/mem_threads" mutexes
cmp -s "$OUT" alone.out || fail "--max-refs: $(diff -a alone.out "$OUT")"
said 'stopped: mem_threads, '
expect_status 3 chop bbv --live -o bbv.bb --interval 10000 -- "$PROG/mem_threads" mutexes
cmp -s "$OUT" alone.out || fail "bbv: $(diff -a alone.out "$OUT")"
said 'only programs of one thread'

# The number i (from 1) of a thread is that of its start: 1000 i rounds of a loop.
chop convert counted.mem --to csv >counted.csv 2>"$ERR" || fail "convert: $(cat "$ERR")"
begin=$(nm "$PROG/mem_threads" | sed -n 's/ T counted_loop$//p')
end=$(nm "$PROG/mem_threads" | sed -n 's/ T counted_end$//p')
python3 - $begin $end <<'PY' || fail "not what the threads did"
import collections, csv, sys

base = 0x555555554000
begin, end = (int(word, 16) + base for word in sys.argv[1:3])
counts = collections.Counter()
addresses = collections.defaultdict(set)
for row in csv.DictReader(open("counted.csv")):
    if begin <= int(row["ip"], 16) < end:
        counts[int(row["thread"]), row["kind"]] += 1
        if row["kind"] != "fetch":
            addresses[int(row["thread"])].add(int(row["address"], 16))
wanted = {(thread, kind): 1000 * thread * times
          for thread in range(1, 9) for kind, times in (("fetch", 4), ("read", 2), ("write", 1))}
if counts != wanted:
    sys.exit(f"{sorted(counts.items())}")
for thread, places in addresses.items():
    if len(places) != 2 or max(places) - min(places) != 8:
        sys.exit(f"thread {thread}: {places}")
if len(set.union(*addresses.values())) != 16:
    sys.exit("threads share memory")
PY
exit 0
