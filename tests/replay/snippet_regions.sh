#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Regions of many kinds - sorting, thread-local storage, recursion, x87, longjmp, fresh
# stack, heap, AVX2, AVX-512 - of a PIE, a non-PIE and a static program replay equal, and
# the program's output is the same as without chop.
. "$(dirname "$0")/../lib.sh"

replay() { # PROGRAM REGION INDICES
	rm -rf t
	same_as_untraced "$CHOP" trace -function "$2" -indices "$3" -trace-dir "$PWD/t" -- "$PROG/$1"
	expect_status 0 chop verify t
	expect_match 'equal'
}

for program in regions regions_nopie regions_static; do
	for region in sort tls fib x87 jump stack heap; do
		replay "$program" ${region}_region 1,2
	done
	for region in avx2 avx512; do
		if "$PROG/$program" | grep -q "^$region "; then
			replay "$program" ${region}_region 1,2
		else
			echo "no $region here"
		fi
	done
done
# An inner activation, whose return address others on the stack share.
replay regions fib_region 7,40
