#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What strace makes of thousands of calls - every structure, flag and command it knows - is what
# chop syscalls makes of them, but for what syscalls_differences.txt lists.
. "$(dirname "$0")/../lib.sh"
need strace python3
strace -V | grep -q 'version 6\.1$' || skip "another strace than 6.1: $(strace -V | head -1)"

python3 "$TESTS/cmd/syscalls_corpus.py" calls || fail "no corpus"
sources=ptrace
chop check bpf >/dev/null && sources="bpf ptrace"
for options in "-a1" "-a1 -v"; do
	# shellcheck disable=SC2086 # several words
	expect_status 0 strace $options -o theirs "$PROG/syscalls_pretend" calls
	for source in $sources; do
		# shellcheck disable=SC2086
		expect_status 0 chop syscalls --source "$source" $options -o ours \
			"$PROG/syscalls_pretend" calls
		python3 "$TESTS/cmd/syscalls_compare.py" "$source" theirs ours ||
			fail "$source $options"
	done
done
