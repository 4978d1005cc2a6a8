#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Regions that a back end could disturb - the program's own SIGSEGV, system calls on memory
# nobody has touched, changes of the address space, the limit on mappings: the program's output
# is that without chop, all back ends give the same pages, and the snippet ends as the program did.
. "$(dirname "$0")/../lib.sh"

# What differs between processors (cpuid tells their numbers) is no difference of the back ends.
taskset -cp "$(taskset -cp $$ | sed 's/.*: //; s/[,-].*//')" $$ >/dev/null

find_backends

trace() { # BACKEND DIRECTORY CASE
	rm -rf "$2"
	timeout 100 "$CHOP" trace -backend "$1" -function region -trace-dir "$2" -- \
		"$PROG/backends_hard" "$3" >output 2>"$ERR" || fail "$1: $3: $(cat "$ERR")"
	cmp -s plain output || fail "$1: $3: $(diff plain output)"
}

# Where something ages pages (DAMON) clone may lack one that was only read. The second one with
# uffd is the last: a time that has come in between is another one there, too.
try() { # CASE
	local backend n
	setarch -R "$PROG/backends_hard" "$1" >plain || fail "$1: $(cat plain)"
	for n in $(seq 25); do
		trace uffd one "$1"
		for backend in $backends; do
			trace $backend "other.$backend" "$1"
			chop verify "other.$backend" >verified 2>&1 && continue
			[ $backend = clone ] && grep -q kdamond "$ERR" && continue 2
			fail "$backend: $1: $(cat verified)"
		done
		trace uffd same "$1"
		for backend in $backends; do
			"$TESTS/replay/captures_compare.py" one same "other.$backend" >differs || continue 2
		done
		return
	done
	fail "$backend: $1: $(cat differs)"
}

for case in own own_altstack ignored blocked calls space dormant alias stack huge; do
	try $case
done

# No more mappings are to be had: pages are included that were not touched, and it says so.
setarch -R "$PROG/backends_hard" full >plain
status=$?
if [ $status -eq 77 ]; then
	echo "full: vm.max_map_count is too large here to be used up"
else
	[ $status -eq 0 ] || fail "full: $(cat plain)"
	trace mprotect full full
	expect_error_match 'near vm.max_map_count: pages were included that the region did not touch'
	expect_status 0 chop verify full
fi
