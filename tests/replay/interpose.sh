#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop trace -interpose: regions that write make no system calls, and what the program writes
# is what it writes alone, byte for byte.
. "$(dirname "$0")/../lib.sh"
need_facility ptrace userfaultfd userfaultfd-async pagemap-scan seccomp

# region KIND: under the library the program's output and status are the same.
region() {
	rm -rf "$TEST_TMP/d"
	same_as_untraced "$CHOP" trace -interpose -function "$1" -trace-dir "$TEST_TMP/d" -- \
		"$PROG/interpose" "$1"
}
no_calls() {
	[ -e "$TEST_TMP/d/0.core" ] || fail "$1: nothing captured"
	[ -e "$TEST_TMP/d/0.sys" ] && fail "$1: the region made system calls"
	expect_status 0 chop verify "$TEST_TMP/d"
}

# Without the library the calls are recorded.
expect_status 0 chop trace -function outputs -trace-dir with -- "$PROG/interpose" outputs
[ -e with/0.sys ] || fail "no calls without -interpose"

for kind in lines outputs memory; do
	region "$kind"
	no_calls "$kind"
done
same_as_untraced "$CHOP" trace -interpose -function outputs -trace-dir "$TEST_TMP/fortify" -- \
	"$PROG/interpose_fortify" outputs
[ -e "$TEST_TMP/fortify/0.sys" ] && fail "system calls with _FORTIFY_SOURCE"
nm -D "$PROG/interpose_fortify" | grep -q __printf_chk || fail "no checked functions"
region plenty
expect_status 0 chop verify "$TEST_TMP/d"
region others
expect_status 0 chop verify "$TEST_TMP/d"
region threads

# Programs that end inside the region, by exit and by a signal.
ends() { # KIND STATUS
	{ "$PROG/interpose" "$1" >alone 2>alone.err; } 2>/dev/null
	"$CHOP" trace -v --log-path log -interpose -function "$1" -trace-dir "$1" -- \
		"$PROG/interpose" "$1" >traced 2>traced.err
	grep -q "the program $2" log || fail "$1: $(cat log)"
	cmp alone traced && cmp alone.err traced.err || fail "$1: the output changed"
}
ends leaves "exited with status 5"
ends dies "was ended by SIGSEGV"

# Standard output and error in one place, and on a terminal's line discipline.
expect_status 0 sh -c '"$0" outputs >alone 2>&1' "$PROG/interpose"
expect_status 0 sh -c '"$0" trace --log-path log -interpose -function outputs -trace-dir one -- \
	"$1" outputs >traced 2>&1' "$CHOP" "$PROG/interpose"
cmp alone traced || fail "the order changed"
# A stream without a buffer, one with a line of it.
for mode in 0 L; do
	expect_status 0 sh -c 'stdbuf -o'$mode' "$0" outputs >alone 2>&1' "$PROG/interpose"
	expect_status 0 sh -c 'stdbuf -o'$mode' "$0" trace --log-path log -interpose \
		-function outputs -trace-dir one'$mode' -- "$1" outputs >traced 2>&1' \
		"$CHOP" "$PROG/interpose"
	cmp alone traced || fail "the order changed with stdbuf -o$mode"
done

# A region inside the C library.
printf 'c\nb\na\n' >input
expect_status 0 chop trace -interpose -function qsort -max-traces 1 -trace-dir sorted -- \
	"$PROG/regions"
expect_status 0 chop verify sorted

# A program that cannot have it.
expect_status 2 chop trace -interpose -function sort_region -trace-dir static -- \
	"$PROG/regions_static"
expect_one_error '^chop: trace: -interpose: .*regions_static has not loaded libchop-interpose.so'
expect_status 2 chop trace -interpose -interval 10ms -active 10ms -trace-dir static -- true
expect_one_error '-interpose is for regions with a begin and an end'
[ -e static ] && fail "a directory without captures"
exit 0
