#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop trace -gzip, -zstd: the same captures, compressed; what reads one form reads all.
. "$(dirname "$0")/../lib.sh"

need gzip
trace() { # DIR OPTION...
	local dir=$1
	shift
	expect_status 0 "$CHOP" trace -q -function sort_region -trace-dir "$dir" "$@" -- "$PROG/regions"
}
sizes() { # DIR: of all files when not compressed, and what is recorded of them
	grep -o '"bytes":[^,}]*' "$1/trace.json"
}

trace plain
trace gz -gzip
trace zst -zstd
for name in 0.core 0.end.core 0.maps; do
	[ -s plain/$name ] && [ -s gz/$name.gz ] && [ -s zst/$name.zst ] || fail "no $name in each form"
	gzip -t gz/$name.gz || fail "gzip does not read $name.gz"
	[ "$(gzip -dc gz/$name.gz | wc -c)" -eq "$(wc -c <plain/$name)" ] || fail "$name.gz: another size"
	[ "$(wc -c <gz/$name.gz)" -lt "$(wc -c <plain/$name)" ] || fail "$name.gz is not smaller"
done
[ "$(sizes plain)" = "$(sizes gz)" ] && [ "$(sizes plain)" = "$(sizes zst)" ] || fail "other sizes"
for dir in plain gz zst; do
	expect_status 0 chop verify $dir
done
gzip -d gz/*.gz
expect_status 0 chop verify gz

expect_status 2 chop trace -gzip -zstd -function sort_region -trace-dir both -- "$PROG/regions"
expect_one_error '-gzip and -zstd are two ways to compress'
expect_status 2 chop trace -layout chopstix -zstd -function sort_region -trace-dir both -- "$PROG/regions"
expect_one_error 'ChopStiX reads no zstd: use -gzip'
