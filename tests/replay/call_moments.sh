#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Ends and memory that are hard to find again: the area the kernel writes at any time, registered in
# the region; a state of the registers that comes by several times; a time that is up in the middle
# of a call that is undone; a thread's end that loads a library, which asks the processor.
. "$(dirname "$0")/../lib.sh"
need_facility ptrace userfaultfd userfaultfd-async pagemap-scan seccomp
at() { # SYMBOL: its address in the file
	nm "$PROG/call_moments" | awk -v name="$1" '$3 == name { print $1 }'
}
need nm

GLIBC_TUNABLES=glibc.pthread.rseq=0 expect_status 0 "$PROG/call_moments" registers
# On a kernel without restartable sequences there is nothing to register.
if grep -q 'registers: 2$' "$OUT"; then
	GLIBC_TUNABLES=glibc.pthread.rseq=0 expect_status 0 chop trace -q -function registers \
		-trace-dir registers -- "$PROG/call_moments" registers
	expect_output 'registers: 2'
	expect_status 0 chop snippet -q registers -o registers.snippet
	for run in $(seq 20); do
		expect_status 0 ./registers.snippet
	done
fi

for times in 1 2 5; do
	expect_status 0 chop trace -q -begin "$(at reads)" -end "$(at after_read)@$times" -indices 0 \
		-module call_moments -trace-dir reads$times -- "$PROG/call_moments" reads
	expect_status 0 chop snippet -q reads$times -o reads.snippet
	expect_status 0 ./reads.snippet
	expect_status 0 chop mem reads$times --count
	[ "$(chop syscalls --from reads$times/0.sys 2>&1 | grep -c '^read(')" -eq $times ] ||
		fail "not $times calls of read"
done

for active in 500 700 900 1100 1300; do
	expect_status 0 chop trace -q -begin "$(at protects)" -active ${active}us -indices 0 \
		-module call_moments -trace-dir protects$active -- "$PROG/call_moments" protects
	expect_status 0 chop snippet -q protects$active -o protects.snippet
	expect_status 0 ./protects.snippet
done

expect_status 0 chop trace -function leaves -trace-dir leaves -- "$PROG/call_moments" leaves
expect_error_match 'warning: the region loads code at 0x[0-9a-f]+; if that asks the processor'
if chop check cpuid-fault >/dev/null; then
	expect_status 0 chop trace -q -record-cpuid -record-tsc -function leaves -trace-dir recorded \
		-- "$PROG/call_moments" leaves
	expect_status 0 chop snippet -q recorded -o leaves.snippet
	for cpu in $(taskset -cp $$ | sed 's/.*: //; s/[,-]/ /g'); do
		expect_status 0 taskset -c "$cpu" ./leaves.snippet
	done
fi
exit 0
