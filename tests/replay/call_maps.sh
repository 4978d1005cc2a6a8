#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A region that reads /proc/self/maps sees what is there without a capture, whole or in part, in
# every back end; files like smaps are warned about.
. "$(dirname "$0")/../lib.sh"
need_facility ptrace userfaultfd userfaultfd-async pagemap-scan seccomp
need setarch
own call_maps
setarch -R true 2>/dev/null || skip "address randomisation cannot be turned off"
find_backends
for most in 262143 1000; do
	expect_status 0 setarch -R "$OWN" $most
	grep -q '^in order$' "$OUT" || fail "alone: $(cat "$OUT")"
	cp "$OUT" alone.$most
	for backend in uffd $backends; do
		expect_status 0 chop trace -q -backend "$backend" -function reads \
			-trace-dir "$backend.$most" -- "$OWN" $most
		diff -u alone.$most "$OUT" || fail "$backend: other mappings than alone"
		expect_status 0 chop snippet -q "$backend.$most" -o maps.snippet
		expect_status 0 ./maps.snippet
	done
done
expect_status 0 chop trace -function reads -trace-dir smaps -- "$OWN" 100 /proc/self/smaps
expect_error_match 'warning: the region opens /proc/self/smaps, which shows the memory as the capture'
exit 0
