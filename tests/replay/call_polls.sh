#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Calls that arrange memory and take long: other threads run meanwhile, and what they write belongs
# to that call, beside its own effect.
. "$(dirname "$0")/../lib.sh"
need_facility ptrace userfaultfd userfaultfd-async pagemap-scan seccomp
for how in protects unmaps; do
	expect_status 0 chop trace -q -function polls -trace-dir $how -- "$PROG/call_polls" $how
	expect_status 0 chop snippet -q $how -o $how.snippet
	for _ in 1 2 3; do
		expect_status 0 ./$how.snippet
	done
	expect_status 0 chop mem $how --count
done
exit 0
