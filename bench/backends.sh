#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The back ends of `chop trace` beside each other, and beside ChopStiX's way: one file per page.
# Run by bench/run.sh; needs 2 GB of memory and a disk.
. "$TOP/bench/lib.sh"
need_trace
runs=$(runs_or 5)
pages=$(full_or_quick 10000 300)
large=$(full_or_quick 1024 16) middle=$(full_or_quick 100 12) # MB

# What the program measured: ns a page in all, ns a page inside, ns at the begin, ns at the end
traced() { # BACKEND MEGABYTES PAGES ORDER plain|half [TIMES]
	rm -rf t
	one_cpu chop trace -q --backend "$1" -function region -trace-dir t -- \
		"$BENCH/touch" "${@:2}" 2>error || { cat error >&2; return 1; }
}
files() { # ORDER
	mkdir files
	(cd files && one_cpu "$BENCH/touch" $large $((pages / 10)) "$1" files)
	rm -rf files
}

possible=
for backend in uffd clone mprotect; do
	if traced $backend 10 10 seq plain >/dev/null; then possible+=" $backend"; fi
done

echo "Touched pages, ns each: $pages of $((large * 256)) resident ones, medians of $runs interleaved runs on"
echo "one CPU, timed by the program itself. write: a word written to each; half: every other one is"
echo "only read. files: each page into a file of its own as ChopStiX does, though caught inside the"
echo "program ($((pages / 10)) pages); the last column is how often cheaper that makes us."
echo
printf '%-8s %-6s %-8s %10s %10s %10s %12s\n' order touch way 'ns/page' 'begin ms' 'end ms' 'files/ours'
row() { # FILE: medians of its columns
	for column in 2 3 4; do cut -d' ' -f$column "$1" | median; done | tr '\n' ' '
}
for order in seq random; do
	rm -f ./*.runs
	for ((i = 0; i < runs; i++)); do
		files $order >>files.runs
		for backend in $possible; do
			traced $backend $large $pages $order plain >>$backend.plain.runs || exit 1
			traced $backend $large $pages $order half >>$backend.half.runs || exit 1
		done
	done
	base=$(median <files.runs)
	printf '%-8s %-6s %-8s %10d\n' $order write files "$base"
	for backend in $possible; do
		echo "$order" write $backend "$(row $backend.plain.runs)" "$base"
		echo "$order" half $backend "$(row $backend.half.runs)" "$base"
	done | awk '{ printf "%-8s %-6s %-8s %10d %10.2f %10.2f %12.1f\n",
		$1, $2, $3, $4, $5 / 1e6, $6 / 1e6, $7 / $4 }'
done

echo
echo "What the program waits at the begin and at the end of a region, ms, by its resident size ($((pages / 10))"
echo "pages touched)"
echo
printf '%-8s | %8s %8s %8s | %8s %8s %8s\n' way "begin 10" $middle "$large MB" "end 10" $middle "$large MB"
for backend in $possible; do
	begin= end=
	for size in 10 $middle $large; do
		rm -f stops
		for ((i = 0; i < runs; i++)); do
			traced $backend $size $((pages / 10)) random plain >>stops || exit 1
		done
		begin+=" $(cut -d' ' -f3 stops | median)"
		end+=" $(cut -d' ' -f4 stops | median)"
	done
	echo "$backend$begin$end"
done | awk '{ printf "%-8s | %8.2f %8.2f %8.2f | %8.2f %8.2f %8.2f\n",
	$1, $2 / 1e6, $3 / 1e6, $4 / 1e6, $5 / 1e6, $6 / 1e6, $7 / 1e6 }'

echo
echo "Several captures in one run: what the program waits at the begin of the first one, and of those"
echo "after it (median), ms, by its resident size ($((pages / 10)) pages touched)"
echo
printf '%-8s | %8s %8s %8s | %8s %8s %8s\n' way "first 10" $middle "$large MB" "next 10" $middle "$large MB"
for backend in $possible; do
	first='' next=''
	for size in 10 $middle $large; do
		traced $backend $size $((pages / 10)) random plain $(full_or_quick 6 2) >many || exit 1
		first+=" $(head -n 1 many | cut -d' ' -f3)"
		next+=" $(tail -n +2 many | cut -d' ' -f3 | median)"
	done
	echo "$backend$first$next"
done | awk '{ printf "%-8s | %8.2f %8.2f %8.2f | %8.2f %8.2f %8.2f\n", $1, $2 / 1e6, $3 / 1e6,
	$4 / 1e6, $5 / 1e6, $6 / 1e6, $7 / 1e6 }'

echo
scattered=$(full_or_quick 200000 2000)
echo "$scattered scattered pages of $large MB in one capture:"
for backend in $possible; do
	traced $backend $large $scattered random plain >line || exit 1
	echo "$backend: complete, $(cut -d' ' -f2 line) ns a page"
done
