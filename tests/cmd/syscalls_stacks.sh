#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop syscalls -k: the stacks of a program without frame pointers, by each source: as the program
# is written, and the same.
. "$(dirname "$0")/../lib.sh"
need mkfifo
program=$PROG/syscalls_stack
sources=ptrace
chop check bpf >/dev/null && sources='bpf ptrace'

# The functions of the n-th call, innermost first.
functions() { # FILE N
	awk -v n="$2" '/^getppid/ { i++ } /^ >/ && i == n' "$1" | sed -E 's/^ > [^(]*\(([^+)]*).*/\1/'
}
three() { [ "$(grep -c '^getppid' "$1")" -eq 3 ] && [ -n "$(functions "$1" 3)" ]; }

mkfifo input
for source in $sources; do
	chop syscalls -k --source $source -e trace=getppid -o $source "$program" <input 2>errors &
	watcher=$!
	exec 8>input
	wait_for three $source # it waits until we have looked
	exec 8>&-
	wait $watcher || fail "$source: status $?: $(cat errors)"
	[ ! -s errors ] || fail "$source: $(cat errors)"
	functions $source 1 >stack
	head -n 4 stack | paste -sd' ' | grep -q '^syscall leaf middle main$' || fail "$source: $(cat stack)"
	functions $source 2 >stack
	head -n 4 stack | paste -sd' ' | grep -q '^syscall leaf middle compare$' || fail "$source: $(cat stack)"
	grep -q '^main$' stack || fail "$source: not through the library: $(cat stack)"
	functions $source 3 >stack
	[ "$(head -n 30 stack | grep -c '^deep$')" -eq 28 ] || fail "$source: $(cat stack)"
	for n in 1 2; do functions $source $n; done >$source.all
done
if [ "$sources" != ptrace ]; then
	diff bpf.all ptrace.all >difference || fail "$(cat difference)"
	# Of itself the source is the one that stops the program.
	expect_status 0 chop syscalls --verbose -k -e trace=getppid -o text "$program"
	expect_error_match 'watching by .*ptrace'
	expect_status 0 chop syscalls --verbose --source bpf --format folded -e trace=getppid -o text "$program"
	expect_error_match 'watching by BPF'
fi
exit 0
