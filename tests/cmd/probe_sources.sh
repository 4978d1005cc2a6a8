#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop probe by BPF and by ftrace: the same lines, counts, histograms and calls; ftrace leaves
# nothing behind, not even when it is killed. Interrupted, or with nobody reading, chop leaves
# the program alone.
. "$(dirname "$0")/../lib.sh"
need_facility bpf uprobe tracefs
own probe_points
points=$OWN
tracing=/sys/kernel/tracing
[ -d $tracing/events ] || tracing=/sys/kernel/debug/tracing

both() { # WORDS...
	local source
	for source in bpf ftrace; do
		chop probe -q --source $source -o $source "$@" >"$OUT" 2>"$ERR"
		case $? in
		3) ;;
		5) [ $source = ftrace ] && skip "no ftrace here: $(cat "$ERR")" ;&
		*) fail "$source: $(cat "$ERR")" ;;
		esac
		sed -E 's/^ *[0-9]+\.[0-9]+ +[0-9]+ //' $source | sort >$source.lines
	done
	[ -s bpf.lines ] || fail "nothing: $*"
	diff bpf.lines ftrace.lines >difference || fail "$*: $(head -n 20 difference)"
}
both 'u::work(number, text)' 'ur::work' 'usdt::shop:taken(arg0, arg1:str)' usdt::shop:asked -- "$points" calls 500
both -c u::work 'usdt::shop:*' ur::take -- "$points" calls 20000
both 'u::take(order->id, order->customer, order->more.next->customer, kind, delta, n=arg2:s8, third=%dl:x8)' -- "$points" calls 9
both -s 2 'u::work(text) if text == "odd" && number < 20' -- "$points" calls 100
both -H --linear 0:1000:100 'u::work(number)' -- "$points" calls 950
both -H 'u::take(delta)' -- "$points" calls 95
both -c 't:syscalls:sys_enter_write' 't:sched:sched_process_exec' -- "$points" calls 5
both 't:sched:sched_process_exec(filename)' 't:syscalls:sys_enter_write(fd, count)' -- "$points" calls 5
both -f -c u::work -- "$points" children 3 500
both -c u::work -- "$points" children 3 500
both -c u::work -- "$points" threads 3 500

# Times differ, the number of calls does not; none is shorter than the sleep in it.
for source in bpf ftrace; do
	expect_status 3 chop probe -q --source $source -o times -L --format json u::nap u::fact -- "$points" sleep 10 3000
	python3 - times <<'PY' || fail "$source: $(cat times)"
import json, sys
nap, = (r for r in map(json.loads, open(sys.argv[1])) if r["probe"].endswith(":nap"))
assert nap["count"] == 10 and nap["total_ns"] >= 30000000, nap
assert all(b["high"] > 3000000 for b in nap["buckets"]), nap
PY
	expect_status 3 chop probe -q --source $source -o times -Lc u::fact -- "$points" calls 1
	awk 'NR == 2 && $1 == 5 { ok = 1 } END { exit !ok }' times || fail "$source: $(cat times)"
done

# A buffer that is too small: what is lost is counted.
expect_status 3 chop probe --source ftrace --buffer 8K -o lines u::work -- "$points" calls 100000
expect_error_match '^chop: probe: warning: [0-9]+ events lost; use a larger --buffer'
lost=$(sed -n 's/.*warning: \([0-9]*\) events lost.*/\1/p' "$ERR")
[ $((lost + $(wc -l <lines))) -ge 100000 ] || fail "$lost lost, $(wc -l <lines) lines"

# Killed: the next one cleans up. The program that was watched goes on.
mkfifo to
"$points" wait 10 <to >out &
pid=$!
exec 3>to
chop probe -q --source ftrace "u:$points:work" -p $pid >first &
watcher=$!
until [ -s first ]; do
	kill -0 $watcher 2>/dev/null || fail "chop ended"
	echo >&3
	sleep 0.1
done
# Before it is killed: another chop that begins then may clean up before we look.
[ -d $tracing/instances/chop.$watcher ] || fail "it had no instance of its own"
kill -KILL $watcher
wait $watcher 2>/dev/null
expect_status 3 chop probe -q --source ftrace -c u::work -- "$points" calls 1
[ -d $tracing/instances/chop.$watcher ] && fail "an instance was left"
grep -q "chop_$watcher/" $tracing/uprobe_events && fail "$(cat $tracing/uprobe_events)"

# Interrupted: what there is so far is written.
for source in bpf ftrace; do
	for way in -c -L; do
		rm -f result errors
		chop probe -v --source $source $way -o result "u:$points:work" -p $pid 2>errors &
		watcher=$!
		until grep -qs "watching by" errors; do
			kill -0 $watcher 2>/dev/null || fail "chop ended: $(cat errors)"
			sleep 0.1
		done
		echo >&3
		kill -TERM $watcher
		wait $watcher || fail "interrupted: status $?: $(cat errors)"
		[ -e result ] || fail "no result"
	done
done

# Nobody reads any more.
(chop probe --source bpf "u:$points:work" -p $pid 2>errors; echo $? >status) | head -n 1 >line &
reader=$!
until [ -s status ]; do
	echo >&3
	sleep 0.1
done
wait $reader
[ "$(cat status)" = 2 ] && grep -q 'nobody reads' errors || fail "$(cat status errors)"
exec 3>&-
wait $pid
[ $? -eq 3 ] || fail "the watched program was harmed"

# The last thread of a program that fails or is killed: its status is ours.
expect_status 1 chop probe -q -c -o counts u:libc:exit -- false
expect_status 143 chop probe -q -c -o counts u:libc:exit -- sh -c 'kill -TERM $$'
exit 0
