#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every command line of chop-chopstix(7), which are those of ChopStiX's documentation, run as it
# stands there, in its order, with programs of the names it uses.
. "$(dirname "$0")/../lib.sh"
need python3 cc objdump
need_facility ptrace userfaultfd userfaultfd-async pagemap-scan
reader=$TESTS/conform/mpt.py

cat >program.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#define WORK(name) __attribute__((noinline)) double name(double x) \
	{ for (int i = 0; i < 20000; i++) x = x * 0.999 + 1; return x; }
WORK(function_name)
WORK(func1)
WORK(HOTFUNC)
int main(int argc, char **argv)
{
	double x = argc;
	for (int i = 0; i < atoi(getenv("TIMES")); i++)
		x += function_name(x) + func1(x) + HOTFUNC(x);
	return x < 0;
}
END
cc -O1 -g -o binary program.c && cp binary myapp && cp binary foo && cp binary BINARY || exit 1
cc -O0 -g -o daxpy "$TOP/examples/tracing/daxpy.c" || exit 1
export TEST_SIZE=100 TIMES=20

# What the last line has as placeholders: a base test file and a snippet.
expect_status 0 chop trace $(chop-marks daxpy daxpy) -max-traces 1 -trace-dir for_last ./daxpy
expect_status 0 chop mpt for_last mpt
mv 'mpt#0.mpt' mpt
expect_status 0 chop snippet for_last -o microbenchmark
foo_marks=$(chop-marks foo func1 | tr '\n' ' ')

sed -n '/^# COMMAND LINES/,/^# COMMANDS AND OPTIONS/s/^|  //p' "$TOP/docs/chop-chopstix.7.scd" |
	tr -d '\\' >lines
[ "$(wc -l <lines)" -ge 20 ] || fail "no command lines in docs/chop-chopstix.7.scd"
cp lines expected
while IFS= read -r line; do
	command=${line//EXTRA_TRACING_OPTIONS/-max-traces 1 -trace-dir trace_directory}
	command=${command//BINARY_ARGUMENTS/argument}
	command=${command//HOTFUNC_MARKS/\$(chop-marks BINARY HOTFUNC)}
	command=${command//HOTFUNC_INVOCATION/3}
	command=${command//ARGUMENTS/argument}
	command=${command//BINARY/.\/BINARY}
	command=${command//-begin 400 -end 800/$foo_marks}
	if [[ $line == *"-interval"* ]]; then
		export TIMES=3000 # long enough for intervals of time; there is a limit below
		command="$command -max-traces 2"
		command=${command/.\/foo bar baz -max-traces 2/-max-traces 2 .\/foo bar baz}
	fi
	rm -rf trace_data
	case $line in
	chop-perf-invok*)
		# Not every build has it.
		chop --help | grep -q chop-perf-invok || continue
		;;
	esac
	eval "$command" >"$OUT" 2>"$ERR" </dev/null
	status=$?
	export TIMES=20
	[ $status = 0 ] || { show_output; fail "status $status: $command"; }
	case $line in
	"objdump -d binary") expect_match '<function_name>:' ;;
	chop-marks-dyn-addr*) expect_match '^0x[0-9a-f]+$' ;;
	chop-marks*) expect_match '^-begin [0-9a-f]+$'; expect_match '^-end [0-9a-f]+$' ;;
	"chop trace "*" ./foo"*) [ -s trace_data/0.core ] || fail "no capture: $command" ;;
	*base_name#0.elf) [[ $line != ./* ]] || expect_match '^equal' ;;
	esac
done <lines

# What they wrote.
for id in 0 1 2 9; do
	expect_status 0 python3 "$reader" "mynewmpt#$id.mpt.gz"
	expect_status 0 python3 "$reader" "base_name#$id.mpt"
	expect_status 0 python3 "$reader" "from_chopstix#$id.mpt"
done
[ -e 'mynewmpt#10.mpt.gz' ] && fail "more than -max-traces"
grep -q '"invocation": 3' TRACEDIR/trace.json || fail "another invocation than -indices"
for name in 'basename#0.mpt' 'MPTBASENAME#0.mpt.gz' 'base_name#0#memory.mpt' newmpt; do
	expect_status 0 python3 "$reader" "$name"
done
expect_match '^T tracemem.memtrace.gz$'
gzip -dc 'base_name#0.memtrace.gz' | grep -q '^D W 0x' || fail "no accesses"
if [ -e HOTFUNC_PROFILE ]; then
	head -n 1 HOTFUNC_PROFILE | grep -q '^Cycles, Time Elapsed (us), Retired Instructions' ||
		fail "another header: $(head -n 1 HOTFUNC_PROFILE)"
	[ "$(wc -l <HOTFUNC_PROFILE)" = 21 ] || fail "$(wc -l <HOTFUNC_PROFILE) lines in the profile"
fi
exit 0
