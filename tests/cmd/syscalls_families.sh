#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# 70 programs, each making a family of calls: strace and chop syscalls, by each source, tell the
# same of every process and thread, but for what syscalls_differences.txt lists.
. "$(dirname "$0")/../lib.sh"
need strace python3
strace -V | grep -q 'version 6\.1$' || skip "another strace than 6.1: $(strace -V | head -1)"

# Thousands of stops that each wait for a processor take minutes beside programs that compute:
# much less where tracer and program take turns on one of them.
pin last

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

compare_one() { # PROGRAM SOURCES OPTION...
	local program=$PROG/syscalls_$1 sources=$2 source filtered=
	shift 2
	[[ $* == *trace=* ]] && filtered=filtered
	traced theirs strace -f "$@" -o "$PWD/theirs" "$program"
	for source in $sources; do
		traced ours chop syscalls --source "$source" -f "$@" -o "$PWD/ours" "$program"
		echo "$(basename "$program") by $source, -f $*"
		python3 "$TESTS/cmd/syscalls_same.py" "$source" theirs ours $filtered || return
	done
}

# What the programs do depends on where a thread is when another has paused, on a busy machine
# most of all: what is different by accident is the same with longer pauses.
compare() { # OPTION...
	local program
	for program in $programs; do
		PAUSE=20000 compare_one "$program" "$sources" "$@" ||
			PAUSE=50000 compare_one "$program" "$sources" "$@" ||
			PAUSE=200000 compare_one "$program" "$sources" "$@" ||
			PAUSE=900000 compare_one "$program" "$sources" "$@" ||
			fail "$program, -f $*"
	done
}

compare -y -v -T
compare -s 5 -t
compare -tt -y -s 80 -e 'trace=%file,%process,%desc,%network' -e signal=none
