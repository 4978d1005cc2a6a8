#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a snippet costs: start, run and proof, against starting any program and against the
# region itself. Run by bench/run.sh.
. "$TOP/bench/lib.sh"
need xz bzip2
need_trace
runs=$(runs_or 40) iterations=$(full_or_quick 100 2)

head -c 1500000 "$BUILD/chop" >input
echo "A snippet from start to exit, proof included, against a program that does nothing"
echo "(medians of $runs runs; region: warm median of $iterations iterations in one process)"
echo
alone=$("$BENCH/wall" "$runs" "$BENCH/trivial" | cut -d' ' -f1) || exit 1
printf '%-16s %8s %10s %10s %14s %14s\n' region pages 'us' 'region us' 'us a page' 'times trivial'
row() { # FUNCTION INVOCATION COMMAND...
	local function=$1 invocation=$2 pages total region
	shift 2
	rm -rf t
	chop trace -q -function "$function" -indices "$invocation" -trace-dir t -- "$@" >/dev/null
	chop snippet -q t -o snippet || exit 1
	pages=$(./snippet | sed -n 's/.*registers and \([0-9]*\) pages.*/\1/p')
	[ -n "$pages" ] || exit 1
	total=$("$BENCH/wall" "$runs" ./snippet | cut -d' ' -f1) || exit 1
	# cycles and a time with its unit: take the time, in us.
	region=$(./snippet --iterations "$iterations" | awk '/^warm median/ { gsub(/[()]/, "")
		scale["ns"] = 0.001; scale["us"] = 1; scale["ms"] = 1000; scale["s"] = 1e6
		print $(NF - 1) * scale[$NF] }')
	awk -v n="$function" -v p="$pages" -v t="$total" -v r="$region" -v a="$alone" 'BEGIN {
		printf "%-16s %8d %10d %10.1f %14.2f %14.2f\n", n, p, t, r, t / p, t / a }'
}
row fib_region 0 "$BUILD/tests/prog/regions"
row sort_region 1 "$BUILD/tests/prog/regions"
row BZ2_bzCompress 20 bzip2 -c input
row lzma_code 5 xz -c -T1 input
