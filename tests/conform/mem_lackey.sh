#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The accesses of regions, record for record and at the same addresses, as valgrind's lackey sees
# them when it runs the snippet. The known differences (mem_lackey.py lists them) are counted.
. "$(dirname "$0")/../lib.sh"
need_facility ptrace userfaultfd userfaultfd-async pagemap-scan seccomp
need valgrind python3

# The C library must choose functions that valgrind's processor has, too.
off=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX,-BMI2,-ERMS,-FSRM,-RTM,-SSSE3,-SSE4_1,-SSE4_2
off=$off,-Fast_Unaligned_Copy,-Prefer_No_VZEROUPPER,-AVX_Fast_Unaligned_Load
export GLIBC_TUNABLES=glibc.cpu.hwcaps=$off LD_BIND_NOW=1

# A snippet of the region and our trace of it.
record() { # FUNCTION MODULE INVOCATION COMMAND...
	local name=$1 module=$2 invocation=$3
	shift 3
	expect_status 0 chop trace -q -function "$name" -module "$module" -indices "$invocation" \
		-trace-dir "$name" -- "$@"
	expect_status 0 chop mem "$name" -o "$name.mem"
	expect_match "^equal: $name invocation $invocation,"
	expect_status 0 chop convert -q "$name.mem" --to lackey -o "$name.ours"
	expect_status 0 chop snippet -q "$name" -o "$name.snippet"
}

# Where nothing differs but the text says so; valgrind's own x87 control word ends up different.
same() { # FUNCTION DIFFERENCES [VALGRIND OPTION]
	valgrind "${3:---vex-guest-chase=no}" --tool=lackey --trace-mem=yes --log-file=lackey \
		"./$1.snippet" --friendly >snippet.out 2>&1
	python3 "$TESTS/conform/mem_lackey.py" lackey "$1.ours" >"$OUT" 2>&1 ||
		fail "$1: $(cat "$OUT") ($(tail -n 1 snippet.out))"
	expect_match "^[0-9]+ records; $2\$"
}

for name in sum fibonacci x87 sorted; do
	record $name mem_cases 1 "$PROG/mem_cases" $name
	same $name 'no difference'
done
record strings mem_cases 1 "$PROG/mem_cases" strings
same strings 'repeated [0-9]+' # the C library's memset
# With valgrind's defaults two conditions after each other are evaluated as one.
same sorted 'both [1-9][0-9]*' --vex-guest-chase=yes

while read -r name differences; do
	record "$name" mem_kinds 1 "$PROG/mem_kinds" "$name"
	same "$name" "$differences"
done <<'END'
repeated repeated 137, cmps 1
bits bt 10, string 3
exchanges locked 3
stack no difference
floats no difference
environments pieces 2
vectors dead 2, masked 1
END

# A program people use; of a region without system calls, which valgrind lets nobody catch.
if command -v bzip2 >/dev/null; then
	seq 1 500 >numbers
	record BZ2_bzCompress libbz2.so.1.0 0 bzip2 -c numbers
	same BZ2_bzCompress '(no difference|[a-z]+ [0-9]+.*)'
fi
exit 0
