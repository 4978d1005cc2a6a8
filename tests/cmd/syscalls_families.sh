#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# 70 programs, each making a family of calls: strace and chop syscalls, by each source, tell the
# same of every process and thread, but for what syscalls_differences.txt lists.
. "$(dirname "$0")/../lib.sh"
need strace python3
strace -V | grep -q 'version 6\.1$' || skip "another strace than 6.1: $(strace -V | head -1)"

programs="files ipc network processes"
families=$(for program in $programs; do "$PROG/syscalls_$program" --list; done | wc -l)
[ "$families" -ge 60 ] || fail "only $families families"
sources=ptrace
chop check bpf >/dev/null && sources="bpf ptrace"

# Each in a new directory, with the same descriptors.
traced() { # OUTPUT COMMAND...
	local output=$1
	shift
	rm -rf run && mkdir run
	(cd run && exec "$@" </dev/null >/dev/null 2>/dev/null)
	[ -s "$output" ] || fail "nothing written by $*"
}

compare_one() { # PROGRAM SOURCE OPTION...
	local program=$PROG/syscalls_$1 source=$2 filtered=
	shift 2
	[[ $* == *trace=* ]] && filtered=filtered
	traced theirs strace -f "$@" -o "$PWD/theirs" "$program"
	traced ours chop syscalls --source "$source" -f "$@" -o "$PWD/ours" "$program"
	python3 "$TESTS/cmd/syscalls_same.py" "$source" theirs ours $filtered
}

# What the programs do depends a little on how threads are scheduled, when a signal comes during
# a call for one; what differs three times is no accident.
compare() { # OPTION...
	local program source
	for program in $programs; do
		for source in $sources; do
			compare_one "$program" "$source" "$@" ||
				compare_one "$program" "$source" "$@" ||
				compare_one "$program" "$source" "$@" ||
				fail "$program, $source, -f $*"
		done
	done
}

compare -y
compare -s 5 -t
compare -T -v
compare -tt -y -s 80 -e 'trace=%file,%process,%desc,%network' -e signal=none
