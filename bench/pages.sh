#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a record of chop pages costs, beside SIGSEGV and two mprotect in the program, alone and
# with VMTRACE's two writes for each record; and what slices cost. It is CPU time of everybody
# who works for the program: itself and the pager. Run by bench/run.sh.
set -u -o pipefail
runs=${BENCH_RUNS:-5}

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
pager() { sed -n 's/.*served in .* (\([0-9.]*\) s of CPU time).*/\1/p' "$1"; }
records() { sed -n 's/^chop: pages: \([0-9]*\) references in .*/\1/p' "$1"; }

# One run: microseconds of program and pager for each record.
traced() { # PAGES WINDOW VISITS OPTIONS...
	local array=$1 window=$2 visits=$3 plain
	shift 3
	plain=$("$BENCH/page_window" "$array" "$window" "$visits" plain) || exit 1
	chop pages -v -w "$window" "$@" -o t.pages -- \
		"$BENCH/page_window" "$array" "$window" "$visits" plain >phase 2>told || exit 1
	# The pager's time is for all records, the program's for those of its visits: the array
	# was filled before, once through.
	echo "$(cat phase) ${plain% *} $(pager told) $(records told)" |
		awk -v array="$array" '{ visits = $5 - array
			program = ($1 - $3) / visits / 1e3; pager = $4 * 1e6 / $5
			print program + pager }'
}
segv() { # PAGES WINDOW VISITS MODE
	"$BENCH/page_window" "$@" | awk '{ print $1 / $2 / 1e3 }'
}

echo "Cost of a record, us of CPU time: random words of an array (medians of $runs"
echo "interleaved runs). SIGSEGV: a handler in the program, two mprotect, nothing written;"
echo "VMTRACE: the same with its two writes of a record. With both, system calls that use"
echo "protected memory fail."
echo
printf '%-16s %10s %10s %8s %14s %14s %14s\n' 'pages, open' SIGSEGV VMTRACE chop 'chop -no-ips' \
	'SIGSEGV/chop' 'VMTRACE/chop'
for case in '4096 256' '65536 4096' '131072 16384'; do
	: >segv; : >vmtrace; : >ips; : >bare
	read -r array window <<<"$case"
	for ((i = 0; i < runs; i++)); do
		segv $case 60000 segv >>segv || exit 1
		segv $case 60000 vmtrace >>vmtrace || exit 1
		traced $case 60000 --fifo >>ips || exit 1
		traced $case 60000 --fifo --no-ips >>bare || exit 1
	done
	echo $array $window $(median <segv) $(median <vmtrace) $(median <ips) $(median <bare)
done | awk '{ printf "%-16s %10.2f %10.2f %8.2f %14.2f %14.2f %14.2f\n", $1 ", " $2, $3, $4, $5, $6,
	$3 / $5, $4 / $5 }' || exit 1

echo
echo "Slices of 100 ms: gzip of 80 MB, s of CPU time (medians of $runs interleaved runs)"
echo
seq 1 12000000 | head -c 80000000 >numbers
TIMEFORMAT='%U %S'
: >alone; : >slices
for ((i = 0; i < runs; i++)); do
	{ time gzip -c numbers >/dev/null; } 2>>alone
	{ time chop pages -v --interval 100ms -o t.pages -- gzip -c numbers >/dev/null 2>told; } 2>time ||
		exit 1
	echo "$(cat time) $(pager told)" >>slices
done
alone=$(awk '{ print $1 + $2 }' alone | median)
slices=$(awk '{ print $1 + $2 + $3 }' slices | median)
awk -v a="$alone" -v s="$slices" 'BEGIN {
	printf "%-24s %10.3f\n%-24s %10.3f %9.1f %% more\n", "alone", a, "in slices", s, (s / a - 1) * 100 }'
chop mrc t.pages | tail -n 1
