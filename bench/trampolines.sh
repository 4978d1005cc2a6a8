#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a patched function entry costs, and how many functions can be patched. Run by bench/run.sh.
. "$TOP/bench/lib.sh"
need ldd xz perl
need_trace
many=$(full_or_quick 20000000 20000) few=$(full_or_quick 20000 200)

echo "A call of a small function, patched: ns, and what the patch adds"
echo
"$BENCH/trampoline_stub" $(full_or_quick "" 10000) || exit 1
echo
echo "An invocation passed over by chop trace -indices: ns, with the program's own time subtracted"
echo
far=$BUILD/tests/prog/trampoline_far refused=$BUILD/tests/prog/trampoline_refused
passed() { # CALLS PROGRAM FUNCTION TITLE: the last invocation against the first
	read -r first _ < <("$BENCH/wall" "$(runs_or 5)" chop trace -function "$3" -indices 0 \
		-trace-dir "$3.first.{}" -- "$2" "$1")
	read -r last _ < <("$BENCH/wall" "$(runs_or 5)" chop trace -function "$3" -indices $(($1 - 1)) \
		-trace-dir "$3.last.{}" -- "$2" "$1")
	awk -v n="$1" -v first="$first" -v last="$last" -v name="$4" \
		'BEGIN { printf "%-46s %10.1f\n", name, (last - first) * 1000 / n }'
}
passed "$many" "$far" far "counted by a jump, $many calls"
passed "$few" "$refused" refused "a stop at each (cannot be patched), $few"
echo
echo "Functions that can be patched"
echo
libc=$(ldd /bin/ls | awk '/libc\.so/ { print $3 }')
lzma=$(ldd "$(command -v xz)" | awk '/liblzma/ { print $3 }')
more=$(ls /usr/lib/*-linux-gnu/lib{stdc++.so.6,crypto.so.3,sqlite3.so.0} 2>/dev/null)
exec "$BENCH/trampoline_survey" "$libc" $lzma $more "$(command -v perl)"
