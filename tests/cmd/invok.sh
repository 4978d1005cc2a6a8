#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop invok: what is measured, files, limits, refusals; the program does what it does alone.
. "$(dirname "$0")/../lib.sh"
need python3 objdump gcc
calls=$PROG/invok_calls

column() { # FILE N: the column's values
	tail -n +2 "$1" | cut -d, -f"$2"
}

# Every invocation, in order, with its caller; the status is the program's.
same_as_untraced "$CHOP" invok -q -function work -function fib -o "$TEST_TMP/all.csv" -format csv -- "$calls" 50
[ "$(column "$TEST_TMP/all.csv" 1 | sort | uniq -c | tr -s ' \n' ' ')" = " 177 fib 50 work " ] ||
	fail "$(column "$TEST_TMP/all.csv" 1 | sort | uniq -c)"
python3 - "$TEST_TMP/all.csv" "$calls" <<-'END' || fail "the rows"
	import csv, subprocess, sys
	rows = list(csv.DictReader(open(sys.argv[1])))
	work = [r for r in rows if r['function'] == 'work']
	fib = [r for r in rows if r['function'] == 'fib']
	assert len({r['caller'] for r in work}) == 1 and len({r['thread'] for r in rows}) == 1
	starts = [int(r['start_ns']) for r in work]
	assert starts == sorted(starts)
	# 177 activations of fib(10): ten levels, 1 2 4 8 .. of them
	levels = [sum(r['level'] == str(i) for r in fib) for i in range(11)]
	assert levels[:5] == [1, 2, 4, 8, 16] and sum(levels) == 177 and levels[10] == 0, levels
	assert len({r['caller'] for r in fib}) == 3
	assert all(r['end'] == 'return' for r in rows)
	# the outermost one contains the others
	whole = [r for r in fib if r['level'] == '0'][0]
	assert all(int(r['start_ns']) >= int(whole['start_ns']) for r in fib)
	END

expect_status 3 "$CHOP" invok -f fib -f work -- "$calls" 50
expect_error_match '^fib .invok_calls.: 177 invocations, '
expect_error_match '^  10 levels of recursion, 1 outermost$'
expect_error_match '^  100.0 % called from main.0x'

# chop-perf-invok: the same by its name and by addresses; only outermost invocations.
expect_status 3 chop-perf-invok -o rows $("$CHOP" marks "$calls" fib) -- "$calls" 5
expect_output "$("$calls" 5)"
[ "$(head -n 1 rows)" = "Cycles, Time Elapsed (us), Retired Instructions, Retired Memory Instructions, Data Cache Misses, Instructions Per Cycle, Miss Percentage" ] ||
	fail "the header: $(head -n 1 rows)"
[ "$(wc -l <rows)" -eq 2 ] || fail "$(wc -l <rows) lines"
tail -n 1 rows | grep -Eqx ', [0-9]+, , , , , ' || fail "the row: $(tail -n 1 rows)"
expect_status 3 chop-perf-invok -o rows -level 1 $("$CHOP" marks "$calls" fib) -- "$calls" 5
[ "$(wc -l <rows)" -eq 3 ] || fail "level 1: $(wc -l <rows) lines"
expect_status 3 chop-perf-invok -o rows -max 7 $("$CHOP" marks "$calls" small) -- "$calls" 500
[ "$(wc -l <rows)" -eq 8 ] || fail "-max 7: $(wc -l <rows) lines"

# Without begin and end: the whole command, with the kernel's counters in the other formats.
expect_status 3 chop-perf-invok -o rows -- "$calls" 5
[ "$(wc -l <rows)" -eq 2 ] || fail "whole: $(wc -l <rows) lines"

# By stops: counters; a function that cannot be patched, and that is said.
expect_status 3 "$CHOP" invok -f tight -f work -o rows -format csv -- "$calls" 5
expect_error_match 'stops at each invocation of tight, which takes microseconds: a branch leads'
[ "$(column rows 1 | sort | uniq -c | tr -s ' \n' ' ')" = " 5 tight 5 work " ] || fail tight
expect_status 3 "$CHOP" invok -f allocate --counters -o rows -format json -- "$calls" 5
python3 -c "import json; d = json.load(open('rows')); assert len(d['invocations']) == 1" || fail json
expect_status 3 "$CHOP" invok -f allocate -allocations -o rows -format csv -- "$calls" 5
[ "$(column rows 9)" = 7 ] || fail "$(column rows 9) allocations, not 7"
same_as_untraced "$CHOP" invok -q -breakpoints -f fib -o "$TEST_TMP/stops.csv" -format csv -- "$calls" 5
[ "$(tail -n +2 "$TEST_TMP/stops.csv" | cut -d, -f1,3 | sort | uniq -c | md5sum)" = \
  "$(grep fib "$TEST_TMP/all.csv" | cut -d, -f1,3 | sort | uniq -c | md5sum)" ] ||
	fail "not the same by stops"

# A loop: one invocation from its first turn to its end.
loop=$("$CHOP" marks -q --loop "$calls" allocate)
expect_status 3 "$CHOP" invok -o rows -format csv $loop -- "$calls" 5
[ "$(wc -l <rows)" -eq 2 ] || fail "loop: $(wc -l <rows) lines"

# Functions left in all the ways there are.
same_as_untraced "$CHOP" invok -q -f thrower -f jumper -f step -f resume -f forker -f vforker \
	-f helper -f tracer -f leaver -f handled -o "$TEST_TMP/stacks.csv" -format csv -- \
	"$PROG/invok_stacks"
count() { cut -d, -f1 "$TEST_TMP/stacks.csv" | grep -cx "$1"; }
for expected in "thrower 8800" "jumper 3997" "step 100" "resume 100" "forker 1" "vforker 1" \
	"tracer 6" "leaver 1"; do
	set -- $expected
	[ "$(count "$1")" -eq "$2" ] || fail "$(count "$1") of $1, not $2"
done
# The children's calls are not the program's.
[ "$(count helper)" -eq 0 ] || fail "calls of children: $(count helper)"
grep thrower "$TEST_TMP/stacks.csv" | grep -vq ',left$' && fail "a thrower returned"

# Time is up: the program goes on to its end, or is asked to end.
expect_status 0 "$CHOP" invok -f nanosleep -f clock_nanosleep -timeout 200ms -- sleep 0.6
expect_error_match '1 did not return'
expect_status 143 "$CHOP" invok -f nanosleep -f clock_nanosleep -timeout 200ms -terminate -- sleep 60
expect_status 0 "$CHOP" invok -cpu 0 -f nanosleep -f clock_nanosleep -- sleep 0

# A running process with threads, three times; left as it was.
expect_status 2 "$CHOP" invok -f fib -p 999999999
expect_one_error '999999999'
"$PROG/invok_busy" 100 >busy 2>&1 &
pid=$!
until grep -q ready busy 2>/dev/null; do sleep 0.05; done
for round in 1 2 3; do
	expect_status 0 "$CHOP" invok -f busy_inner -f busy_outer -max $((round * 1000)) -o rows -format csv -p $pid
	[ "$(wc -l <rows)" -eq $((round * 1000 + 1)) ] || fail "$(wc -l <rows) lines of a process"
	kill -0 $pid || fail "the process has ended: $(cat busy)"
done
kill $pid
wait $pid
[ $? -eq 9 ] || fail "the process went wrong: $(cat busy)"

# Refusals: one line, nothing run for long, no file.
refuse() { # STATUS REGEX WORDS...
	local status=$1 regex=$2
	shift 2
	rm -f rows
	expect_status "$status" "$CHOP" invok "$@"
	expect_one_error "$regex"
	[ -e rows ] && fail "a file was left"
}
refuse 2 'no function smal in .*did you mean small' -o rows -f smal -- "$calls"
refuse 2 'leave never returns' -o rows -f leave -- "$calls"
refuse 2 'sink in .* is data' -o rows -f sink -- "$calls"
refuse 2 'is a stub that jumps to printf' -o rows -f printf@plt -- "$calls"
refuse 2 'the begin 0x10 is not in the code' -o rows -begin 10 -end 20 -- "$calls"
refuse 2 "never loaded a module 'libnot'" -o rows -f f -m libnot -- true
refuse 1 'qsort was never reached$' -o rows -f qsort -- true
refuse 1 'qsort was never reached in the time given' -o rows -f qsort -timeout 10ms -- sleep 0.2
refuse 127 'cannot run nowhere' -o rows -f f -- nowhere
echo 'int main(void) { return 0; } void go(void) __asm__("runtime.morestack"); void go(void) {}' >go.c
gcc -o go go.c && refuse 5 'is a Go program, which moves its stacks' -o rows -f main -- ./go
refuse 2 'no format' -o rows -format xml -f small -- "$calls"
refuse 2 'needs a file' -format csv -f small -- "$calls"
refuse 2 'no command to run' -f small
refuse 2 'needs an -end' -begin 10 -- "$calls"
refuse 2 'use one' -f small -all -- "$calls"
refuse 2 'cannot run on CPU 900' -cpu 900 -f small -- "$calls"
exit 0
