#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a system call costs: natively, under strace, recorded at capture, given back at replay;
# all in one run, the same program, pread of one byte. Run by bench/run.sh.
. "$TOP/bench/lib.sh"
need_trace
calls=${BENCH_CALLS:-$(full_or_quick 20000 200)} runs=$(runs_or 5)
program=$BENCH/pread

native() { one_cpu "$program" "$calls" 3</dev/zero; }
traced() { one_cpu strace -o /dev/null "$program" "$calls" 3</dev/zero; }
captured() {
	rm -rf t
	one_cpu chop trace -q -function region -indices 1 -trace-dir t -- "$program" "$calls" 3</dev/zero
}
# The snippet's own time for the region, ns a call.
replayed() { # OPTIONS...
	one_cpu ./snippet --iterations 3 "$@" | awk -v n="$calls" '/^warm median/ { gsub(/[()]/, "")
		scale["ns"] = 1; scale["us"] = 1e3; scale["ms"] = 1e6; scale["s"] = 1e9
		print $(NF - 1) * scale[$NF] / n }'
}
each() { # COMMAND...
	for _ in $(seq "$runs"); do "$@" || exit 1; done | median
}

n=$(each native) || exit 1
printf '%s\n\n' "One system call (pread of a byte), medians of $runs runs of $calls calls"
printf '%-44s %10s %12s\n' what 'us a call' 'times native'
row() { # TEXT NS
	awk -v w="$1" -v t="$2" -v n="$n" 'BEGIN { printf "%-44s %10.2f %12.1f\n", w, t / 1000, t / n }'
}
row native "$n"
command -v strace >/dev/null && row 'strace -o /dev/null' "$(each traced)"
row 'recorded by chop trace' "$(each captured)"
chop snippet -q t -o snippet || exit 1
row 'given back by the snippet (seccomp)' "$(each replayed)"
row 'given back by the snippet (--user-dispatch)' "$(each replayed --user-dispatch)"
