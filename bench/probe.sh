#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a hit costs the program, beside running it alone and beside bpftrace; and what attaching to
# all of the C library takes. Run by bench/run.sh.
. "$TOP/bench/lib.sh"
need_facility bpf uprobe
# A copy: what is set in it is in every process that maps it.
cp "$BUILD/tests/prog/probe_points" points || exit 1
points=$PWD/points
calls=$(full_or_quick 200000 2000)

# The target ends with a status of its own.
printf '#!/bin/sh\n"$@"\ntrue\n' >any && chmod +x any
us() { local runs=$1; shift; "$BENCH/wall" "$runs" ./any "$@" | cut -d' ' -f1; }
alone=$(us "$(runs_or 5)" "$points" calls $calls) || exit 1
# A program that does nothing has all that does not depend on the hits.
row() { # NAME HITS-PER-CALL COMMAND...
	local name=$1 hits=$2 whole none
	shift 2
	whole=$(us "$(runs_or 3)" "$@" "$points" calls $calls)
	none=$(us "$(runs_or 3)" "$@" "$points" calls 1)
	awk -v name="$name" -v hits="$hits" -v n=$calls -v alone="$alone" -v whole="$whole" -v none="$none" 'BEGIN {
		printf "%-52s %8.1f %12.3f\n", name, (whole - none) / alone, (whole - none - alone) / n / hits }'
}
echo "A program that calls a function $calls times ($(awk -v t="$alone" -v n=$calls 'BEGIN { printf "%.3f", t / n }') us each); medians"
echo
printf '%-52s %8s %12s\n' '' ratio 'us a hit'
row "chop probe -c, function" 1 chop probe -q -c -o counts u::work --
row "chop probe -c, static point" 1 chop probe -q -c -o counts usdt::shop:taken --
row "chop probe -c, test of an argument" 1 chop probe -q -c -o counts 'u::work(arg0) if arg0 > 1000000' --
row "chop probe -L, entry and return" 1 chop probe -q -L -o counts u::work --
row "chop probe, each hit with an argument to a file" 1 chop probe -q -o lines 'u::work(arg0)' --
row "chop probe --source ftrace, the same" 1 chop probe -q --source ftrace -o lines 'u::work(arg0)' --
if command -v bpftrace >/dev/null; then
	cat >under <<-'S'
		#!/bin/bash
		probe=$1; shift
		exec bpftrace -q -e "$probe" -c "$*"
	S
	chmod +x under
	row "bpftrace, count" 1 ./under "uprobe:$points:work { @ = count(); }"
	row "bpftrace, printf" 1 ./under "uprobe:$points:work { printf(\"%d\\n\", arg0); }"
fi
# Every process would have these: not while tests run.
[ -z "${BENCH_QUICK:-}" ] || exit 0
echo
# The program ends with 3.
{ chop probe -v -c -o counts 'u:libc:*' -- "$points" calls 1; [ $? -eq 3 ]; } 2>&1 >/dev/null |
	 grep -E ' attached (in|[0-9]+ of)' | sed 's/^chop: probe: /all functions of the C library: /; s/ (.*)//; s/; -v tells all//'
