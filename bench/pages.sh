#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a record of chop pages costs, beside SIGSEGV and mprotect in the program itself, bare and
# as VMTRACE does it; and what slices cost. Run by bench/run.sh.
. "$TOP/bench/lib.sh"
runs=$(runs_or 5) visits=$(full_or_quick 150000 3000)

pager() { sed -n 's/.*served in \([0-9.]*\) s of CPU time.*/\1/p' "$1"; }
own() { sed -n 's/.*chop itself took \([0-9.]*\) s of CPU time.*/\1/p' "$1"; }
records() { sed -n 's/^chop: pages: \([0-9]*\) references in .*/\1/p' "$1"; }

# One run: microseconds of program, pager and chop for each record.
traced() { # PAGES WINDOW VISITS WRITES OPTIONS...
	local array=$1 window=$2 visits=$3 writes=$4 plain
	shift 4
	plain=$("$BENCH/page_window" "$array" "$window" "$visits" plain "$writes") || exit 1
	chop pages -v -w "$window" "$@" -o t.pages -- \
		"$BENCH/page_window" "$array" "$window" "$visits" plain "$writes" >phase 2>told || exit 1
	# The pager's time and chop's are for all records, the program's for those of its visits:
	# the array was filled before, once through.
	echo "$(cat phase) ${plain% *} $(pager told) $(own told) $(records told)" |
		awk -v array="$array" '{ visits = $6 - array
			program = ($1 - $3) / visits / 1e3; others = ($4 + $5) * 1e6 / $6
			print program + others }'
}
segv() { # PAGES WINDOW VISITS MODE WRITES
	"$BENCH/page_window" "$@" | awk '{ print $1 / $2 / 1e3 }'
}

cat <<'EOT'
Cost of a record, us of CPU time: random bytes of an array, all pages beyond the window missing.
handler: the program's own SIGSEGV handler: one mprotect opens the page, one closes the oldest of
	a circular array; the record is a word in memory. Not a tracer: nothing leaves the program.
VMTRACE: what VMTRACE does: that handler, and two write(2) to a file for the two lines of a record.
	(Its table, searched from the start each time, is left out.) With both, system calls that
	use closed pages fail; there is no time, thread, instruction pointer or read/write.
chop: everybody who works: program, pager, chop with the writing of its trace. Records have all
	that, and the kernel's accesses; -no-ips is without instruction pointers, as VMTRACE is.
EOT
echo "Medians of $runs interleaved runs."
echo
printf '%-24s %8s %8s %8s %9s %9s %9s %9s\n' '' handler VMTRACE chop -no-ips handler/ VMTRACE/ VMTRACE/
printf '%-24s %8s %8s %8s %9s %9s %9s %9s\n' 'pages, open, written' us us us us chop chop -no-ips
cases=$(full_or_quick "4096,256,3 65536,4096,3 131072,16384,3 4096,256,1 65536,4096,1" "1024,128,3 1024,64,1")
for case in $cases; do
	: >segv; : >vmtrace; : >ips; : >bare
	IFS=, read -r array window writes <<<"$case"
	for ((i = 0; i < runs; i++)); do
		segv $array $window $visits segv $writes >>segv || exit 1
		segv $array $window $visits vmtrace $writes >>vmtrace || exit 1
		traced $array $window $visits $writes --fifo >>ips || exit 1
		traced $array $window $visits $writes --fifo --no-ips >>bare || exit 1
	done
	echo $array $window $writes $(median <segv) $(median <vmtrace) $(median <ips) $(median <bare)
done | awk '{ printf "%-24s %8.2f %8.2f %8.2f %9.2f %9.2f %9.2f %9.2f\n",
	$1 ", " $2 ", " ($3 == 1 ? "all" : "1 in " $3), $4, $5, $6, $7, $4 / $6, $5 / $6, $5 / $7 }' || exit 1

echo
bytes=$(full_or_quick 80000000 1000000)
echo "Slices of 100 ms: gzip of $((bytes / 1000000)) MB, s of CPU time (medians of $runs interleaved runs)"
echo
seq 1 12000000 | head -c "$bytes" >numbers
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
