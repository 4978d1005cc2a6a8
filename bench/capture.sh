#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a capture costs: touched pages a millisecond, the fixed cost of `chop trace`, and the
# size of a snippet. Run by bench/run.sh.
. "$TOP/bench/lib.sh"
need python3 strace xz bzip2
need_trace
runs=$(runs_or 7) starts=$(runs_or 40)

field() { # DIR NAME: of the first capture in a trace directory
	python3 -c 'import json, sys
print(json.load(open(sys.argv[1] + "/trace.json"))["captures"][0][sys.argv[2]])' "$1" "$2"
}

# -- touched pages ------------------------------------------------------------------------
# The yardstick is measured beside it: the same pages opened one by one by a SIGSEGV handler
# inside the program. The prototype's figures are those of docs/design (a whole-process
# capture, and its mechanism alone in random order); its yardstick took 2700 and 6000 ns in
# its own run, so the last column compares both captures on equal terms: above 1 is faster.
pages=$(full_or_quick 10000 300) large=$(full_or_quick 1024 16) # MB
traced_page() { # ORDER
	rm -rf t
	one_cpu chop trace -q -function region -trace-dir t -- \
		"$BENCH/touch" $large $pages "$1" plain >/dev/null || exit 1
	echo $(($(field t duration_ns) / $(field t pages)))
}
echo "Touched pages a millisecond: $pages of $((large * 256)) resident ones, a word written to each"
echo "(medians of $runs interleaved runs; SIGSEGV: a handler in the program opens each page)"
echo
format='%-8s %10s %10s %10s %14s | %10s %15s | %15s\n'
# shellcheck disable=SC2059
printf "$format" order untraced SIGSEGV chop 'chop/SIGSEGV' prototype 'proto./SIGSEGV' 'chop/prototype'
for order in seq random; do
	: >plain; : >segv; : >traced
	for ((i = 0; i < runs; i++)); do
		one_cpu "$BENCH/touch" $large $pages $order plain >>plain
		one_cpu "$BENCH/touch" $large $pages $order segv >>segv
		traced_page $order >>traced || exit 1
	done
	case $order in
	seq) note=5300 note_segv=2700 ;;
	random) note=8100 note_segv=6000 ;;
	esac
	echo $order $(median <plain) $(median <segv) $(median <traced) $note $note_segv
done | awk '{ printf "%-8s %10.0f %10.0f %10.0f %14.2f | %10.0f %15.2f | %15.2f\n",
	$1, 1e6 / $2, 1e6 / $3, 1e6 / $4, $3 / $4, 1e6 / $5, $6 / $5, ($3 / $4) / ($6 / $5) }'

# -- fixed cost ----------------------------------------------------------------------------
echo
echo "Fixed cost: a program that calls one empty function, from start to exit; medians"
echo
plain=$("$BENCH/wall" "$starts" "$BENCH/trivial" | cut -d' ' -f1) || exit 1
strace=$("$BENCH/wall" "$starts" strace -o /dev/null "$BENCH/trivial" | cut -d' ' -f1) || exit 1
traced=$("$BENCH/wall" "$starts" chop trace -q -function nothing -trace-dir f{} -- "$BENCH/trivial" |
	cut -d' ' -f1) || exit 1
awk -v p="$plain" -v s="$strace" -v c="$traced" 'BEGIN {
	printf "%-28s %8s %8s\n", "", "us", "ratio"
	printf "%-28s %8d %8.2f\n", "alone", p, 1
	printf "%-28s %8d %8.2f\n", "under strace", s, s / p
	printf "%-28s %8d %8.2f\n", "under chop trace, captured", c, c / p
}'

# -- size of a snippet ------------------------------------------------------------------------
echo
echo "Size of a snippet against the pages the region touched (it holds each as it was at entry,"
echo "changed ones at the end too, and the runtime)"
echo
printf '%-28s %8s %8s %10s %10s %8s\n' region pages changed 'KB touched' 'KB snippet' ratio
size() { # NAME FUNCTION INVOCATION COMMAND...
	local name=$1 function=$2 invocation=$3
	shift 3
	rm -rf s
	chop trace -q -function "$function" -indices "$invocation" -max-traces 1 -trace-dir s -- "$@" \
		>/dev/null || exit 1
	chop snippet -q s -o s/snippet >/dev/null || exit 1
	echo "$name" "$(field s pages)" "$(field s written)" "$(stat -c %s s/snippet)"
}
# shellcheck disable=SC2046
tar -C "$TOP" -cf input $(full_or_quick "src include docs tests" docs)
call=$(full_or_quick 20 2)
{
	size trivial nothing 0 "$BENCH/trivial"
	size lzma_code.$call lzma_code "$call" xz -c -T1 input
	size BZ2_bzCompress.$call BZ2_bzCompress "$call" bzip2 -c input
	size region-1000 region 0 "$BENCH/touch" 64 1000 seq plain
	size region-$pages region 0 "$BENCH/touch" $large $pages seq plain
} | awk '{ printf "%-28s %8d %8d %10d %10d %8.2f\n", $1, $2, $3, $2 * 4, $4 / 1024, $4 / ($2 * 4096) }'
