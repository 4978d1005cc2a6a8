#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop mem: regions run in translation and end as they did; what cannot be traced to its end
# says so and leaves a file that says so; files and captures that are not are refused.
. "$(dirname "$0")/../lib.sh"
need_facility ptrace userfaultfd userfaultfd-async pagemap-scan

capture() { # NAME
	expect_status 0 chop trace -function "$1" -module mem_cases -indices 1 -trace-dir "$1" \
		-- "$PROG/mem_cases" "$1"
}

for name in sum strings fibonacci allocate x87 sorted; do
	capture $name
	expect_status 0 chop mem $name
	expect_match "^equal: $name invocation 1, "
	[ -s $name/0.mem ] || fail "$name/0.mem is not there"
done

# The loop of sum: 1000 reads and 1000 writes at least, hardly more.
chop mem sum --count >"$OUT"
references=$(sed -n 's/.*, \([0-9]*\) references.*/\1/p' "$OUT")
[ "$references" -ge 2000 ] && [ "$references" -le 2020 ] || fail "$references references"

# From a snippet the same.
expect_status 0 chop snippet -q sum -o sum.snippet
expect_status 0 chop mem sum.snippet -o again.mem
expect_match "^equal: sum invocation 1, .* $references references"

# System calls come from the log.
if chop check seccomp >/dev/null; then
	capture calls
	expect_status 0 chop mem calls
	expect_match "^equal: calls invocation 1"
fi

# Several captures, at once.
expect_status 0 chop trace -function sorted -trace-dir three -- "$PROG/mem_cases" sorted
expect_status 0 chop mem three -j 2
[ "$(grep -c '^equal: sorted' "$OUT")" = 3 ] || fail "not three"
[ -s three/2.mem ] || fail "three/2.mem is not there"
expect_status 2 chop mem three -o one.mem
expect_one_error "three holds captures 0, 1, 2: choose one with --capture N"
expect_status 0 chop mem three --capture 1 -o one.mem

# Limits.
expect_status 0 chop mem sum --max-refs 500 -o limited.mem
expect_match '^stopped: .*; 50[0-9] of them|^stopped: .* 50[0-9] references'
expect_status 0 chop mem fibonacci --sample 1K/10K -o sampled.mem
expect_match '^equal: fibonacci .*; [0-9]+ of them'
expect_status 2 chop mem sum --sample 10/1
expect_one_error 'expected N/M'

# An interrupted run keeps what it has and says so.
expect_status 0 chop trace -function endless -max-traces 1 -trace-dir endless -- "$PROG/mem_cases" endless
"$CHOP" mem endless >"$OUT" 2>"$ERR" &
tracer=$!
for ((i = 0; i < 100; i++)); do # the file is there when interrupts are caught
	[ -s endless/0.mem ] && break
	sleep 0.1
done
sleep 0.5
kill -INT $tracer
wait $tracer
[ $? = 130 ] || fail "not 130 after SIGINT"
expect_match '^incomplete: endless invocation 0, [0-9]+ instr'
expect_match '^incomplete: interrupted$'
expect_status 0 chop mem sum # nothing is left behind

# What gives another result each time ends differently, and says where.
capture ticks
expect_status 1 chop mem ticks
expect_match '^differs: ticks invocation 1'
expect_match '^differs: (register [a-z0-9]+ is|page) (0|0x[0-9a-f]+).*, in the original (0|0x[0-9a-f]+)$'

# What is no capture.
expect_status 2 chop mem /etc/passwd
expect_one_error '/etc/passwd is not a snippet'
expect_status 2 chop mem .
expect_one_error 'no trace.json'
expect_status 2 chop mem
expect_one_error 'expected one trace directory or snippet'
expect_status 2 chop mem sum -o /nonexistent/x.mem
expect_one_error 'cannot create /nonexistent/x.mem'

# A device that fails is no half-written file: it stays.
if mknod device c 1 7 2>/dev/null && : 2>/dev/null >device; then
	expect_status 2 "$CHOP" mem sorted -o device
	[ -c device ] || fail "the device is gone"
fi

# A full disk, as a limit on the size of files.
(
	ulimit -f 8
	"$CHOP" mem sorted -o full.mem >full.out 2>full.err
	echo $? >full.status
)
[ "$(cat full.status)" = 2 ] || fail "status $(cat full.status) with a full disk"
grep -q '^chop: mem: cannot write full.mem: File too large$' full.err || fail "$(cat full.err)"
grep -q '^incomplete: sorted' full.out || fail "$(cat full.out)"
