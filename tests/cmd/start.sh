#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Whatever watches a command starts it as the shell does, and says alike what cannot be run.
. "$(dirname "$0")/../lib.sh"

echo 'echo "text: $0 $1"' >plain
printf '#!/nosuch/interpreter\n' >orphan
echo data >data
chmod +x plain orphan
mkdir directory

ways=("trace -begin 0x1 -end 0x2 -trace-dir t" "invok" "invok -cpu 0")
chop check ptrace >/dev/null && ways+=("syscalls --source ptrace" "syscalls --source ptrace -f -e trace=none")
chop check bpf >/dev/null && ways+=("syscalls --source bpf" "probe t:sched:sched_process_exit")
chop check userfaultfd >/dev/null && ways+=("pages -o pages")
chop check software-clock >/dev/null && ways+=("hot")

for way in "${ways[@]}"; do
	# shellcheck disable=SC2086 # words
	set -- chop $way --
	expect_status 127 "$@" ./nosuch
	expect_error_match 'cannot run ./nosuch: No such file'
	expect_status 127 "$@" nosuch-command
	expect_error_match 'cannot run nosuch-command: no such command in PATH'
	expect_status 127 "$@" ./orphan
	expect_error_match 'cannot run ./orphan: the interpreter it names does not exist'
	expect_status 126 "$@" ./data
	expect_error_match 'cannot run ./data: Permission denied'
	expect_status 126 "$@" ./directory
	expect_error_match 'cannot run ./directory: Is a directory'
	[[ $way == trace* ]] && continue
	expect_status 0 "$@" ./plain 7
	expect_match '^text: ./plain 7$'
done

# A command that cannot be run has made one call, which failed; what tells us of it is not its.
if chop check bpf >/dev/null; then
	expect_status 127 chop syscalls -c --plain ./orphan
	[ "$(grep -c '^ *[0-9.]* .*[a-z]$' "$ERR")" = 2 ] || { show_output; fail "more than execve"; }
fi
