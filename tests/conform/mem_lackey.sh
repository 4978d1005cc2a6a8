#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The accesses of whole regions, record by record, as valgrind's lackey sees them in the whole
# program. Documented difference: fetches of repeated string instructions, which are counted.
. "$(dirname "$0")/../lib.sh"
need_facility ptrace userfaultfd userfaultfd-async pagemap-scan
need valgrind python3 nm

# The C library must choose the same functions on valgrind's processor and on this one.
off=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX,-BMI2,-ERMS,-FSRM,-RTM,-SSSE3,-SSE4_1,-SSE4_2
off=$off,-Fast_Unaligned_Copy,-Prefer_No_VZEROUPPER,-AVX_Fast_Unaligned_Load
export GLIBC_TUNABLES=glibc.cpu.hwcaps=$off LD_BIND_NOW=1

for name in sum fibonacci x87 strings; do
	expect_status 0 chop trace -q -function $name -module mem_cases -indices 1 -trace-dir $name \
		-- "$PROG/mem_cases" $name
	expect_status 0 chop mem $name -o $name.mem
	expect_status 0 chop convert -q $name.mem --to lackey -o $name.ours
	offset=$(nm "$PROG/mem_cases" | awk -v name=$name '$3 == name { print $1 }')
	valgrind --tool=lackey --trace-mem=yes --log-file=$name.lackey "$PROG/mem_cases" $name >/dev/null ||
		fail "valgrind cannot run $name"
	python3 "$TESTS/conform/mem_lackey.py" $name.lackey $name.ours "$offset" >"$OUT" 2>&1 ||
		fail "$name: $(cat "$OUT")"
	expect_match '^[0-9]{4,} records equal, '
done
