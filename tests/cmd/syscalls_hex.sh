#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop syscalls -x, -xx: strings in hexadecimal, as strace writes them.
. "$(dirname "$0")/../lib.sh"
need strace

sources=ptrace
chop check bpf >/dev/null && sources="bpf ptrace"
cat >texts <<'END'
printf 'plain'
printf 'a tab\t, a line\n, \v\f\r'
printf 'one\001'
printf 'delete \177'
printf 'caf\303\251'
printf 'nu\000l'
printf 'a text of which the end is cut before the \001'
END
for option in -x -xx; do
	words=(-y $option -e trace=write -e signal=none)
	strace "${words[@]}" -o theirs sh texts >/dev/null || fail "strace"
	[ "$(grep -c '^write' theirs)" -ge 7 ] || fail "$(cat theirs)"
	for source in $sources; do
		chop syscalls --source $source "${words[@]}" -o ours sh texts >/dev/null || fail "status $?"
		diff theirs ours >differences || fail "$source $option: $(cat differences)"
	done
done
exit 0
