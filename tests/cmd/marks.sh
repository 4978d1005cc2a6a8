#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop marks: exits of every kind, libraries, refusals; nothing is run.
. "$(dirname "$0")/../lib.sh"
need objdump readelf gcc
cases=$PROG/marks_cases

# Address of a symbol as readelf shows it, without leading zeros.
address() { # OBJ SYMBOL
	readelf -Ws "$1" | awk -v name="$2" '$8 == name || index($8, name "@") == 1 {
		sub(/^0+/, "", $2); print $2; exit }'
}
# Addresses in a symbol's range whose instruction matches a regular expression.
instructions() { # OBJ SYMBOL REGEX
	objdump -d --no-show-raw-insn "$1" | awk -F'\t' -v name="<$2>:" -v regex="$3" '
		/^[0-9a-f]+ </ { on = $0 ~ name "$" }
		on && NF > 1 && $2 ~ regex { sub(/^ +/, "", $1); sub(/:/, "", $1); print $1 }'
}
# begin, then ends by regular expression in the function and in its cold part
expect_marks() { # SYMBOL REGEX
	local end
	expect_status 0 "$CHOP" marks "$cases" "$1"
	{
		echo "-begin $(address "$cases" "$1")"
		for end in $(instructions "$cases" "$1" "$2") $(instructions "$cases" "$1.cold" "$2"); do
			echo "$end"
		done | sort | sed 's/^/-end /'
	} >expected
	expect_output <expected
	expect_errors ""
}

expect_marks two_returns '^ret'
[ "$(wc -l <"$OUT")" -eq 3 ] || fail "two_returns has two returns"
expect_marks tail_call '^jmp'
expect_marks tail_call_pointer '^jmp'
expect_marks table '^ret'
expect_marks split '^ret'
readelf -Ws "$cases" | grep -q ' split.cold$' || fail "the compiler did not split split()"
expect_marks rep_ret 'ret'
expect_marks bnd_ret 'ret'
expect_marks ret_pop 'ret'
expect_marks no_size '^ret'
expect_marks has_data '^ret'
expect_marks twice '^ret'

# Code that runs into the next function ends where that begins.
expect_status 0 "$CHOP" marks "$cases" runs_on
expect_output "-begin $(address "$cases" runs_on)
-end $(address "$cases" runs_into)"

# A conditional jump to another function is no end, and that is said.
expect_status 0 "$CHOP" marks "$cases" jumps_maybe
expect_match "^-end $(instructions "$cases" jumps_maybe '^ret')$"
expect_one_error "jumps_maybe also leaves by conditional jumps.*$(instructions "$cases" jumps_maybe '^je')"

# The other name, dashes, an address, one inside of a function.
expect_status 0 chop-marks "$cases" two_returns -cache
cp "$OUT" by-name
begin=$(address "$cases" two_returns)
expect_status 0 "$CHOP" marks "$cases" "0x$begin"
expect_output <by-name
expect_status 0 "$CHOP" marks "$cases" "0x$(instructions "$cases" two_returns '^ret' | head -1)"
expect_match '^-begin '

# A library's function through the program: the module first.
libc=$(ldd "$cases" | awk '$1 == "libc.so.6" { print $3 }')
expect_status 0 "$CHOP" marks "$cases" qsort
head -n 1 "$OUT" | grep -qx -- '-module libc.so.6' || fail "no module line"
tail -n +2 "$OUT" >through
expect_status 0 "$CHOP" marks "$libc" qsort
expect_output <through
expect_match "^-begin $(address "$libc" qsort)$"

# Refusals: one line, status 2, nothing on stdout.
refuse() { # REGEX OBJ SYMBOL
	expect_status 2 "$CHOP" marks "$2" "$3"
	expect_output ""
	expect_one_error "$1"
}
refuse 'never_returns never returns: there is no return' "$cases" never_returns
refuse 'aborts never returns' "$cases" aborts
refuse 'marks_data in .* is data, not a function' "$cases" marks_data
refuse 'marks_tls in .* is a thread-local variable' "$cases" marks_tls
refuse 'printf@plt is a stub that jumps to printf' "$cases" printf@plt
refuse 'no function two_retruns in .*; did you mean two_returns' "$cases" two_retruns
refuse "function's name is empty" "$cases" ''
refuse '0x10 is no code of' "$cases" 0x10
refuse 'bad address|not an address|hex' "$cases" 0xyz
refuse 'cannot open nowhere: No such file' nowhere f
refuse 'is a script, not an ELF file' "$TESTS/run.sh" f
refuse 'is a directory' / f
refuse 'is not an ELF file' /etc/passwd f
head -c 3000 "$cases" >cut && refuse 'cut is truncated' ./cut two_returns
expect_status 2 "$CHOP" marks "$cases"
expect_one_error 'expected OBJ FUNCTION, got 1 word'

# Two functions of one name are told apart by address.
echo 'static int f(int x) { return x + 1; } int (*a)(int) = f;' >a.c
echo 'static int f(int x) { return x * 5; } extern int (*a)(int);
int main(int c, char **v) { (void)v; int (*volatile g)(int) = f; return g(c) + a(c); }' >b.c
gcc -O1 -fno-inline a.c b.c -o two || fail "gcc"
refuse 'two has 2 functions f; give the address of one: 0x[0-9a-f]+, 0x[0-9a-f]+$' ./two f
set -- $(sed 's/.*one: //; s/,//' "$ERR")
expect_status 0 "$CHOP" marks ./two "$2"

# Stripped: exported functions and addresses still work; the message says why others do not.
strip -o stripped two
refuse 'is stripped: only exported functions have names' ./stripped f
expect_status 0 "$CHOP" marks ./stripped "$2"
expect_status 0 "$CHOP" marks ./stripped qsort
expect_match '^-module libc.so.6$'

# Libraries by RPATH, and those that are missing.
mkdir lib
echo 'int in_library(int x) { return x + 3; }' >l.c
gcc -shared -fPIC l.c -o lib/libmine.so || fail "gcc"
echo 'int in_library(int); int main(int c, char **v) { (void)v; return in_library(c); }' >m.c
gcc m.c -Llib -lmine '-Wl,-rpath,$ORIGIN/lib' -o with || fail "gcc"
expect_status 0 "$CHOP" marks ./with in_library
expect_match '^-module libmine.so$'
gcc m.c -Llib -lmine -o without || fail "gcc"
refuse 'its library libmine.so was not found' ./without in_library
expect_status 0 env "LD_LIBRARY_PATH=$PWD/lib" "$CHOP" marks ./without in_library

# A library built for this processor comes first, where the dynamic linker takes it.
cp lib/libmine.so lib/plain.so
gcc -shared -fPIC -DX -O2 l.c -o lib/libmine.so.fast || fail "gcc"
mkdir -p lib/glibc-hwcaps/x86-64-v2 && mv lib/libmine.so.fast lib/glibc-hwcaps/x86-64-v2/libmine.so
"$CHOP" marks "$(ldd ./with | awk '$1 == "libmine.so" { print $3 }')" in_library >direct || fail marks
expect_status 0 "$CHOP" marks ./with in_library
grep -v module "$OUT" | cmp - direct || fail "not the library that ldd tells"
