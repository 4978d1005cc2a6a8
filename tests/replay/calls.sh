#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Regions that make system calls: recorded, replayed without touching the world, equal every
# time, by anyone, anywhere, when the files are gone; and divergence where the log differs.
. "$(dirname "$0")/../lib.sh"
need_facility ptrace userfaultfd userfaultfd-async pagemap-scan seccomp

for name in files directory pipes shared polls clocks ticks memory remaps ioctls wait threads output exits; do
	invocation=1 options=
	[ $name = exits ] && invocation=0
	if [ $name = ticks ]; then
		options=-record-tsc
		grep -qw cpuid_fault /proc/cpuinfo && options+=' -record-cpuid'
	fi
	"$PROG/calls" $name >alone.out 2>alone.err
	alone=$?
	# shellcheck disable=SC2086
	expect_status 0 chop trace $options -function $name -module calls -indices $invocation \
		-trace-dir $name -- "$PROG/calls" $name
	cmp -s "$OUT" alone.out || fail "$name: the program's output is not the same"
	expect_status 0 chop mem $name --count # in translation, too
	expect_status 0 chop snippet -q $name -o $name.snippet
	for run in $(seq 50); do
		./$name.snippet >"$OUT" 2>&1 || fail "$name, run $run: $(cat "$OUT")"
	done
	expect_match "^equal: $name invocation $invocation,"
	if [ $name = remaps ]; then
		# What it takes away is gone for another iteration.
		expect_status 5 ./$name.snippet --iterations 20
		expect_error_match '^remaps.snippet: --iterations: the region changes its own mappings'
	else
		expect_status 0 ./$name.snippet --iterations 20 --quiet
	fi
done
[ "$alone" -eq 7 ] || fail "exits did not exit with 7"

# Refused with the call, the place and the reason; the program goes on.
for refused in 'uring io_uring_setup the kernel writes its rings' \
	'faultfd userfaultfd what it catches is invisible' 'debugs ptrace another process acts' \
	'rings mmap it maps a ring that the kernel writes'; do
	read -r name call reason <<<"$refused"
	# Where perf_event_open is not allowed there is no ring to map.
	if [ $name = rings ]; then
		"$PROG/calls" perf | grep -q 'perf: nothing' && continue
	fi
	expect_status 1 chop trace -function $name -module calls -indices 0 -trace-dir refused \
		-- "$PROG/calls" $name
	expect_one_error "invocation 0 makes the system call $call at .*cannot be recorded: $reason"
	expect_output "$name: done"
done

# Nothing of it reaches the world, unless asked for.
expect_status 0 ./output.snippet
expect_output 'equal: output invocation 1, registers and '"$(sed -n 's/.*registers and //p' "$OUT")"
expect_status 0 ./output.snippet --show-output --quiet
expect_output 'printed 10'
expect_errors 'to stderr'

# The other way to catch calls.
expect_status 0 ./files.snippet --user-dispatch
expect_match '^equal: files '
expect_status 0 ./clocks.snippet --user-dispatch --iterations 5

# From another directory, by a user without rights, with an empty environment.
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	chmod 755 "$TEST_TMP" "$TEST_TMP/cwd"
	(cd / && setpriv --reuid=65534 --regid=65534 --clear-groups env -i "$TEST_TMP/cwd/files.snippet") \
		>"$OUT" || fail "not equal for another user: $(cat "$OUT")"
fi

# Under a tracer the region makes no call towards the world: what is left are the signal
# returns of the replay and the runtime's own calls.
if command -v strace >/dev/null; then
	strace -f -o calls.strace ./files.snippet >/dev/null || fail "not equal under strace"
	# strace shows a trapped call too, with its number as the result; SIGSYS comes next.
	sed -E 's/^[0-9]+ +//' calls.strace | awk '
		/^--- SIGSYS/ { trapped++; line = ""; next }
		trapped && line != "" { print line }
		{ line = $0 }' |
		grep -vE '^(rt_sigreturn|write\(1, "equal|pread64\(3|exit_group|mprotect|--- SIGTRAP)' >world
	[ -s world ] && fail "the region makes calls: $(head -3 world)"
fi

# A log with another byte, without a record, cut short.
edit() { # WHAT NAME
	python3 - "$1" "$2" <<'PYTHON'
import struct, sys
data = bytearray(open(sys.argv[2] + "/0.sys", "rb").read())
records, at = [], 40
while at < len(data):
    size = struct.unpack_from("<I", data, at)[0]
    records.append(data[at:at + size])
    at += size
what = sys.argv[1]
if what == "argument":
    records[2][16] ^= 1
elif what == "missing":
    del records[1]
elif what == "last":
    del records[-1]
elif what == "input":
    records[0][16 + 48 + 8 + 8] ^= 1
elif what == "memory": # the hash of what the region mapped
    assert records[-1][4] == 5
    records[-1][16 + 48 + 8 + 8] ^= 1
elif what == "signal": # a register where the first handler was entered: rbx
    record = next(r for r in records if r[4] == 2)
    inputs, writes = struct.unpack_from("<II", record, 88)
    at = 112 + 16 * inputs
    for _ in range(writes):
        at += 16 + (struct.unpack_from("<Q", record, at + 8)[0] + 7) // 8 * 8
    record[at + 5 * 8] ^= 1
body = b"".join(records)
header = struct.pack("<8sIIQQQ", b"CHOPSYS\0", 1, 0, len(records), len(body), 0)
open("body", "wb").write(body)
open("header", "wb").write(header)
PYTHON
}
need python3
hash_of() { # FILE: XXH64 by an independent program
	python3 - "$1" <<'PYTHON'
import sys
M = (1 << 64) - 1
P1, P2, P3, P4, P5 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9,
                      0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)
def rot(x, n): return ((x << n) | (x >> (64 - n))) & M
def rnd(a, l): return rot((a + l * P2) & M, 31) * P1 & M
def xxh64(d):
    n, i = len(d), 0
    word = lambda k, s: int.from_bytes(d[k:k + s], "little")
    h = P5
    if n >= 32:
        v = [(P1 + P2) & M, P2, 0, (-P1) & M]
        while i + 32 <= n:
            v = [rnd(v[k], word(i + 8 * k, 8)) for k in range(4)]
            i += 32
        h = (rot(v[0], 1) + rot(v[1], 7) + rot(v[2], 12) + rot(v[3], 18)) & M
        for a in v:
            h = ((h ^ rnd(0, a)) * P1 + P4) & M
    h = (h + n) & M
    while i + 8 <= n:
        h = (rot(h ^ rnd(0, word(i, 8)), 27) * P1 + P4) & M
        i += 8
    if i + 4 <= n:
        h = (rot(h ^ word(i, 4) * P1 & M, 23) * P2 + P3) & M
        i += 4
    while i < n:
        h = rot(h ^ d[i] * P5 & M, 11) * P1 & M
        i += 1
    h = (h ^ h >> 33) * P2 & M
    h = (h ^ h >> 29) * P3 & M
    return h ^ h >> 32
print("%016x" % xxh64(open(sys.argv[1], "rb").read()))
PYTHON
}
rebuild() { # WHAT [NAME]: a trace directory whose log was edited, with checksums that fit
	rm -rf edited edited.snippet && cp -r "${2:-files}" edited
	edit "$1" "${2:-files}"
	python3 -c "
import struct, sys
open('edited/0.sys', 'wb').write(open('header', 'rb').read()[:32] +
    struct.pack('<Q', int(sys.argv[1], 16)) + open('body', 'rb').read())" "$(hash_of body)"
	python3 -c "
import json, os, sys
index = json.load(open('edited/trace.json'))
index['captures'][0]['files']['sys'] = {'bytes': os.path.getsize('edited/0.sys'), 'xxh64': sys.argv[1]}
json.dump(index, open('edited/trace.json', 'w'))" "$(hash_of edited/0.sys)"
	expect_status 0 chop snippet -q edited -o edited.snippet
}
rebuild same
expect_status 0 ./edited.snippet
rebuild argument
expect_status 3 ./edited.snippet
expect_match '^diverged at system call 2 .*: argument 1 is '
rebuild missing
expect_status 3 ./edited.snippet
expect_match '^diverged at system call 1: expected '
rebuild last
expect_status 3 ./edited.snippet
expect_match '^diverged at system call [0-9]*: expected no more, got '
rebuild input
expect_status 3 ./edited.snippet
expect_match '^diverged at system call 0 .openat .*: it reads other bytes'
rebuild memory memory
expect_status 1 ./edited.snippet
expect_match '^differs: [0-9]+ KB at 0x[0-9a-f]+, in memory the region mapped itself$'
expect_status 0 chop trace -q -function segv -indices 0 -trace-dir segv -- "$PROG/call_signals" segv
rebuild signal segv
expect_status 3 ./edited.snippet
expect_match '^diverged at system call 1: other registers than when the original got a signal at .*segv'
truncate -s -8 files/0.sys
expect_status 2 chop snippet files -o cut.snippet
expect_one_error '0\.sys'
exit 0
