#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Regions that wait for another thread, which changes the address space meanwhile: new memory, memory
# that was only reserved, and memory of before. What came of it is part of the capture, and the
# program is none the wiser.
. "$(dirname "$0")/../lib.sh"
need_facility ptrace userfaultfd userfaultfd-async pagemap-scan seccomp

regions='slow maps file arena commits opens takes drops protects moves covers'
for name in $regions; do
	"$PROG/call_threads" $name >$name.alone || fail "$name: the program does not run"
	expect_status 0 chop trace -q -function $name -module call_threads -indices 0 -trace-dir $name \
		-- "$PROG/call_threads" $name
	cmp -s "$OUT" $name.alone || fail "$name: the program's output is not the same: $(cat "$OUT")"
	expect_status 0 chop mem $name --count # in translation, too
	expect_status 0 chop snippet -q $name -o $name.snippet
	for run in $(seq 20); do
		./$name.snippet >"$OUT" 2>&1 || fail "$name, run $run: $(cat "$OUT")"
	done
	expect_match "^equal: $name invocation 0,"
done
expect_status 0 ./slow.snippet --iterations 5
# In the log it is told as what it is.
expect_status 0 chop syscalls --from maps/0.sys
grep -E '^\[pid +[0-9]+\] mmap\(' "$ERR" | grep -q MAP_FIXED || fail "no mmap: $(cat "$ERR")"
expect_error_match "^\[pid +[0-9]+\] munmap\("

# Other threads that are in and out of the changed functions of the vdso come to no harm.
expect_status 0 chop trace -q -function times -module call_threads -indices 0-4 -trace-dir times \
	-- "$PROG/call_threads" times
expect_output 'times: 6'
for id in 0 2 4; do
	expect_status 0 chop snippet -q times -c $id -o times.snippet
	expect_status 0 ./times.snippet
done

# And in translation.
for name in commits takes drops protects covers; do
	expect_status 0 chop mem $name --count
done

# The same by the other back end, where it is possible.
chop trace -q -backend clone -function opens -indices 0 -trace-dir can -- "$PROG/call_threads" opens \
	>/dev/null 2>&1 || exit 0
for name in ${regions#slow}; do
	expect_status 0 chop trace -q -backend clone -function $name -module call_threads -indices 0 \
		-trace-dir clone.$name -- "$PROG/call_threads" $name
	cmp -s "$OUT" $name.alone || fail "clone: $name: not the same: $(cat "$OUT")"
	expect_status 0 chop snippet -q clone.$name -o clone.snippet
	expect_status 0 ./clone.snippet
	expect_match "^equal: $name invocation 0,"
done
exit 0
