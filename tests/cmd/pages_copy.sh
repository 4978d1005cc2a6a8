#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Without UFFDIO_MOVE (--no-move; pages_kernel.sh for kernels that have none) pages are copied:
# the trace is the same record for record, the hard cases go through, and what uses direct
# I/O, which copies would break, is let go unharmed.
. "$(dirname "$0")/../lib.sh"
need_facility ptrace userfaultfd userfaultfd-move

for name in walk sort code; do
	"$PROG/pages_$name"
	status=$?
	for window in 32 100; do
		expect_status $status chop pages -q --fifo -w $window -f vpn -o moved -- "$PROG/pages_$name"
		expect_status $status chop pages -q --fifo -w $window -f vpn -o copied --no-move -- "$PROG/pages_$name"
		[ "$(wc -l <moved)" -gt 200 ] || fail "$name: too few references to tell anything"
		cmp moved copied || fail "$name, $window pages: copying gives another trace"
	done
done
expect_status 7 chop pages -w 64 -o t.pages --no-move -- "$PROG/pages_walk"
expect_error_match '^chop: pages: not to move pages was asked for: pages are copied instead, some four microseconds'

for program in hard mappings shared; do
	for name in $("$PROG/pages_$program"); do
		case $name in
		lasting* | crash | many_* | mapping_pairs) continue ;;
		esac
		expect_status 0 chop pages -q --no-move -w 48 -o t.pages -- "$PROG/pages_$program" "$name"
		expect_output "$name ok"
		expect_status 0 chop mrc t.pages
		expect_errors ''
	done
done
same_as_untraced "$CHOP" pages --no-move -w 64 -o t.pages -- sort "$TOP/README.md"
expect_status 7 chop pages -q --no-move --interval 5ms -o slices.pages -- "$PROG/pages_walk"
expect_status 0 chop mrc slices.pages

# Direct I/O: on a file system that has it the program is let go, and that is said.
if dd if=/dev/zero of=probe bs=4096 count=1 oflag=direct 2>/dev/null; then
	expect_status 0 chop pages --no-move -w 64 -o t.pages -- "$PROG/pages_mappings" direct_io
	expect_output 'direct_io ok'
	expect_error_match '^chop: pages: warning: process [0-9]+ uses direct I/O, .*: it runs on untraced$'
	expect_status 0 chop mrc t.pages
	expect_errors ''
fi
exit 0
