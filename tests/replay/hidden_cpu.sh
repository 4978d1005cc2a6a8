#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# -hide-unrepeatable: a program is told that its processor has no rdrand, rdseed, rdpid and
# transactions, wherever it asks: in constructors, threads, behind an exec; what it forks, and what
# goes on after the tracing, is told the truth; and a region that draws random numbers if it can
# replays equal.
. "$(dirname "$0")/../lib.sh"
need_facility ptrace userfaultfd userfaultfd-async pagemap-scan seccomp
"$PROG/hidden_cpu" >native || fail "the program does not run"
grep -q '^main: rdrand 1' native || skip "this processor has no rdrand"

# Without: warned about, with the remedy, and not the same at replay.
expect_status 0 chop trace -function draw -indices 0 -trace-dir plain -- "$PROG/hidden_cpu"
cmp -s "$OUT" native || fail "the program's output is not the same"
expect_error_match "warning: the region's code has rdrand at 0x[0-9a-f]+, .*; -hide-unrepeatable has"
expect_status 0 chop snippet -q plain -o plain.snippet
expect_status 1 ./plain.snippet
expect_match '^differs: register rax is '

# As a last resort, where the processor cannot trap cpuid, the program is traced as it is.
if ! chop check cpuid-fault >/dev/null; then
	expect_status 0 chop trace -hide-unrepeatable -function draw -indices 0 -trace-dir no \
		-- "$PROG/hidden_cpu"
	cmp -s "$OUT" native || fail "the program's output is not the same"
	expect_error_match 'this processor cannot trap cpuid'
	skip "this processor cannot trap cpuid"
fi

# What it must say: hidden in the process, not in what it starts.
sed -E '/^(child|spawned):/!s/(rdrand|rdseed|rdpid|rtm) 1+/\1 0/g; /^threads/s/ 0$/ 000000/' native |
	awk '{ line[NR] = $0 }
	     END { for (i = 1; i <= NR; i++) {
			if (line[i + 1] ~ /^spawned/) sub(/.*/, truth, line[i])
			print line[i]
	     } }' truth="$(grep -m1 constructor native)" >hidden
for backend in uffd clone; do
	[ $backend = uffd ] || chop trace -q -backend clone -function draw -indices 0 -trace-dir can \
		-- "$PROG/hidden_cpu" >/dev/null 2>&1 || continue
	expect_status 0 chop trace -hide-unrepeatable -backend $backend -function draw \
		-indices 0-1000 -trace-dir $backend -- "$PROG/hidden_cpu"
	cmp -s "$OUT" hidden || fail "$backend: $(diff hidden "$OUT")"
	expect_error_match 'has rdrand at .*; the program was told that the processor has none$'
	for id in 0 1 2 3; do
		expect_status 0 chop snippet -q $backend -c $id -o $backend.$id
		for run in 1 2 3; do
			expect_status 0 ./$backend.$id
			expect_match '^equal: draw '
		done
	done
done
expect_status 0 ./uffd.0 --iterations 20

# After the last capture it is let go, all of its threads, and told the truth again.
expect_status 0 chop trace -q -hide-unrepeatable -function draw -indices 0 -trace-dir once \
	-- "$PROG/hidden_cpu"
{
	grep -m1 constructor hidden
	grep -m1 main: hidden
	tail -n +3 native
} >once.expected
cmp -s "$OUT" once.expected || fail "let go: $(diff once.expected "$OUT")"

# Children with tracers of their own are told what their parent was told.
expect_status 0 chop trace -q -f -hide-unrepeatable -function draw -indices 0-1000 -trace-dir follow \
	-- "$PROG/hidden_cpu"
grep -v '^main: handler' "$OUT" | grep -E 'rdrand 1|lost' && fail "-f: $(cat "$OUT")"
grep -c 'rdrand 0' "$OUT" | grep -qx "$(grep -c 'rdrand 1' native)" || fail "-f: $(cat "$OUT")"

# With rdtsc recorded too, and by chop cut.
expect_status 0 chop cut draw -hide-unrepeatable -record-tsc -o cut -- "$PROG/hidden_cpu"
expect_error_match 'equal: draw invocation 0'

# Started with SIGSEGV ignored it would lose that: it is not asked to.
expect_status 0 bash -c 'trap "" SEGV; exec chop trace -hide-unrepeatable -function draw -indices 0 \
	-trace-dir ignored -- "$0"' "$PROG/hidden_cpu"
cmp -s "$OUT" native || fail "SIGSEGV ignored: $(diff native "$OUT")"
expect_error_match 'not in this program, which was started with SIGSEGV ignored or blocked$'

# It is for programs that chop starts.
sleep 1000 &
expect_status 2 chop trace -hide-unrepeatable -function draw -p $! -trace-dir attached
kill $!
expect_one_error 'is for programs we start; process [0-9]+ has asked its processor already$'
exit 0
