#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop marks by C++ name, source line, inlined function and loop; variants chosen at run
# time, old versions, separate debug files.
. "$(dirname "$0")/../lib.sh"
need objdump readelf gcc addr2line nm
names=$PROG/marks_names lines=$PROG/marks_lines cases=$PROG/marks_cases
source_file=$TESTS/prog/marks_lines.c

refuse() { # REGEX ARGS...
	local regex=$1
	shift
	expect_status 2 "$CHOP" marks "$@"
	expect_output ""
	expect_one_error "$regex"
}
begins() { sed -n 's/^-begin //p' "$OUT"; }
ends() { sed -n 's/^-end //p' "$OUT"; }
number() { # COMMENT: the line that has it
	grep -n "/\* $1 \*/" "$source_file" | cut -d: -f1
}

# C++: a unique end of the name is enough; overloads are listed and then told apart.
for name in 'ns::C::only' 'C::only' only 'only(int)' 'ns::C::only(int)' _ZN2ns1C4onlyEi; do
	expect_status 0 "$CHOP" marks "$names" "$name"
	[ "$(begins)" = "$(nm -C "$names" | sed -n 's/^0*\([0-9a-f]*\) . ns::C::only(int)$/\1/p')" ] ||
		fail "$name is elsewhere"
done
refuse "2 functions ns::C::f; .*'ns::C::f\(char\) const' at 0x.*" "$names" ns::C::f
refuse "2 functions twice" "$names" twice
for name in 'C::f(int) const' 'twice<double>' 'C::operator()' 'C::operator<' hidden; do
	expect_status 0 "$CHOP" marks "$names" "$name"
	nm -C "$names" | grep "^0*$(begins) " | grep -qF -- "$name" || fail "$name is elsewhere"
done

# A line: the first place in each function that has code from it, inlined code included.
body=$(number body)
expect_status 0 "$CHOP" marks "$lines" "marks_lines.c:$body"
readelf -wL "$lines" 2>/dev/null | awk -v line="$body" -v address="0x$(begins)" '
	$2 == line && $3 == address && $NF == "x" { found = 1 } END { exit !found }' ||
	fail "$(begins) is no statement of line $body"
cp "$OUT" by-line
expect_status 0 "$CHOP" marks "$lines" "prog/marks_lines.c:$body"
expect_output <by-line
refuse 'no code of .* is from line 10000 of a file marks_lines.c' "$lines" marks_lines.c:10000
refuse 'no code of .* from line 3 of a file nothere.c' "$lines" nothere.c:3
strip -o stripped "$lines"
refuse 'stripped has no line numbers' ./stripped marks_lines.c:5

# An inlined function has a begin for each place, and ends where the code goes on.
expect_status 0 "$CHOP" marks "$lines" square_sum
[ "$(begins | wc -l)" -eq 2 ] || fail "two places, not $(begins)"
expect_error_match "is inlined into use1 at .*:$(number use1)"
expect_error_match "is inlined into use2 at .*:$(number use2)"
for begin in $(begins); do
	addr2line -fie "$lines" "0x$begin" | head -n 1 | grep -qx square_sum || fail "$begin is not it"
done
for end in $(ends); do
	addr2line -fie "$lines" "0x$end" | head -n 1 | grep -qx square_sum && fail "$end is still it"
done
refuse 'nested is nowhere inlined' --inlined "$lines" nested

# Loops: header and exits; the header is never an exit, exits are outside.
expect_status 0 "$CHOP" marks --loop "$lines" nested
[ "$(begins | wc -l)" -eq 3 ] || fail "three loops, not $(begins)"
expect_error_match "loop at .*:$(number outer), .*depth 1"
expect_error_match "loop at .*:$(number inner), .*depth 2"
expect_error_match "loop at .*:$(number last), .*depth 1"
for line in outer inner last; do
	expect_status 0 "$CHOP" marks --loop --line "$(number $line)" "$lines" nested
	[ "$(begins | wc -l)" -eq 1 ] || fail "one loop at $line"
	expect_error_match "loop at .*:$(number $line), "
done
expect_status 0 "$CHOP" marks --loop --line "$(number body)" "$lines" nested
expect_error_match "loop at .*:$(number inner), "
# Through a jump table: all cases are in the loop, its only exit is the return.
expect_status 0 "$CHOP" marks --loop "$lines" machine
[ "$(begins | wc -l)" -eq 1 ] && [ "$(ends | wc -l)" -eq 1 ] || fail "one loop with one exit"
objdump -d --no-show-raw-insn --start-address="0x$(ends)" "$lines" | grep -A2 "$(ends):" |
	grep -q ret || fail "the exit is not the return"
refuse 'use2 has no loop|none of' --loop --line 1 "$lines" use2
refuse 'tail_call has no loop' --loop "$cases" tail_call

# IFUNC: every implementation; for libc's, first the one that runs here.
expect_status 0 "$CHOP" marks "$cases" picked
[ "$(begins | sort)" = "$(nm "$cases" | sed -n 's/^0*\([0-9a-f]*\) t pick_[ab]$/\1/p' | sort)" ] ||
	fail "not pick_a and pick_b"
expect_error_match 'picked has 2 implementations; which one is used is chosen when'
cat >where.c <<'X'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
int main(void)
{
	void *(*volatile f)(void *, const void *, size_t) = memcpy;
	Dl_info info;
	dladdr(dlsym(RTLD_DEFAULT, "puts"), &info);
	printf("%lx\n", (unsigned long)((char *)f - (char *)info.dli_fbase));
}
X
gcc -O0 where.c -o where || fail gcc
expect_status 0 "$CHOP" marks ./where memcpy
expect_match '^-module libc.so.6$'
[ "$(begins | head -n 1)" = "$(./where)" ] || fail "memcpy is $(./where) here, not first"
# The version that a program imports; one that is asked for.
expect_status 0 "$CHOP" marks ./where memcpy@GLIBC_2.2.5
libc=$(ldd ./where | awk '$1 == "libc.so.6" { print $3 }')
[ "$(begins | tail -n 1)" != "$(./where)" ] || fail "the versions are the same"
expect_status 0 "$CHOP" marks "$libc" memcpy@GLIBC_2.2.5
refuse 'no function memcpy@GLIBC_9.9' "$libc" memcpy@GLIBC_9.9
echo '__asm__(".symver memcpy, memcpy@GLIBC_2.2.5");' >old.c && cat where.c >>old.c
if gcc -O0 -fno-builtin old.c -o old 2>/dev/null && readelf -Ws old | grep -q 'memcpy@GLIBC_2.2.5'; then
	expect_status 0 "$CHOP" marks ./old memcpy
	cp "$OUT" imported
	expect_status 0 "$CHOP" marks ./old memcpy@GLIBC_2.2.5
	expect_output <imported
fi

# Separate debug files, by link (checksum) and by build id.
need objcopy strip
cp "$lines" whole && chmod u+w whole
objcopy --only-keep-debug whole whole.debug
strip -o linked whole && objcopy --add-gnu-debuglink=whole.debug linked
expect_status 0 "$CHOP" marks ./whole nested
cp "$OUT" wanted
expect_status 0 "$CHOP" marks ./linked nested
expect_output <wanted
expect_status 0 "$CHOP" marks ./linked "marks_lines.c:$body"
expect_output <by-line
# One that belongs to another build is not used.
gcc -g -O1 "$source_file" -o other && objcopy --only-keep-debug other whole.debug
refuse 'no function nested' ./linked nested
