#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Much memory: SCATTERED (20 000) touched pages, none beside another; a thousand of RESIDENT_MB
# (512) that are resident. `make slow` takes 200 000 pages, and 10 GB.
. "$(dirname "$0")/../lib.sh"
program=$PROG/capture_large
resident=${RESIDENT_MB:-512} scattered=${SCATTERED:-20000}

large() { # PAGES-TOUCHED OPTIONS... -- ARGUMENTS...: exactly these, a few of code and stack, intact
	local touched=$1 options=() pages
	shift
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	rm -rf t
	expect_status 0 "$CHOP" trace -function region -trace-dir t "${options[@]}" -- "$program" "$@"
	expect_output intact
	pages=$(sed -n 's/.*: invocation 0: \([0-9]*\) pages .*/\1/p' "$ERR")
	[ "$pages" -ge "$touched" ] && [ "$pages" -lt $((touched + 20)) ] ||
		fail "$*: $pages pages captured, $touched touched"
}

large "$scattered" -no-save -- scattered "$scattered"
[ "$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)" -gt $((resident + 2048)) ] ||
	skip "only $(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo) MB of memory are free"
large 1000 -- resident "$resident"
expect_status 0 "$CHOP" verify t
