#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop probe: counts equal the calls a program makes, exactly; arguments, tests, threads and
# children, histograms; the program's output and status are its own.
. "$(dirname "$0")/../lib.sh"
need awk
need_facility bpf uprobe
own probe_points
points=$OWN
probe() { chop probe -q -o result "$@"; }
count_of() { awk -v name="probe_points:$1" '$NF == name { sum += $1 } END { print sum + 0 }' result; }

# The kernel counts exactly what the program does, however it is asked.
calls=1000000
expect_status 3 probe -c 'u::work' 'usdt::shop:taken' -- "$points" calls $calls
for name in work shop:taken; do
	[ "$(count_of $name)" = $calls ] || fail "$name: $(cat result)"
done
calls=20000
expect_status 3 probe -c 'u::work' 'ur::work' 'usdt::shop:*' -- "$points" calls $calls
for name in work work%return shop:taken shop:kinds shop:asked; do
	[ "$(count_of $name)" = $calls ] || fail "$name: $(cat result)"
done
[ "$(count_of shop:twice)" = $((calls * 3 / 2)) ] || fail "$(cat result)"
# The semaphore was raised for us: the program says so; without us it is not.
expect_match "^asked $calls\$"
expect_status 3 "$points" calls 4
expect_match '^asked 0$'

# Each hit, in order, and nothing else is different.
same_as_untraced "$CHOP" probe -o "$PWD/result" 'u::work(number, text)' -- "$points" calls 20000
[ "$(wc -l <result)" -eq 20000 ] || fail "$(wc -l <result) lines"
awk '{ n = NR - 1; want = "probe_points:work(number=" n ", text=\"" (n % 2 ? "odd" : "even") "\")"
	got = $3 " " $4; if (got != want) { print NR ": " $0; exit 1 } }' result || fail "wrong"

# Arguments by variable, member, number, register and address; of the return and the point.
expect_status 3 probe 'u::take(order->id, order->customer, order->more.next->customer, kind,
	delta, a=arg2:s8, third=%dl:x8, price=+24(%di))' -- "$points" calls 2
sed 's/.*take//' result >seen
printf '%s\n' '(order->id=7, order->customer="second", order->more.next->customer=NULL, kind='"'x'"', delta=-3, a=-3, third=0xfd, price=700)' \
	'(order->id=5, order->customer="first", order->more.next->customer="second", kind='"'x'"', delta=-3, a=-3, third=0xfd, price=500)' >wanted
sed -i 's/price=[0-9]*/price/' seen wanted
diff wanted seen || fail "arguments"
expect_status 3 probe 'ur::work' 'usdt::shop:kinds(arg0:char,arg1,arg2,arg4)' \
	'usdt::shop:taken(n=arg0,arg1:str)' -- "$points" calls 2
sed 's/.*probe_points://' result >seen
printf '%s\n' 'shop:taken(n=0, arg1="even")' 'work%return(ret=0)' \
	"shop:kinds(arg0='x', arg1=-3, arg2=-7, arg4=12345)" 'shop:taken(n=1, arg1="odd")' \
	'work%return(ret=2)' "shop:kinds(arg0='x', arg1=-3, arg2=-5, arg4=12345)" >wanted
diff wanted seen || fail "static points"

# By line, and by address: the same.
line=$(awk '/CHOP_PROBE\(shop, taken/ { print NR }' "$TOP/tests/prog/probe_points.c")
expect_status 3 probe -c "u::probe_points.c:$line" -- "$points" calls 7
[ "$(awk 'NR == 2 { print $1 }' result)" = 7 ] || fail "$(cat result)"
address=$(chop marks "$points" work | sed -n 's/^-begin //p')
expect_status 3 probe -c "u::0x$address" -- "$points" calls 7
[ "$(count_of work)" = 7 ] || fail "$(cat result)"

# Tests, of numbers and of texts.
expect_status 3 probe -c 'u::work(number) if number >= 10 && number < 15' -- "$points" calls 100
[ "$(count_of work)" = 5 ] || fail "$(cat result)"
expect_status 3 probe -c 'u::work if text == "odd" && number > 50' -- "$points" calls 100
[ "$(count_of work)" = 25 ] || fail "$(cat result)"

# Threads always, children with -f; each apart.
expect_status 3 probe -c --by thread 'u::work' -- "$points" threads 3 500
[ "$(grep -c ' 500 .*work$\|^ *500 .*work$' result)" = 3 ] || fail "$(cat result)"
expect_status 3 probe -c 'u::work' -- "$points" children 2 500
[ "$(count_of work)" = 0 ] || fail "$(cat result)"
expect_status 3 probe -f -c --by process 'u::work' -- "$points" children 2 500
[ "$(count_of work)" = 1000 ] || fail "$(cat result)"

# Histograms: of an argument; of times, which cannot be shorter than the sleeps they are of.
expect_status 3 probe -H --linear 0:100:10 'u::work(number)' -- "$points" calls 95
[ "$(awk '/up to/ { print $5 }' result | paste -sd' ')" = "10 10 10 10 10 10 10 10 10 5" ] || fail "$(cat result)"
expect_status 3 probe -L --format json u::nap u::fact -- "$points" sleep 20 5000
python3 - result <<'PY' || fail "$(cat result)"
import json, sys
rows = {r["probe"].split(":")[1]: r for r in map(json.loads, open(sys.argv[1]))}
nap = rows["nap"]
assert nap["count"] == 20 and nap["total_ns"] >= 20 * 5000000, nap
assert sum(b["count"] for b in nap["buckets"]) == 20, nap
assert all(b["high"] > 5000000 for b in nap["buckets"]), nap
PY
# Recursion: each activation is one call.
expect_status 3 probe -Lc u::fact -- "$points" calls 1
awk '$NF == "probe_points:fact" && $1 == 5 { found = 1 } END { exit !found }' result || fail "$(cat result)"

# Tracepoints: their fields, and the text a field points to.
expect_status 3 probe 't:syscalls:sys_enter_write(fd, buf:str, count)' -- "$points" calls 1
grep -q 'sys_enter_write(fd=1, buf="244\\nasked 0\\n", count=12)$' result || fail "$(cat result)"

# All of the C library: the program is the same, and it is said how many are probed.
same_as_untraced "$CHOP" probe -o "$PWD/result" -c 'u:libc:*' -- "$points" calls 100
expect_error_match '^chop: probe: attached [0-9]+ of [0-9]+'
grep -q ' libc.so.6:malloc$' result || fail "$(cat result)"
same_as_untraced "$CHOP" probe -o "$PWD/result" -Lc 'u:libc:*' -- "$points" calls 100
grep -q ' libc.so.6:malloc$' result || fail "$(cat result)"

# A process that runs already is left as it was.
mkfifo to
"$points" wait 1000 <to >out &
pid=$!
exec 3>to
chop probe -q -o result --stop-count 1000 "u:$points:work" -p $pid 2>errors &
watcher=$!
while kill -0 $watcher 2>/dev/null; do
	echo >&3
	sleep 0.1
done
wait $watcher || fail "attached: $(cat errors)"
[ "$(wc -l <result)" -eq 1000 ] || fail "$(wc -l <result) lines"
# Its stack: the function and, though it has no frame yet, its caller.
chop probe -q -k -o result --stop-count 10 "u:$points:work" -p $pid 2>errors &
watcher=$!
while kill -0 $watcher 2>/dev/null; do
	echo >&3
	sleep 0.1
done
wait $watcher || fail "attached: $(cat errors)"
[ "$(grep -A2 'work()$' result | grep -c '^	\(work+0x0\|calls+0x[0-9a-f]*\|main+0x[0-9a-f]*\) (probe_points)$')" -eq 20 ] ||
	fail "$(head -n 12 result)"
exec 3>&-
wait $pid
[ $? -eq 3 ] || fail "the watched program was harmed"
exit 0
