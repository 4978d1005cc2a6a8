#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Calls through the vsyscall page, which the kernel emulates without telling tracers: recorded,
# given back by the snippet and in translation, in every back end, and without privileges.
. "$(dirname "$0")/../lib.sh"
need_facility ptrace userfaultfd userfaultfd-async pagemap-scan seccomp
"$PROG/call_emulated" >/dev/null
[ $? -ne 77 ] || skip "this kernel has no vsyscall page"
own call_emulated

# NAME: the trace's log is that of the program, and it replays
replays() {
	expect_status 0 chop syscalls --from "$1/0.sys"
	[ "$(sed 's/(.*//' "$ERR" | tr '\n' ' ')" = \
		"gettimeofday getppid time time time gettimeofday getcpu time " ] ||
		fail "$1: $(cat "$ERR")"
	expect_status 0 chop snippet -q "$1" -o "$1.snippet"
	for _ in 1 2 3; do
		expect_status 0 "./$1.snippet"
	done
	expect_status 0 "./$1.snippet" --iterations 20
	expect_status 0 chop mem "$1" --count
}

find_backends
for backend in uffd $backends; do
	same_as_untraced chop trace -q -backend "$backend" -function asks \
		-trace-dir "$PWD/$backend" -- "$OWN"
	replays "$backend"
done

# Its answers are checked as all calls' are, and not made where they cannot be seen.
expect_status 5 ./uffd.snippet --user-dispatch
expect_error_match '--user-dispatch does not see gettimeofday at 0xffffffffff600000'

# Without privileges: the kernel tells of page faults where kernel.perf_event_paranoid allows it.
if [ "$(id -u)" -eq 0 ]; then
	mkdir -m 777 public
	plain="setpriv --reuid=65534 --regid=65534 --clear-groups"
	chmod 755 "$TEST_TMP" "$TEST_TMP/cwd"
	chown 65534 "$OWN" public
	if $plain chop trace -function asks -trace-dir public/t -- "$OWN" >/dev/null 2>"$ERR"; then
		if [ "$(cat /proc/sys/kernel/perf_event_paranoid)" -le 2 ]; then
			mv public/t plain
			replays plain
		else
			expect_error_match 'a call through it is not recorded.*perf_event_paranoid'
		fi
	fi
fi

# The whole program in translation makes them itself.
expect_status 0 chop mem --live --count -- "$OWN"
expect_output 1
