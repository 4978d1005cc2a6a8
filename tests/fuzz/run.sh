#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Run fuzz targets: tests/fuzz/run.sh BUILD_DIR [--seconds N] NAME...
#
# Without --seconds a fixed number of runs over the seeds of tests/fuzz/corpus/NAME, always
# the same: a test. With it, N seconds each with a new random seed; what is found that
# reaches new code is kept in BUILD_DIR/fuzz/corpus/NAME. An input that fails stays in
# BUILD_DIR/fuzz/crashes.
set -u
build=$1
shift
top=$(cd "$(dirname "$0")/../.." && pwd)
arguments=(-runs=20000 -max_total_time=20 -seed=1 -verbosity=0)
kept=$(mktemp -d) || exit 1
trap 'rm -rf "$kept"' EXIT
if [ "${1:-}" = --seconds ]; then
	arguments=("-max_total_time=$2" -print_final_stats=1)
	keep=1
	shift 2
fi

status=0
for name in "$@"; do
	program=$build/tests/fuzz/${name}_fuzz
	corpus=$kept/$name
	[ -n "${keep:-}" ] && corpus=$build/fuzz/corpus/$name
	seeds=$top/tests/fuzz/corpus/$name
	mkdir -p "$corpus" "$build/fuzz/crashes"
	if [ -z "$(ls -A "$seeds" 2>/dev/null)" ]; then
		echo "$name: no seeds in tests/fuzz/corpus/$name"
		status=1
		continue
	fi
	dictionary=$top/tests/fuzz/$name.dict
	words=()
	[ -e "$dictionary" ] && words=("-dict=$dictionary")
	if ! "$program" "${arguments[@]}" "${words[@]}" -timeout=10 -rss_limit_mb=1500 -max_len=65536 \
		"-artifact_prefix=$build/fuzz/crashes/$name." "$corpus" "$seeds" 2>&1; then
		echo "$name: failed; try $program $build/fuzz/crashes/$name.*"
		status=1
	fi
done
exit $status
