#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ChopStiX's trace directories: written by chop trace, read by chop import, chop mpt and chop
# detrace, also those of other architectures and damaged ones.
. "$(dirname "$0")/../lib.sh"
need python3 cc
need_facility ptrace userfaultfd userfaultfd-async pagemap-scan
reader=$TESTS/conform/mpt.py

cc -O0 -g -o daxpy "$TOP/examples/tracing/daxpy.c" || exit 1
export TEST_SIZE=200 TEST_ITER=5
trace() { # DIR OPTIONS...
	local dir=$1
	shift
	expect_status 0 chop trace -function daxpy -indices 0,3 -access-trace -trace-dir "$dir" "$@" -- ./daxpy
}
trace dir -layout chopstix
trace packed -layout chopstix -gzip
expect_status 2 chop snippet dir
expect_one_error "dir is in ChopStiX.s layout: chop import makes"
for file in regs info maps _page_count; do
	[ -s dir/$file.1 ] && [ -s packed/$file.1.gz ] || fail "no $file.1"
done
[ "$(ls packed | grep -vc 'gz$')" = 0 ] || fail "files that are not compressed"
[ "$(ls packed | wc -l)" = "$(ls dir | wc -l)" ] || fail "another number of files"
for file in packed/*; do
	gzip -dc "$file" >one
	name=$(basename "$file" .gz)
	[[ $name != page.* || $(stat -c %s one) = 4096 ]] || fail "$file is no page"
	# Memory may hold random numbers, but not code.
	[[ $name != info.* && $name != _breakpoints ]] || cmp one "dir/$name" || fail "$name"
done
# Each page is one, and is where the map has memory.
find dir -name 'page.*' ! -size 4096c | grep . && fail "pages of another size"
[ "$(ls dir | grep -c '^page.0')" = "$(od -An -td4 dir/_page_count.0 | tr -d ' ')" ] ||
	fail "another number of pages than _page_count.0 says"
begin=$(sed -n 's/^begin_addr //p' dir/info.0)
grep -qi "^RIP 0x$begin\$" dir/regs.0 || fail "the begin is not where the registers are"

# Imported and converted it is what the directory itself gives, byte for byte.
for from in dir packed; do
	rm -rf in
	expect_status 0 chop import $from -o in
	expect_status 0 chop mpt in in-$from
	expect_status 0 chop-trace2mpt --trace-dir $from -o of-$from
	for id in 0 1; do
		cmp "in-$from#$id.mps" "of-$from#$id.mps" || fail "imported, it differs"
		expect_status 0 python3 "$reader" --core in/$id.core "of-$from#$id.mpt"
	done
done
# A program makes the same registers and pages each time it runs without randomisation.
trace native
expect_status 0 chop mpt native native
python3 "$reader" 'native#1.mpt' | grep -v '^M' >native.text
python3 "$reader" 'of-dir#1.mpt' | grep -v '^M' >of.text
[ "$(wc -l <native.text)" -gt 500 ] || fail "no code"
cmp <(grep '^C' native.text) <(grep '^C' of.text) || fail "other code than in our own layout"
need gdb
gdb -batch -ex 'info registers rip rsp rdi' -core in/1.core 2>/dev/null |
	awk '$1 ~ /^r/ { print toupper($1), $2 }' >registers
while read -r name value; do
	grep -qi "^$name 0x0*${value#0x}\$" dir/regs.1 || fail "gdb has $name $value"
done <registers
[ "$(wc -l <registers)" = 3 ] || fail "gdb shows no registers"

# The order of first touches: ChopStiX's file, ours, and what stands in it.
expect_status 0 chop-detrace dir/trace.bin
cp "$OUT" order
expect_status 0 chop detrace in
expect_output "$(cat order)"
expect_status 0 chop detrace packed
expect_output "$(cat order)"
[ "$(grep -c '^# trace' order)" = 2 ] || fail "no two captures in trace.bin"
python3 - <<'END' >wanted || exit 1
import struct
words = struct.unpack("<%dq" % (len(open("dir/trace.bin", "rb").read()) // 8), open("dir/trace.bin", "rb").read())
n = 0
for word in words:
    if word == -1: print("# trace", n)
    elif word == -2: n += 1
    elif word != -3: print("%x" % word)
END
cmp wanted order || fail "chop-detrace"

# Accesses in ChopStiX's binary format.
python3 - <<'END'
import struct
open("memory_trace.bin", "wb").write(struct.pack("<12q", 0x401000, 0x7fff0, 0, 0, 0x401004, 0x601000, 1, 0,
                                                 0x401008, 0x401008, 0, 1))
END
expect_status 0 chop-detrace-mem memory_trace.bin
expect_output 'D R 0x000000000007FFF0 8 ; Data read of 8 bytes from 0x0000000000401000
D W 0x0000000000601000 8 ; Data write of 8 bytes from 0x0000000000401004
I R 0x0000000000401008 8 ; Code read of 8 bytes from 0x0000000000401008'
expect_status 0 chop detrace -m memory_trace.bin
truncate -s -8 memory_trace.bin
expect_status 2 chop detrace -m memory_trace.bin
expect_one_error 'memory_trace.bin is damaged: 88 bytes are not records of 32'

# A trace of another machine: registers and code go through as they are.
mkdir riscv
printf 'x0 0x0\nx1 0x10a2c\nx2 0x3ffffff0\n' >riscv/regs.0
printf 'begin_addr 0000000000010400\n' >riscv/info.0
printf '00010000-00011000 r-xp 00000000 00:00 1 /bin/x\n00012000-00013000 rw-p 00000000 00:00 0\n' >riscv/maps.0
python3 -c 'open("riscv/page.0.10000", "wb").write(bytes(range(256)) * 16)'
head -c 4096 /dev/zero >riscv/page.0.12000
expect_status 0 chop-trace2mpt --trace-dir riscv -o riscv.out
expect_status 0 python3 "$reader" 'riscv.out#0.mpt'
expect_match '^R x1 0x10a2c$'
expect_match '^R PC 0x10400$'
expect_match '^C 10000 03020100$'
expect_status 2 chop import riscv -o no
expect_one_error 'riscv/regs.0: x0 is no register of this architecture'
[ -e no ] && fail "a directory without captures"

# Damaged ones.
damage() { # COMMAND...
	rm -rf bad no
	cp -r dir bad
	"$@"
	expect_status 2 chop import bad -o no
}
page=$(basename "$(ls -d dir/page.1.* | tail -n 1)")
damage truncate -s 4000 "bad/$page"
expect_one_error "bad/$page is damaged: it holds 4000 bytes"
expect_status 2 chop mpt bad damaged
expect_one_error "bad/$page is damaged"
damage rm bad/regs.1
expect_one_error 'bad/regs.1 is missing: capture 1 was traced with -no-registers'
damage rm bad/info.0
expect_one_error 'bad/info.0 is missing'
damage rm bad/maps.0
expect_one_error 'bad/maps.0 is missing'
damage sh -c 'echo nonsense >bad/info.0'
expect_one_error 'bad/info.0 is damaged: no line "begin_addr HEX"'
damage sh -c 'echo nonsense >bad/maps.0'
expect_one_error 'bad/maps.0 is damaged in line 1'
damage sh -c 'echo RAX 12 >bad/regs.0'
expect_one_error 'bad/regs.0: line 1 is not NAME 0xVALUE'
damage truncate -s 12345 bad/trace.bin
expect_one_error 'trace.bin is damaged: 12345 bytes are no 64-bit numbers'
damage sh -c 'echo x >"bad/page.0.123"'
expect_one_error 'bad/page.0.123 is damaged'
damage sh -c 'rm "bad/'$page'"; gzip -c dir/regs.0 | head -c 60 >"bad/'$page'.gz"'
expect_one_error "$page.gz is damaged"
# One page fewer than were touched is told and does no harm.
rm -rf bad no
cp -r dir bad
rm "bad/$page"
expect_status 0 chop import bad -o no
expect_error_match 'warning: bad: capture 1 touched [0-9]+ pages, and [0-9]+ are there'
# Without the page of the begin there is nothing to convert.
rm "bad/page.1.$(printf '%x' $((0x$begin & ~4095)))"
expect_status 2 chop mpt bad bad.out
expect_error_match 'capture 1 holds no code at its begin'

mkdir empty
expect_status 2 chop import empty -o no2
expect_one_error 'empty is no trace directory of ChopStiX'
expect_status 2 chop import nowhere -o no2
expect_one_error 'cannot open trace directory nowhere'
expect_status 2 chop import dir -o in
expect_one_error 'in exists already'
expect_status 2 chop trace -layout other -function f -trace-dir no2 -- true
expect_one_error "'other' is neither chop nor chopstix"
expect_status 2 chop detrace nowhere
expect_one_error 'nowhere'
exit 0
