#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Finding one function in a program of about 100 MB with debug information. Run by bench/run.sh.
. "$TOP/bench/lib.sh"
need g++ objcopy objdump gdb nm
runs=$(runs_or 9)

cat >unit.cc <<'X'
#include <map>
#include <string>
#ifdef QUICK
#define MATCHES(word) (*(word) == 97)
#else
#include <regex>
#define MATCHES(word) std::regex_match(word, std::regex("a+(b|c)*"))
#endif
namespace unit {
struct Matcher {
	std::map<std::string, int> found;
	int run(int count, char **words)
	{
		for (int i = 0; i < count; i++)
			found[words[i]] = MATCHES(words[i]);
		return (int)found.size();
	}
};
int run(int count, char **words) { return Matcher().run(count, words); }
}
X
g++ -g -O0 $(full_or_quick "" -DQUICK) -c unit.cc -o unit0.o || exit 1
copies=$(full_or_quick 150 3)
echo 'int main(int c, char **v) { int r = 0;' >main.body
for ((i = 1; i < copies; i++)); do
	objcopy --redefine-sym _ZN4unit3runEiPPc=unit_run_$i unit0.o unit$i.o || exit 1
	echo "extern \"C\" int unit_run_$i(int, char **);" >>main.cc
	echo "r += unit_run_$i(c, v);" >>main.body
done
cat main.body >>main.cc
echo 'return r; }' >>main.cc
g++ -g main.cc unit*.o -o large || exit 1
rm -f unit*.o

us() { "$BENCH/wall" "$@" | cut -d' ' -f1; }
symbol=unit_run_$((copies / 2))
plain=$(us "$runs" chop marks large $symbol) || exit 1
cxx=$(us "$runs" chop marks large unit::run) || exit 1
line=$(us "$runs" chop marks large main.cc:$((2 * copies))) || exit 1
address=$(us "$runs" gdb -nx -batch -ex "info address $symbol" large) || exit 1
table=$(us "$runs" sh -c "nm large | grep -w $symbol") || exit 1
some=$(us "$runs" objdump -d --disassemble=$symbol large) || exit 1
whole=$(us "$(runs_or 3)" sh -c "objdump -d large | awk '/<$symbol>:/,/^\$/' | grep -w ret") || exit 1

echo "One function of a program of $(($(stat -c %s large) / 1000000)) MB with debug information; medians"
echo
printf '%-52s %10s %8s\n' '' us ratio
row() { awk -v name="$1" -v t="$2" -v base="$plain" 'BEGIN {
	printf "%-52s %10d %8.1f\n", name, t, t / base }'; }
row "chop marks NAME" "$plain"
row "chop marks C++ NAME" "$cxx"
row "chop marks FILE:LINE" "$line"
row "nm | grep (no ends)" "$table"
row "gdb -batch -ex 'info address NAME' (no ends)" "$address"
row "objdump -d --disassemble=NAME (no ends)" "$some"
row "objdump -d | awk, the whole program, as ChopStiX" "$whole"
