#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What chop invok costs an invocation, and how right its times are. Run by bench/run.sh.
. "$TOP/bench/lib.sh"
rounds=$(runs_or 5)
# The least of the rounds: what a busy machine disturbs least.
least() { sort -n | head -n 1; }

# Interleaved rounds; a call's time and processor time with each.
many=$(full_or_quick 10000000 200000) few=$(full_or_quick 5000 50)
for ((i = 0; i < rounds; i++)); do
	"$BENCH/invoked" $many 0 >>native
	chop invok -q -f bench_call -- "$BENCH/invoked" $many 0 >>noted
	chop invok -q -f bench_call -o rows -- "$BENCH/invoked" $many 0 >>written
	chop invok -q -f bench_call -breakpoints -- "$BENCH/invoked" $few 0 >>stopped
done
rm -f rows
wall=$(cut -d' ' -f1 native | least) cpu=$(cut -d' ' -f2 native | least)
echo "An invocation of a function called $many times: ns, the least of $rounds rounds"
echo
printf '%-48s %8s %8s %14s\n' '' time over 'processor, over'
row() { # FILE TITLE
	awk -v title="$2" -v t="$(cut -d' ' -f1 "$1" | least)" -v c="$(cut -d' ' -f2 "$1" | least)" \
		-v wall="$wall" -v cpu="$cpu" \
		'BEGIN { printf "%-48s %8.1f %8.1f %14.1f\n", title, t, t - wall, c - cpu }'
}
row native "native"
row noted "chop invok"
row written "chop invok -o FILE"
row stopped "a pair of ptrace breakpoints (-breakpoints)"
echo
echo "Sum of invocation times, over their number: ns, by an instrumented build and by chop invok;"
echo "of the 98 % shortest, which no other program interrupted; the least of $((4 * rounds)) rounds"
echo
printf '%-48s %12s %12s %9s\n' '' instrumented 'chop invok' difference
for size in 50 200 1000 10000; do
	count=$((many / (size * 3 + 40))) # 10 ms
	rm -f theirs ours
	for ((i = 0; i < 4 * rounds; i++)); do
		"$BENCH/invoked" $count $size instrumented | cut -d' ' -f3 >>theirs
		chop invok -q -f bench_call -o rows -format json -- \
			"$BENCH/invoked" $count $size >/dev/null
		tr '{' '\n' <rows | sed -n 's/.*"time_ns":\([0-9]*\).*/\1/p' |
			head -n -1 | sort -n | awk '{ v[NR] = $1 } END { n = NR - int(NR / 50)
				for (i = 1; i <= n; i++) s += v[i]; print s / n }' >>ours
	done
	awk -v size=$size -v a="$(least <theirs)" -v b="$(least <ours)" 'BEGIN {
		printf "%-48s %12.1f %12.1f %8.1f%%\n", size " steps", a, b, 100 * (b - a) / a }'
done
