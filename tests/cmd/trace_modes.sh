#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Temporal and hybrid tracing, begins and ends with counts, several of them, random choice,
# what is left out, names of directories.
. "$(dirname "$0")/../lib.sh"
need gdb objdump

program=$PROG/trace_modes
json() { # PYTHON EXPRESSION of c, the captures
	python3 -c "import json; c = json.load(open('t/trace.json'))['captures']; print($1)"
}
captures() { json 'len(c)'; }
same() { # OPTIONS... -- ARGUMENTS: into t, the program's output as alone
	rm -rf t
	local options=()
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	"$program" "$@" >alone
	expect_status 0 "$CHOP" trace -trace-dir t "${options[@]}" -- "$program" "$@"
	cmp alone "$OUT" || { show_output; fail "the output differs: ${options[*]}"; }
}
address() { objdump -d --disassemble="$1" "$program" | awk -v f="<$1>:" '$2 == f { print $1 }'; }
register() { # CORE REGISTER
	gdb -q -batch -ex "print/d \$$2" "$program" "t/$1.core" 2>/dev/null | sed -n 's/^\$1 = //p'
}

# Temporal, from the start of a program.
same -interval 5ms -active 300us -max-traces 3 -- compute 20000
[ "$(captures)" -eq 3 ] || fail "compute: $(captures) windows"
same -interval 7ms -active 10ms -max-traces 4 -- wait 8
[ "$(captures)" -eq 4 ] || fail "wait: $(captures) windows"
# In a program that is past the dynamic linker (which asks for the time stamp counter), at any
# instruction of its computation, and in system calls.
mkfifo input
: >started
"$program" endless 1000 <input >said 2>started &
pid=$!
exec 9>input
until grep -q started started; do sleep 0.05; done
rm -rf t
expect_status 0 "$CHOP" trace -p $pid -interval 3ms -active 500us -max-traces 8 -trace-dir t
[ "$(captures)" -eq 8 ] || fail "endless: $(captures) windows"
exec 9>&-
wait $pid || fail "endless ended with $?"
[ "$(cat said)" = right ] || fail "endless computed $(cat said)"
expect_status 0 "$CHOP" verify --timeout 100s t
# Windows that are not wanted pass.
same -interval 3ms -active 1ms -indices 2,4 -- wait 10
[ "$(json '[x["invocation"] for x in c]')" = "[2, 4]" ] || fail "windows: $(json c)"
# Too short a program.
expect_status 1 "$CHOP" trace -trace-dir never -interval 1h -active 1ms -- "$program" count 5
expect_one_error 'the program ended before the time came'

# Hybrid: from a begin for a time, and on to the next end.
step=$(address step) other=$(address other_step)
same -begin "$step@5" -active 1ms -- count 30000000
expect_status 0 "$CHOP" verify --timeout 100s t
[ "$(register 0 rdi)" -eq 5 ] || fail "hybrid begins with $(register 0 rdi)"
# The end comes however late the time is noticed.
rm -rf t
"$CHOP" trace -begin "$step" -active 20us -end "$other" -indices 4 -trace-dir t -- "$program" \
	counts 1000 <input >"$OUT" 2>"$ERR" &
tracing=$!
exec 9>input
wait_for test -e t/0.core
exec 9>&-
wait $tracing || { show_output; fail "hybrid: status $?"; }
expect_output right
[ "$(register 0 rdi)" -eq 5 ] || fail "hybrid begins with $(register 0 rdi)"
[ "$(json 'c[0]["reached_end"][-3:]')" = "${other: -3}" ] || fail "hybrid ends at $(json c)"
expect_status 0 "$CHOP" verify --timeout 100s t

# The Nth time, counted in the process: far out, near, begin and end at the same address.
for pair in "3 5" "1000 1100" "20000 20001"; do
	read -r from to <<<"$pair"
	same -begin "$step@$from" -end "$step@$to" -- count 30000
	[ "$(register 0 rdi)" -eq "$from" ] || fail "begins at $(register 0 rdi), not $from"
	[ "$(register 0.end rdi)" -eq "$to" ] || fail "ends at $(register 0.end rdi), not $to"
	expect_status 0 "$CHOP" verify t
done
# Several of them: the first begin starts, the first end stops.
same -begin "$step@10,$step@100" -begin "$other@5" -end "$other@7" -end "$step@1000" \
	-end "$step@105" -- count 3000
[ "$(captures)" -eq 2 ] || fail "several: $(captures) captures"
[ "$(register 0 rdi) $(register 0.end rdi)" = "10 21" ] || fail "several: first"
[ "$(register 1 rdi) $(register 1.end rdi)" = "100 105" ] || fail "several: second"
expect_status 0 "$CHOP" verify t
# An end that is past, a begin that never comes.
expect_status 1 "$CHOP" trace -trace-dir never -begin "$step@50" -end "$step@20" -- "$program" count 99
expect_one_error 'reached 50 times before the region began'
expect_status 1 "$CHOP" trace -trace-dir never -begin "$step@500" -end "$step@501" -- "$program" count 99
expect_one_error 'the region never began: .* was reached 99 times'

# Numbers do not depend on what is captured: calls inside a captured one count.
same -function recursive -indices 9 -- recursion 6
only=$(register 0 rdi)
same -function recursive -indices 0,3,9 -- recursion 6
[ "$(register 2 rdi)" = "$only" ] || fail "invocation 9 has $(register 2 rdi), not $only"
same -function recursive -indices 3,4 -- recursion 6
[ "$(captures)" -eq 1 ] || fail "an inner call was captured on its own"
expect_error_match 'warning: 1 of the wanted invocations began inside a captured one'

# Random choice: the seed decides.
same -function step -prob 30% -seed 7 -- count 60
first=$(json '[x["invocation"] for x in c]')
same -function step -prob 0.3 -seed 7 -- count 60
[ "$(json '[x["invocation"] for x in c]')" = "$first" ] || fail "another choice: $first"
same -function step -prob 0.3 -seed 8 -- count 60
[ "$(json '[x["invocation"] for x in c]')" != "$first" ] || fail "the same choice: $first"
same -function step -prob 0.5 -max-traces 3 -- count 60
expect_error_match '^chop: trace: -seed [0-9]+ chooses the same'
[ "$(captures)" -eq 3 ] || fail "$(captures) captures"
# Few of many.
same -function step -prob 0.0001 -seed 3 -max-traces 2 -- count 200000
expect_status 0 "$CHOP" verify t

# Only counting.
rm -rf t
expect_status 0 "$CHOP" trace -trace-dir t -no-trace -function step -- "$program" count 12345
expect_error_match 'step was reached 12345 times'
[ ! -e t ] || fail "a directory without captures"

# What is left out cannot be replayed, and that is said.
for option in -no-save -no-code "-max-pages 1" -no-registers -no-maps; do
	# shellcheck disable=SC2086
	same -function step -max-traces 1 $option -- count 5
	expect_status 2 "$CHOP" snippet t -o s
	expect_one_error 'was saved without'
	expect_status 2 "$CHOP" mem t
done
same -function step -max-traces 1 -max-pages 1 -- count 5
[ "$(json 'c[0]["pages"]')" -eq 1 ] || fail "-max-pages: $(json 'c[0]["pages"]')"
same -function step -max-traces 1 -no-code -- count 5
readelf -lW t/0.core | grep -q 'LOAD.* R E ' && fail "-no-code: code is there"
same -function step -max-traces 1 -no-save -- count 5
readelf -lW t/0.core | grep -q 'LOAD.* RW ' && fail "-no-save: data is there"
same -function step -max-traces 1 -no-info -group 3 -unprotect-syms -- count 5
expect_status 0 "$CHOP" verify t
# The order of first touches, on request.
[ ! -e t/0.first ] || fail "an order nobody asked for"
same -function step -max-traces 1 -access-trace -- count 5
grep -qE '^0x[0-9a-f]+000$' t/0.first || fail "no order of first touches"

# Directories for the processes of a job.
OMPI_COMM_WORLD_RANK=3 expect_status 0 "$CHOP" trace -trace-dir 'd-%h-%r-%%' -function step \
	-max-traces 1 -- "$program" count 5
[ -e "d-$(uname -n)-3-%/trace.json" ] || fail "not: $(ls -d d-*)"
SLURM_PROCID=4 expect_status 0 "$CHOP" trace -trace-dir 'r%r' -function step -max-traces 1 -- \
	"$program" count 5
[ -e r4/trace.json ] || fail "no r4"
expect_status 0 "$CHOP" trace -trace-dir 'p%p' -function step -max-traces 1 -- "$program" count 5
[ -e "p$(python3 -c "import json, glob
print(json.load(open(glob.glob('p*/trace.json')[0]))['captures'][0]['pid'])")/trace.json" ] ||
	fail "not the process id"
env -u OMPI_COMM_WORLD_RANK -u PMI_RANK -u SLURM_PROCID "$CHOP" trace -trace-dir 'r%r' \
	-function step -- "$program" count 5 2>"$ERR"
expect_one_error 'the environment tells no rank'
expect_status 2 "$CHOP" trace -trace-dir 'r%q' -function step -- "$program" count 5
expect_one_error 'nothing else'
