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

# One thread of it; and DynamoRIO's entries say whose they are, each thread's in their order.
chop convert counted.mem --to csv --thread 3 2>"$ERR" | cmp -s - <(sed -n '1p; /,3$/p' counted.csv) ||
	fail "--thread 3: $(cat "$ERR")"
expect_status 0 chop convert counted.mem --to csv --thread 9
expect_error_match 'no record of thread 9'
expect_status 0 chop convert counted.mem --to drmemtrace -o counted.drmemtrace
python3 - <<'PY' || fail "drmemtrace: not the threads' instructions"
import collections, csv, struct, sys

wanted, got = collections.defaultdict(list), collections.defaultdict(list)
for row in csv.DictReader(open("counted.csv")):
    if row["kind"] == "fetch":
        wanted[int(row["thread"])].append((int(row["ip"], 16), int(row["size"])))
thread, process, exits, targets = None, {}, [], {}
after = {} # what a branch of the thread said of its successor
for kind, size, value in struct.iter_unpack("<HHQ", open("counted.drmemtrace", "rb").read()):
    if kind == 22:
        thread = value - 1
    elif kind == 24:
        process[thread] = value
    elif kind == 23:
        exits.append(value - 1)
    elif kind == 28 and size == 29:
        targets[thread] = value
    elif kind in (10, 11, 12, 14, 15, 16, 48, 49):
        if thread not in process:
            sys.exit(f"thread {thread} has no process")
        if after.get(thread) not in (None, value):
            sys.exit(f"thread {thread} goes on at {value:#x}, not {after[thread]:#x}")
        after[thread] = value + size if kind in (10, 49) else targets.get(thread) \
            if kind in (12, 15, 16) else None
        got[thread].append((value, size))
if got != wanted:
    sys.exit({n: (len(got[n]), len(wanted[n])) for n in wanted})
if sorted(exits) != sorted(wanted):
    sys.exit(f"exits: {exits}")
PY
exit 0
