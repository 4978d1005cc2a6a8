#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop syscalls --from: the log of a captured region shows what strace shows of the same calls; as
# a table, as JSON, with filters; signals; logs that are alone, damaged or not there.
. "$(dirname "$0")/../lib.sh"
need strace python3
need_facility ptrace userfaultfd userfaultfd-async pagemap-scan seccomp

# /proc/self/stat has process ids and times in it, and is as long as they are.
normal() { sed -E 's/"[^"\/]+"(\.\.\.)?/TEXT/g; s/ +=/ =/; s/= [0-9]{3}$/= LENGTH/'; }

strace -o theirs "$PROG/calls" files >alone.out
expect_status 0 chop trace -q -function files -indices 1 -trace-dir t -- "$PROG/calls" files
cmp -s "$OUT" alone.out || fail "the program's output is not the same"
expect_status 0 chop syscalls --from t/0.sys -o ours
# The second time the program does it, nine calls.
awk '/^openat.*"\/proc\/self\/stat"/ { n++ } n == 2 && c++ < 9' theirs | normal >theirs.normal
[ "$(wc -l <theirs.normal)" -eq 9 ] || fail "strace: $(cat theirs)"
normal <ours | diff theirs.normal - || fail "not what strace shows: $(cat ours)"

expect_status 0 chop syscalls --from t/0.sys -e trace=openat -Z -o some
expect_text some filtered 'openat(AT_FDCWD, "/nowhere/at/all", O_RDONLY) = -1 ENOENT (No such file or directory)'
expect_status 0 chop syscalls --from t/0.sys -c -o table
[ "$(awk '$NF == "openat" { print $1, $2 } $NF == "total" { print $1, $2 }' table | tr '\n' ' ')" \
	= "2 1 9 1 " ] || fail "$(cat table)"
expect_status 0 chop syscalls --from t/0.sys --format json -o json
python3 - json <<-'END' || fail "json: $(cat json)"
	import json, sys
	calls = [json.loads(line) for line in open(sys.argv[1])]
	assert [call['call'] for call in calls].count('newfstatat') == 2 and len(calls) == 9
	assert calls[-1]['error'] == 'ENOENT' and 'time' not in calls[-1]
	assert calls[-1]['args']['path'] == '"/nowhere/at/all"'
END

# Without the capture around it what the calls were given is not known, what they got is.
cp t/0.sys alone.sys
expect_status 0 chop syscalls --from alone.sys -o alone
grep -qE '^openat\(AT_FDCWD, 0x[0-9a-f]+, O_RDONLY\) = 3$' alone || fail "$(cat alone)"
grep -qE '^read\(3, "[0-9]+ \(calls\) R' alone || fail "$(cat alone)"

# Signals, with what the handler was told of them.
expect_status 0 chop trace -q -function masks -indices 1 -trace-dir m -- "$PROG/call_signals" masks
expect_status 0 chop syscalls --from m/0.sys -o ours
grep -qE '^--- SIGUSR1 \{si_signo=SIGUSR1, si_code=SI_QUEUE, si_pid=[0-9]+, si_uid=[0-9]+, si_int=42, ' ours ||
	fail "$(cat ours)"
grep -qE '^rt_sigreturn\(\{mask=\[USR1\]\}\) += ' ours || fail "$(cat ours)"

# Bad input.
expect_status 2 chop syscalls --from nowhere.sys
expect_one_error 'nowhere.sys'
head -c 200 t/0.sys >cut.sys
expect_status 2 chop syscalls --from cut.sys
expect_one_error 'cut.sys is (cut short|damaged)'
expect_status 2 chop syscalls --from "$PROG/calls"
expect_one_error 'not a system-call log'
printf '\001' | dd of=t/0.sys bs=1 seek=100 conv=notrunc status=none
expect_status 2 chop syscalls --from t/0.sys
expect_one_error '0.sys'
expect_status 2 chop syscalls --from alone.sys true
expect_one_error 'no command'
expect_status 2 chop syscalls --from alone.sys -T
expect_one_error 'no times'
exit 0
