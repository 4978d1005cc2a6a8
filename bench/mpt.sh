#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Writing a capture of 100 000 pages as a Microprobe test, beside copies of the same bytes in
# the same directory. Run by bench/run.sh.
. "$TOP/bench/lib.sh"
need_trace
runs=$(runs_or 7)
pages=$(full_or_quick 100000 500)
chop trace -q -function region -trace-dir t -- "$BENCH/touch" 512 $pages random plain >/dev/null ||
	exit 1

seconds() { # FILE COMMAND...
	local file=$1 start=$EPOCHREALTIME
	shift
	"$@" >/dev/null || exit 1
	awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }' >>"$file"
}
both() { cp 'o#0.mpt' c.mpt && cp 'o#0.mps' c.mps; }
for ((i = 0; i < runs; i++)); do
	# What one leaves to be written must not slow down the next.
	rm -f o#* c.mp* && sync -f .
	seconds convert chop mpt t o
	sync -f .
	seconds copy both
	rm -f c.mp* && sync -f .
	seconds core cp t/0.core c.core
	rm -f c.core
done
size() { cat "$@" | wc -c; }
echo "A capture of $pages pages as a Microprobe test (medians of $runs interleaved runs)"
echo
awk -v convert="$(median <convert)" -v copy="$(median <copy)" -v core="$(median <core)" \
	-v text="$(size o#0.mp?)" -v bytes="$(size t/0.core)" 'BEGIN {
	printf "%-44s %10s %10s %14s\n", "", "MB", "s", "chop mpt takes"
	printf "%-44s %10.0f %10.2f %14s\n", "chop mpt", text / 1e6, convert, ""
	printf "%-44s %10.0f %10.2f %13.2fx\n", "cp of the files it writes", text / 1e6, copy, convert / copy
	printf "%-44s %10.0f %10.2f %13.2fx\n", "cp of the capture it reads", bytes / 1e6, core, convert / core
	printf "%-44s %10.0f\n", "pages a second", '$pages' / convert
}'
