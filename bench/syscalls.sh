#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What watching system calls costs: a million calls alone, under chop syscalls with its text in
# a file, with a filter that matches nothing, and under strace. Run by bench/run.sh.
. "$TOP/bench/lib.sh"
need strace
need_facility bpf
runs=$(runs_or 5)
calls=$(full_or_quick 1000000 2000)
theirs=$(full_or_quick 100000 200) # strace's cost does not depend on how many there are


# ns a call of the loop; then, of the whole command.
measure() { # NAME CALL COUNT COMMAND...
	local name=$1 call=$2 count=$3 start loop
	shift 3
	start=$(date +%s%N)
	loop=$("$@" "$BENCH/syscalls_loop" "$call" "$count" 2>"$name.err") || exit 1
	echo "$((loop / count))" >>"$call.$name"
	echo "$((($(date +%s%N) - start) / count))" >>"$call.$name.whole"
	! grep -q lost "$name.err" || { cat "$name.err"; lost=1; }
}

check() { # CALL: every one of them is there
	local found
	found=$(grep -c "^[0-9]* *$1" text)
	[ "$found" -eq $((calls + extra)) ] || { echo "$1: $found lines, not $((calls + extra))"; lost=1; }
}

echo "System calls: ns a call in a loop of $calls, medians of $runs runs side by side; in"
echo "parentheses the factor to the loop alone. strace -f -o: $theirs calls."
echo
printf '%-10s %8s %18s %18s %20s %12s\n' call alone 'chop -f -o' 'chop, no match' 'strace -f -o' 'strace/chop'
lost=
# Others on this machine cost everybody less that way.
renice -n -20 $$ >/dev/null 2>&1
for call in getppid pread; do
	extra=0
	[ $call = getppid ] || extra=$(strace -c "$BENCH/syscalls_loop" $call 1 2>&1 | awk '/pread64/ { print $4 - 1 }')
	for ((i = 0; i < runs; i++)); do
		measure alone $call $calls env
		measure chop $call $calls chop syscalls --source bpf -f -o text
		check $call
		measure none $call $calls chop syscalls --source bpf -f -e trace=getcwd -o none
		measure strace $call $theirs strace -f -o strace.text
	done
	awk -v n=$call -v a="$(median <$call.alone)" -v c="$(median <$call.chop)" \
		-v m="$(median <$call.none)" -v s="$(median <$call.strace)" 'BEGIN {
		printf "%-10s %8d %9d (%5.1fx) %9d (%5.2fx) %10d (%6.1fx) %11.1fx\n",
			n, a, c, c / a, m, m / a, s, s / a, s / c }'
done
echo
[ -z "$lost" ] || exit 1
echo "Nothing was lost: each run's text has a line for every call."
