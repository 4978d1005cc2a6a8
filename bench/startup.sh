#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What `chop trace` of one invocation adds to the run of a small program, and of one with a
# hundred libraries: medians of runs one after another, same CPU. Run by bench/run.sh.
. "$TOP/bench/lib.sh"
need gcc
need_trace
runs=$(runs_or 21) libraries=$(full_or_quick 100 5)

mkdir libraries
for i in $(seq "$libraries"); do
	printf 'int data_%d[2000] = { %d };\nint function_%d(int x) { return x + data_%d[x & 3]; }\n' \
		"$i" "$i" "$i" "$i" >"libraries/$i.c"
	gcc -O1 -shared -fPIC -o "libraries/libmany$i.so" "libraries/$i.c" || exit 1
done
{
	for i in $(seq "$libraries"); do echo "int function_$i(int);"; done
	echo '__attribute__((noinline)) int region(int x) { __asm__ volatile(""); return x + 1; }'
	echo 'int main(void) { int x = region(1);'
	for i in $(seq "$libraries"); do echo "x += function_$i(x);"; done
	echo 'return x == 0; }'
} >many.c
# shellcheck disable=SC2046
gcc -O1 -o many many.c -Llibraries $(seq -f '-lmany%g' "$libraries") \
	-Wl,-rpath,"$PWD/libraries" || exit 1

add() { # NAME FUNCTION COMMAND...
	local name=$1 function=$2 alone traced
	shift 2
	alone=$("$BENCH/wall" "$runs" "$@" | awk '{ print $1 }')
	traced=$("$BENCH/wall" "$runs" chop trace -q -function "$function" -indices 0 \
		-trace-dir "$name.{}" -- "$@" | awk '{ print $1 }')
	awk -v n="$name" -v a="$alone" -v t="$traced" 'BEGIN {
		printf "%-16s %12.2f %12.2f %12.2f\n", n, a / 1000, t / 1000, (t - a) / 1000 }'
}
echo "One invocation captured: time of the whole run, ms (medians of $runs)"
echo
printf '%-16s %12s %12s %12s\n' program alone traced added
add true exit /bin/true
add trivial nothing "$BENCH/trivial"
add "$libraries-libraries" region ./many
