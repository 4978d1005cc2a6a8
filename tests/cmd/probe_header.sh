#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop/probe.h: the notes other tools read, in C and C++; a nop and nothing else where no
# argument has to be computed.
. "$(dirname "$0")/../lib.sh"
need readelf gdb gcc g++ objdump
own probe_points
points=$OWN

readelf -nW "$points" >notes
[ "$(grep -c 'Provider: shop' notes)" -eq 5 ] || fail "$(cat notes)"
grep -A2 'Name: taken' notes | grep -q 'Arguments: -4@%edi 8@%rsi' || fail "$(grep -A2 taken notes)"
gdb -nx -batch -ex 'info probes stap shop' "$points" >probes 2>&1
[ "$(grep -c '^stap *shop ' probes)" -eq 5 ] || fail "$(cat probes)"
# gdb computes arguments by the notes.
gdb -nx -batch -ex 'break -probe-stap shop:taken' -ex 'set confirm off' -ex run -ex continue \
	-ex 'printf "%d %s\n", $_probe_arg0, (char *)$_probe_arg1' --args "$points" calls 2 >stopped 2>&1
grep -q '^1 odd$' stopped || fail "$(tail -n 5 stopped)"

cat >plain.c <<'C'
#include <chop/probe.h>
long f(long a, long b)
{
#ifdef POINT
	CHOP_PROBE(plain, point, a, b);
#endif
	return a + b;
}
C
code() { objdump -d --no-show-raw-insn "$1" | sed -n 's/^ *[0-9a-f]*:\t\([a-z]*\).*/\1/p'; }
for compiler in gcc clang; do
	command -v $compiler >/dev/null || continue
	for level in -O1 -O2; do
		$compiler -Wall -Wextra -Werror -std=c11 $level -I"$TOP/include" -c plain.c -o without.o || fail $compiler
		$compiler -Wall -Wextra -Werror -std=c11 $level -I"$TOP/include" -DPOINT -c plain.c -o with.o || fail $compiler
		diff <(code without.o) <(code with.o | sed '0,/^nop$/{/^nop$/d}') >difference ||
			fail "$compiler $level: $(cat difference)"
	done
done

cat >cxx.cc <<'CC'
#include <chop/probe.h>
CHOP_PROBE_SEMAPHORE(cxx, asked);
enum kind { ONE, TWO };
template <class T> struct box {
	T value;
	__attribute__((noinline)) void show(const T &other)
	{
		CHOP_PROBE(cxx, shown, value, other, this, TWO, true, "text");
		if (CHOP_PROBE_ENABLED(cxx, asked))
			CHOP_PROBE_ASKED(cxx, asked, value);
	}
};
int main(int argc, char **)
{
	box<int> a = { argc };
	box<unsigned long> b = { 2 };
	a.show(5);
	b.show(6);
	CHOP_PROBE(cxx, done);
	return 0;
}
CC
for compiler in g++ clang++; do
	command -v $compiler >/dev/null || continue
	for level in '-O0 -std=c++98' '-O2 -std=c++17' '-O2 -fPIC -pie'; do
		$compiler -Wall -Wextra -Werror $level -I"$TOP/include" cxx.cc -o cxx || fail "$compiler $level"
		./cxx || fail "$compiler $level"
		readelf -nW cxx >notes
		[ "$(grep -c 'Provider: cxx' notes)" -eq 5 ] || fail "$compiler $level: $(cat notes)"
		grep -q 'Arguments: -4@[^ ]* -4@[^ ]* 8@[^ ]* -4@\$1 -4@\$1 8@' notes || fail "$(cat notes)"
		grep -q 'Arguments: 8@[^ ]* 8@[^ ]* 8@[^ ]* -4@\$1 -4@\$1 8@' notes || fail "$(cat notes)"
	done
done

# bpftrace and perf, where they are and may.
if command -v bpftrace >/dev/null && chop check bpf uprobe >/dev/null; then
	bpftrace -l "usdt:$points:*" >list 2>&1
	[ "$(grep -c ':shop:' list)" -eq 4 ] || fail "$(cat list)"
fi
if command -v perf >/dev/null; then
	perf --buildid-dir "$PWD/ids" buildid-cache --add "$points" 2>/dev/null
	perf --buildid-dir "$PWD/ids" list sdt >list 2>&1
	grep -q 'sdt_shop:taken' list || fail "$(cat list)"
fi
exit 0
