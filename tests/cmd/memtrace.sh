#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop-trace-mem: a snippet and a program between symbols, its text beside chop mem's, the test
# file that names it, and what it refuses.
. "$(dirname "$0")/../lib.sh"
need python3 cc
need_facility ptrace userfaultfd userfaultfd-async pagemap-scan
reader=$TESTS/conform/mpt.py

cc -O0 -g -o daxpy "$TOP/examples/tracing/daxpy.c" || exit 1
export TEST_SIZE=200 TEST_ITER=5
expect_status 0 chop trace $(chop-marks daxpy daxpy) -indices 0 -trace-dir d -- ./daxpy
expect_status 0 chop mpt d 'b%#se'
expect_status 0 chop snippet d -o 'snip pet'

# A snippet, into a test file. The names are those the format makes difficult.
expect_status 0 chop-trace-mem -output 'mem%#' -base-mpt 'b%#se#0.mpt' -output-mpt 'with #1%.mpt' -- './snip pet'
expect_output ''
expect_status 0 python3 "$reader" 'with #1%.mpt'
expect_match '^T mem%#.memtrace.gz$'
expect_status 0 chop mem d -o d.mem
expect_status 0 chop-detrace-mem d.mem
gzip -dc 'mem%#.memtrace.gz' | cmp - "$OUT" || fail "other accesses than chop mem records"
gzip -dc 'mem%#.memtrace.gz' | grep -vqE '^[DI] [RW] 0x[0-9a-f]{16} [0-9]+$' && fail "other lines"
# y[i] = a * x[i] + y[i] reads y[i] and writes it, 200 times.
gzip -dc 'mem%#.memtrace.gz' | awk '/^D R/ { read[$3] = 1 } /^D W/ && read[$3] { n[$3] = 1 }
	END { for (i in n) count++; exit count < 200 }' || fail "few places are read and written"

# The program itself: one invocation, several, another function's returns, addresses.
expect_status 0 chop-trace-mem -output one -begin daxpy -- ./daxpy
# (Its stack is elsewhere when its environment is another one.)
shape() { gzip -dc "$1.memtrace.gz" | sed '/^D/s/0x[0-9a-f]*/0x/'; }
cmp <(shape one) <(shape 'mem%#') || fail "the program differs"
expect_status 0 chop-trace-mem -output two -begin daxpy -end daxpy -indices 1,3 -- ./daxpy
lines() { gzip -dc "$1.memtrace.gz" | wc -l; }
[ "$(lines two)" = $((2 * $(lines one))) ] || fail "two invocations have $(lines two) lines"
marks=($(chop marks daxpy daxpy))
expect_status 0 chop-trace-mem -output four -begin "${marks[1]}" -end "0x${marks[3]}" -- ./daxpy
cmp <(shape one) <(shape four) || fail "by addresses it differs"

# Compressed test files stay compressed.
gzip -k 'b%#se#0.mpt'
expect_status 0 chop-trace-mem -output packed -base-mpt 'b%#se#0.mpt.gz' -output-mpt out.mpt -- './snip pet'
expect_status 0 python3 "$reader" out.mpt.gz
expect_match '^T packed.memtrace.gz$'
# In another directory the trace is named by its path.
mkdir sub
cp b*.mps sub
expect_status 0 chop-trace-mem -output far -base-mpt 'b%#se#0.mpt' -output-mpt sub/out.mpt -- './snip pet'
expect_status 0 python3 "$reader" sub/out.mpt
expect_match "^T $PWD/far.memtrace.gz\$"

# Refused before anything runs.
refused() { # REGEX WORDS...
	local told=$1
	shift
	expect_status 2 chop-trace-mem "$@"
	expect_one_error "$told"
	[ -e new.memtrace.gz ] && fail "an output of what was refused"
}
refused 'one.memtrace.gz exists' -output one -- './snip pet'
refused '-base-mpt and -output-mpt go together' -output new -base-mpt 'b%#se#0.mpt' -- './snip pet'
refused 'is not an MPT file' -output new -base-mpt 'b%#se#0.mps' -output-mpt new.mpt -- './snip pet'
refused 'has a \[TRACE\] section already' -output new -base-mpt 'with #1%.mpt' -output-mpt new.mpt -- './snip pet'
refused 'cannot open nowhere' -output new -base-mpt nowhere -output-mpt new.mpt -- './snip pet'
refused 'out.mpt.gz exists' -output new -base-mpt 'b%#se#0.mpt' -output-mpt out.mpt.gz -- './snip pet'
refused 'is a snippet' -output new -begin daxpy -- './snip pet'
refused 'neither a snippet nor has a symbol START_TEST' -output new -- ./daxpy
refused "daxpi" -output new -begin daxpi -- ./daxpy
refused 'no snippet or command' -output new
head -c 200 'b%#se#0.mpt.gz' >cut.mpt.gz
refused 'cut.mpt.gz' -output new -base-mpt cut.mpt.gz -output-mpt new.mpt -- './snip pet'
expect_status 1 chop-trace-mem -output new -begin daxpy -indices 77 -- ./daxpy
[ -e new.memtrace.gz ] && fail "an output without a trace"
ls -d "${TMPDIR:-/tmp}"/chop-memtrace.* >/dev/null 2>&1 && fail "left behind: a directory"
exit 0
