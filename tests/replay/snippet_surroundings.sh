#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A snippet runs wherever it is put: with and without address randomisation, found through
# PATH, without privilege, with small stacks; what it cannot have is said in one line.
# Debuggers and binary tools see its code under its name.
. "$(dirname "$0")/../lib.sh"

expect_status 0 chop trace -function sort_region -indices 1 -trace-dir t -- "$PROG/regions"
expect_status 0 chop snippet t -o sort_region.1
expect_output ''
equal='^equal: sort_region invocation 1, registers and [0-9]+ pages \([0-9]+ changed\)$'

works() { # COMMAND...
	expect_status 0 "$@"
	expect_match "$equal"
	expect_errors ''
}

works ./sort_region.1
works setarch -R ./sort_region.1
for i in $(seq 30); do
	works ./sort_region.1
	works setarch -R ./sort_region.1
done
PATH=$PWD:$PATH works sort_region.1
works env -i ./sort_region.1
works bash -c 'exec -a "" ./sort_region.1'
works bash -c 'ulimit -s 64; exec ./sort_region.1'
works bash -c 'ulimit -s unlimited; exec ./sort_region.1'
works bash -c 'ulimit -c 0; ulimit -n 4; exec ./sort_region.1'
works bash -c 'exec ./sort_region.1 <&-'
works ./sort_region.1 --friendly
cp sort_region.1 'with space'
works './with space'
# An environment as big as it gets moves the initial stack's top far down.
works env BIG="$(head -c 100000 /dev/zero | tr '\0' x)" ./sort_region.1

if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	chmod 755 . .. "$TEST_TMP"
	works setpriv --reuid 65534 --regid 65534 --clear-groups ./sort_region.1
fi

# Signals that the starter blocked or ignored are none of its business.
works python3 -c 'import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
signal.signal(signal.SIGSEGV, signal.SIG_IGN)
os.execv("./sort_region.1", ["./sort_region.1"])'

expect_status 5 bash -c 'ulimit -v 400; exec ./sort_region.1'
[ -s "$ERR" ] || fail "no word about too little address space"
expect_status 5 bash -c 'ulimit -d 64; exec ./sort_region.1'
[ "$(wc -l <"$ERR")" -eq 1 ] || fail "no line about RLIMIT_DATA: $(cat "$ERR")"

expect_status 2 ./sort_region.1 --nonsense
expect_errors "sort_region.1: unknown option --nonsense; --help lists the options"
expect_status 0 ./sort_region.1 --help
expect_match '^Usage: sort_region.1 '
expect_match '^Region sort_region of '
expect_status 0 ./sort_region.1 --quiet
expect_output ''
expect_status 2 bash -c './sort_region.1 >/dev/full'
expect_error_match 'stdout cannot be written'

# -- other tools ---------------------------------------------------------------------------
need objdump readelf nm
address=$(nm sort_region.1 | awk '$3 == "sort_region" { print $1 }')
[ -n "$address" ] || fail "no symbol sort_region"
objdump -d sort_region.1 >code 2>/dev/null
grep -q "^$address <sort_region>:$" code || fail "objdump does not show sort_region at $address"
# The same instructions as the program has, up to what the linker knows and we do not.
objdump -d --no-show-raw-insn "$PROG/regions" | awk '/<sort_region>:$/ { on = 1; next }
	on && NF == 0 { exit } on { print $2 }' >theirs
awk '/<sort_region>:$/ { on = 1; next } on && NF == 0 { exit } on' code |
	sed 's/^[^\t]*\t[^\t]*\t//' | awk '{ print $1 }' >ours
head -n "$(wc -l <theirs)" ours | cmp -s - theirs || fail "$(diff ours theirs)"
readelf -hlSsW sort_region.1 >elf 2>errors
[ -s errors ] && fail "readelf: $(cat errors)"
grep -q 'EXEC (Executable file)' elf || fail "not ET_EXEC"
grep -q 'GNU_STACK .* RW ' elf || fail "an executable stack"
grep -Eq 'LOAD .* RWE' elf && fail "a writable and executable segment"

need gdb
gdb -batch -nx -ex 'info symbol 0x'"$address" -ex 'disassemble sort_region,+4' sort_region.1 \
	>before 2>/dev/null
grep -q 'sort_region in section .text' before || fail "gdb: $(cat before)"
grep -q '<sort_region+0>' before || fail "gdb: $(cat before)"
cat >script <<'END'
break enter_region
run
break sort_region
continue
delete
continue
signal SIGTRAP
END
gdb -batch -nx -x script sort_region.1 >after 2>&1 </dev/null
grep -q 'in sort_region ()' after || fail "gdb did not stop in sort_region: $(cat after)"
grep -Eq "$equal" after || fail "gdb: not equal: $(cat after)"

# Another processor altogether: one without AVX-512, and in no need of it.
if command -v qemu-x86_64 >/dev/null; then
	expect_status 0 chop trace -function fib_region -indices 1 -trace-dir q -- "$PROG/regions"
	expect_status 0 chop snippet q -o fib --base 555540000000
	expect_status 0 timeout 60 qemu-x86_64 ./fib --friendly
	expect_match '^equal: fib_region invocation 1, '
else
	echo "qemu-x86_64 is not installed: not tried under it"
fi
