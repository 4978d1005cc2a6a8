#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Bad input to chop trace: one clear line, the documented status, nothing left behind.
. "$(dirname "$0")/../lib.sh"

none() { # the trace directory is gone, and so is the program
	[ ! -e t ] || fail "a trace directory was left behind"
}
trace() { # STATUS OPTIONS...
	local status=$1
	shift
	expect_status "$status" "$CHOP" trace -trace-dir t "$@"
	[ "$status" -eq 0 ] || none
}
program=$PROG/trace_program

trace 2
expect_one_error 'no command to run'
trace 2 -- "$program"
expect_one_error 'which region'
trace 2 -function region -begin 10 -end 20 -- "$program"
expect_one_error 'two ways to name a region'
trace 2 -begin 10 -- "$program"
expect_one_error '-begin needs an -end'
trace 2 -function region -indices 5-3 -- "$program"
expect_one_error "'5-3' is not a list"
trace 2 -function region -backend magic -- "$program"
expect_one_error "no back end 'magic'"
trace 2 -function regoin -- "$program" many
expect_one_error "no function 'regoin'.*did you mean 'region'"
trace 2 -module libc -function nosuchfunction -- "$program" many
expect_one_error "no function 'nosuchfunction' in libc"
trace 2 -module libnosuch -function f -- "$program" many
expect_error_match "never loaded a module 'libnosuch'"
trace 127 -function region -- ./nosuch
expect_one_error 'cannot run ./nosuch: No such file'
trace 126 -function region -- /etc/passwd
expect_one_error 'cannot run /etc/passwd: Permission denied'
trace 1 -function faulty -- "$program" many
expect_one_error 'faulty was never reached'
trace 1 -function region -indices 100 -- "$program" many
expect_one_error 'region was reached 30 times; invocation 100 never came'
trace 2 -begin 1 -end 2 -module ld-linux-x86-64.so.2 -- "$program" many
expect_one_error 'the begin 0x1 is not in the code of'

# Options that contradict each other, or say too little.
trace 2 -end 20 -- "$program"
expect_one_error '-end needs a -begin'
trace 2 -interval 1s -- "$program"
expect_one_error '-interval needs -active'
trace 2 -active 1s -interval 1s -module libc -- "$program"
expect_one_error 'there are none'
trace 2 -function region -prob 0.1 -indices 3 -- "$program"
expect_one_error 'two ways to choose'
trace 2 -function region -seed 4 -- "$program"
expect_one_error '-seed is for -prob'
trace 2 -function region -prob 2 -- "$program"
expect_one_error "'2' is not a fraction"
trace 2 -begin 10@0 -end 20 -- "$program"
expect_one_error 'counted from 1'
trace 2 -begin 10@x -end 20 -- "$program"
expect_one_error "'x' is not a whole number"
trace 2 -function region -p 1 -lazy
expect_one_error '-lazy is for programs we start'
trace 2 -function region -trace-dir 't%' -- "$program"
expect_one_error 'nothing else'

# A begin in the middle of an instruction is told of.
if command -v objdump >/dev/null; then
	inside=$(objdump -d --disassemble=region "$program" |
		awk '/^ +[0-9a-f]+:/ && NF > 3 { sub(":", "", $1); print $1; exit }')
	rm -rf t
	timeout 20 "$CHOP" trace -begin "$(printf %x $((0x$inside + 1)))" -end "$inside" \
		-trace-dir t -- "$program" many >"$OUT" 2>"$ERR"
	expect_error_match 'warning: the begin .* seems to be in the middle of an instruction'
	rm -rf t
fi

# Some of what was wanted came.
trace 0 -function region -indices 3,100 -- "$program" many
expect_error_match 'warning: .*invocation 100 never came'
rm -rf t

# An existing directory is not touched.
mkdir t && echo mine >t/file
expect_status 2 "$CHOP" trace -trace-dir t -function region -- "$program" many
expect_one_error 't exists already'
[ "$(cat t/file)" = mine ] || fail "the directory was touched"
rm -rf t

# Nothing ran where the function is not known.
trace 2 -function nosuch -- sh -c 'touch ran'
[ ! -e ran ] || fail "the program ran"

# A full disk: what was captured before is kept or gone, and the program is unharmed.
if [ "$(id -u)" -eq 0 ] && mkdir small && mount -t tmpfs -o size=64k none small 2>/dev/null; then
	"$program" many >alone
	expect_status 2 "$CHOP" trace -trace-dir small/t -function region -- "$program" many
	expect_error_match 'No space left'
	cmp alone "$OUT" || fail "the program's output differs"
	umount small
fi
exit 0
