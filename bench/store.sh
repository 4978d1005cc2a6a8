#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Writing and reading a capture of many pages, beside plain copies of the same bytes. Run by
# bench/run.sh.
. "$TOP/bench/lib.sh"
runs=$(runs_or 7)
pages=$(full_or_quick 50000 500)
for ((i = 0; i < runs; i++)); do
	rm -rf d
	"$BENCH/store_write" $pages d || exit 1
done >times
of() { cut -d' ' -f"$1" times | median; }
echo "A capture of $pages pages in as many runs, on this file system (medians of $runs)"
echo
awk -v w="$(of 1)" -v r="$(of 2)" -v p="$(of 3)" -v c="$(of 4)" -v n=$pages 'BEGIN {
	printf "%-44s %12s %8s\n", "", "pages/ms", "ratio"
	printf "%-44s %12.0f %8.2f\n", "write(2) of the same bytes", 1000 * n / p, 1
	printf "%-44s %12.0f %8.2f\n", "write: checksum, core file, index", 1000 * n / w, p / w
	printf "%-44s %12.0f %8.2f\n", "read: checksum, every field checked", 1000 * n / r, p / r
	printf "%-44s %12.0f %8.2f\n", "memcpy into fresh memory", 1000 * n / c, p / c
}'
