#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The back ends of `chop trace` beside each other, and beside ChopStiX's way: one file per page.
# Run by bench/run.sh; needs 2 GB of memory and a disk.
set -u -o pipefail
runs=${BENCH_RUNS:-5}
pages=10000

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# ns a page while the region runs, ms in all that the program waits at its begin and end
traced() { # BACKEND MEGABYTES PAGES ORDER
	local own
	rm -rf t
	own=$(taskset -c 0 chop trace -q --backend "$1" -function region -trace-dir t -- \
		"$BENCH/touch" "$2" "$3" "$4" plain 2>error) || { cat error >&2; return 1; }
	python3 - "$own" "$3" <<'END'
import json
import sys
capture = json.load(open("t/trace.json"))["captures"][0]
inside, own, pages = capture["duration_ns"], int(sys.argv[1]), int(sys.argv[2])
print(inside // pages, round((own * pages - inside) / 1e6, 2))
END
}
files() { # ORDER
	mkdir files
	(cd files && taskset -c 0 "$BENCH/touch" 1024 1000 "$1" files)
	rm -rf files
}

possible=
for backend in uffd clone; do
	if traced $backend 10 10 seq >/dev/null; then possible+=" $backend"; fi
done

echo "Touched pages, ns each: $pages of 262144 resident ones, a word written to each, medians of $runs"
echo "interleaved runs on one CPU. files: each page into a file of its own as ChopStiX does, though"
echo "caught inside the program (1000 pages); the last column is how often cheaper that makes us."
echo
printf '%-8s %-8s %10s %10s %14s\n' order way 'ns/page' 'stops ms' 'files/ours'
for order in seq random; do
	rm -f ./*.ns ./*.ms
	for ((i = 0; i < runs; i++)); do
		files $order >>files.ns
		for backend in $possible; do
			traced $backend 1024 $pages $order >line || exit 1
			cut -d' ' -f1 line >>$backend.ns
			cut -d' ' -f2 line >>$backend.ms
		done
	done
	base=$(median <files.ns)
	printf '%-8s %-8s %10d\n' $order files "$base"
	for backend in $possible; do
		echo "$order" $backend "$(median <$backend.ns)" "$(median <$backend.ms)" "$base"
	done | awk '{ printf "%-8s %-8s %10d %10.2f %14.1f\n", $1, $2, $3, $4, $5 / $3 }'
done

echo
echo "What the program waits at the begin and the end of a region, ms (1000 pages touched), by size"
echo
printf '%-8s %10s %10s %10s\n' way '10 MB' '100 MB' '1024 MB'
for backend in $possible; do
	line=$backend
	for size in 10 100 1024; do
		rm -f stops
		for ((i = 0; i < runs; i++)); do
			traced $backend $size 1000 random >one || exit 1
			cut -d' ' -f2 one >>stops
		done
		line+=" $(median <stops)"
	done
	echo "$line"
done | awk '{ printf "%-8s %10.2f %10.2f %10.2f\n", $1, $2, $3, $4 }'

echo
echo "200 000 scattered pages of 1 GB in one capture:"
for backend in $possible; do
	traced $backend 1024 200000 random >line || exit 1
	echo "$backend: complete, $(cut -d' ' -f1 line) ns a page"
done
