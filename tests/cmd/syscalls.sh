#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop syscalls beside strace: the same calls with the same results, by each source, the
# program's own output and status; filters; bad input.
. "$(dirname "$0")/../lib.sh"
need strace awk

printf 'one\ntwo\n' >input
# What does not differ from run to run: names, and results that are not addresses.
normal() { # FILE
	grep -vE '^(\+\+\+|---)' "$1" |
		sed -E 's/0x[0-9a-f]+/ADDR/g; s/ +=/ =/; s/[0-9]+ vars/N vars/; s/(pid|tid)=[0-9]+//g' |
		sed -E 's/^(brk|mmap|sysinfo|set_tid_address|arch_prctl|prlimit64|getrandom|getpid|rseq|set_robust_list)\(.*/\1/'
}

sources=ptrace
chop check bpf >/dev/null 2>&1 && sources='bpf ptrace'
for command in 'cat input' 'ls -d /' 'sort input' 'false'; do
	strace -o theirs $command >theirs.out 2>/dev/null
	status=$?
	normal theirs >theirs.normal
	for source in $sources; do
		expect_status $status chop syscalls --source $source -o ours -- $command
		cmp -s "$OUT" theirs.out || fail "$source: the output of $command is not the same"
		normal ours >ours.normal
		diff theirs.normal ours.normal >difference ||
			fail "$source: $command: $(head -n 6 difference)"
		tail -n 1 ours | grep -qx "+++ exited with $status +++" || fail "$(tail -n 1 ours)"
	done
done

expect_status 0 chop syscalls -e trace=openat -o only -- cat input
[ -n "$(cat only)" ] || fail "no openat"
grep -vE '^(openat\(|\+\+\+)' only && fail "more than openat"
expect_status 0 chop syscalls -c -- cat input
expect_error_match ' total$'

expect_status 127 chop syscalls -- ./nowhere
expect_one_error 'nowhere'
expect_status 2 chop syscalls -e trace=opennat -- true
expect_one_error 'opennat'
expect_status 2 chop syscalls
exit 0
