#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Where a region is: by name, by addresses as objdump or the running program has them, in
# libraries that come later, behind an IFUNC. gdb reads the registers it began with.
. "$(dirname "$0")/../lib.sh"
need gdb objdump

program=$PROG/trace_program
begin_of() { # N: begin of capture N in t
	grep -A12 "\"id\": $1," t/trace.json | awk -F'"' '/"begin"/ { print $4; exit }'
}
register() { # N REGISTER: at the begin of capture N, as gdb sees it
	gdb -q -batch -ex "info registers $2" "$program" "t/$1.core" 2>/dev/null |
		awk -v r="$2" '$1 == r { print $2 }'
}

# By name: the argument of invocation N is N.
expect_status 0 "$CHOP" trace -function region -indices 3,7-9 -trace-dir t -- "$program" many
[ "$(register 0 rdi)" = 0x3 ] || fail "rdi of invocation 3 is $(register 0 rdi)"
[ "$(register 1 rdi)" = 0x7 ] || fail "rdi of invocation 7 is $(register 1 rdi)"
[ "$(register 3 rdi)" = 0x9 ] || fail "rdi of invocation 9 is $(register 3 rdi)"
by_name=$(begin_of 0)

# By addresses, from objdump and as they are at run time.
entry=$(objdump -d --disassemble=region "$program" | awk '/<region>:$/ { print $1 }')
end=$(objdump -d --disassemble=region "$program" | awk '$NF == "ret" { print $1 }' | tr -d :)
[ -n "$entry" ] && [ -n "$end" ] || fail "objdump does not show region"
base=$((by_name - 0x$entry))
for offset in 0 $base; do
	rm -rf t
	expect_status 0 "$CHOP" trace -begin "$(printf %x $((0x$entry + offset)))" \
		-end "$(printf %x $((0x$end + offset)))" -indices 5 -trace-dir t -- "$program" many
	[ "$(register 0 rdi)" = 0x5 ] || fail "rdi of invocation 5 is $(register 0 rdi)"
	grep -q "\"reached_end\": \"$(printf 0x%x $((base + 0x$end)))\"" t/trace.json ||
		fail "another end: $(cat t/trace.json)"
done

# The same program stripped: by address.
strip -o stripped "$program"
rm -rf t
expect_status 0 "$CHOP" trace -begin "$entry" -end "$end" -indices 5 -trace-dir t -- ./stripped many
[ "$(register 0 rdi)" = 0x5 ] || fail "rdi of invocation 5 is $(register 0 rdi), stripped"
expect_status 0 "$CHOP" verify t

# The implementation behind an IFUNC.
rm -rf t
expect_status 0 "$CHOP" trace -function memcpy -indices 3 -trace-dir t -- "$program" strings x
expect_match "memcpy $(begin_of 0)\$"

# A library that comes and goes, each time where it likes.
rm -rf t
expect_status 0 "$CHOP" trace -module trace_library -function library_region -trace-dir t -- \
	"$program" library "$PROG/trace_library"
[ "$(grep -c 'core$' "$ERR")" -eq 6 ] || { show_output; fail "not 6 captures"; }
"$program" library "$PROG/trace_library" | cmp - "$OUT" || fail "output"

rm -rf t
expect_status 0 "$CHOP" trace -module trace_library -function library_indirect -trace-dir t -- \
	"$program" library "$PROG/trace_library" library_indirect
[ "$(grep -c 'core$' "$ERR")" -eq 6 ] || { show_output; fail "not 6 captures"; }

# A function of a library, without saying which.
rm -rf t
expect_status 0 "$CHOP" trace -v -function setlocale -max-traces 1 -trace-dir t -- sort /etc/passwd
expect_error_match 'setlocale is at 0x7.*/libc.so.6'
