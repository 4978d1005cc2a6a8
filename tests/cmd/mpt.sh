#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop mpt on captures of a real program, its files read by an independent parser and
# compared with the core file byte for byte; the format's traps in names; bad input.
. "$(dirname "$0")/../lib.sh"
need python3 xz
reader=$TESTS/conform/mpt.py

seq 2000 >input
expect_status 0 chop trace -function lzma_code -indices 0,1 -trace-dir dir -- xz -c -T1 input

expect_status 0 chop mpt --trace-dir dir -o lzma
expect_output 'mpt: lzma#0.mpt
mps: lzma#0.mps
mpt: lzma#1.mpt
mps: lzma#1.mps'
for id in 0 1; do
	expect_status 0 python3 "$reader" --core dir/$id.core "lzma#$id.mpt"
	expect_match 'pages equal'
done
# The registers are those gdb shows.
need gdb
rip=$(gdb -batch -ex 'p/x $rip' -ex 'p/x $rsp' -core dir/1.core 2>/dev/null | sed -n 's/^\$1 = //p')
expect_status 0 python3 "$reader" 'lzma#1.mpt'
expect_match "^R PC $rip\$"
expect_match "^R RIP $rip\$"
names="rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip"
for name in $names; do
	echo "printf \"R ${name^^} 0x%lx\\n\", (unsigned long)\$$name"
done >gdb.commands
for n in 0 1 2 3 15; do
	echo "printf \"L $n %016lx%016lx\\n\", \$xmm$n.v2_int64[1], \$xmm$n.v2_int64[0]"
done >>gdb.commands
gdb -batch -x gdb.commands -core dir/1.core 2>/dev/null | grep '^[RL] ' >gdb.registers
[ "$(grep -c '^R' gdb.registers)" = 17 ] || fail "gdb shows other registers: $(cat gdb.registers)"
while read -r kind name value; do
	if [ "$kind" = R ]; then
		expect_match "^R $name $value\$"
	else # the low half of a wider register
		got=$(sed -n "s/^R [XYZ]MM$name 0x//p" "$OUT")
		got=00000000000000000000000000000000$got
		[ "${got: -32}" = "$value" ] || fail "vector register $name: $got, gdb has $value"
	fi
done <gdb.registers

# Names the format treats specially, compressed, the short form, one capture.
expect_status 0 chop-trace2mpt -i 1 -o '50% of #1' --trace-dir dir --gzip
expect_output 'mpt: 50% of #1#1.mpt.gz
mps: 50% of #1#1.mps.gz'
expect_status 0 python3 "$reader" --core dir/1.core '50% of #1#1.mpt.gz'
expect_status 0 chop mpt dir short
expect_status 0 cmp 'short#0.mps' 'lzma#0.mps'

# Without the pages above an address.
expect_status 0 chop mpt dir low --max-address 7ffffff00000 -i 0
[ "$(grep -c '^M 00007ffffff' 'low#0.mps')" = 0 ] || fail "pages above --max-address"
grep -q '^M 00007ffffff' 'lzma#0.mps' || fail "no stack page without --max-address"

expect_status 2 chop mpt dir short
expect_errors 'chop: mpt: short#0.mpt exists; remove it or choose another name'
expect_status 2 chop mpt dir x -i 7
expect_errors 'chop: mpt: dir has no capture 7; it has 2, from 0 to 1'
expect_status 2 chop mpt --trace-dir dir
expect_errors 'chop: mpt: no output name; use -o OUT'
expect_status 2 chop mpt nowhere x
expect_error_match '^chop: mpt: cannot open trace directory nowhere'
expect_status 2 chop mpt dir missing/x
expect_error_match '^chop: mpt: cannot create missing/x#0.mpt: No such file'
# What the format cannot say, and captures that lack what it needs.
expect_status 2 chop mpt dir 'a ;b'
expect_one_error "an MPT file cannot name 'a ;b#0.mps'"
expect_status 0 chop mpt dir 'a;b' -i 0
expect_status 0 python3 "$reader" --core dir/0.core 'a;b#0.mpt'
expect_status 0 chop trace -function lzma_code -indices 0 -no-registers -trace-dir bare -- xz -c -T1 input
expect_status 2 chop mpt bare bare
expect_one_error 'capture 0 holds no registers .traced with -no-registers'
expect_status 0 chop trace -function lzma_code -indices 0 -no-code -trace-dir codeless -- xz -c -T1 input
expect_status 2 chop mpt codeless bare
expect_one_error 'capture 0 holds no code at its begin'
[ -e 'bare#0.mpt' ] && fail "an output of what was refused"
truncate -s -100 dir/1.core
expect_status 2 chop mpt dir damaged -i 1
[ -e 'damaged#1.mpt' ] && fail "a damaged capture made a file"
exit 0
