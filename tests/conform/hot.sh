#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The five hottest functions of five programs: chop hot beside perf record.
. "$(dirname "$0")/../lib.sh"
need perf python3 g++ perl
need_facility software-clock
perf record -q -e cpu-clock -o probe -- true >/dev/null 2>&1 || skip "perf record does not work here"

cat >words.cc <<'END'
#include <map>
#include <regex>
#include <string>
int main()
{
	std::map<std::string, long> found;
	std::regex pattern("a+(b|c)*[0-9]?");
	for (long i = 0; i < 150000; i++) {
		std::string word = "aabcbc" + std::to_string(i % 1000);
		found[word] += std::regex_match(word, pattern);
	}
	return found.size() > 5000;
}
END
g++ -O1 -g -o words words.cc || fail "g++"

compare() { # COMMAND...
	echo "$*"
	"$CHOP" hot -q -n 100000 -j -o hot.json -- "$@" >/dev/null 2>&1
	perf record -q -F 4000 -e cpu-clock -o perf.data -- "$@" >/dev/null 2>&1
	perf report -i perf.data -q --stdio -g none --no-demangle --sort dso,sym -t '|' \
		>perf.txt 2>/dev/null
	[ -s perf.txt ] || skip "perf report does not work here"
	python3 "$TESTS/conform/hot.py" hot.json perf.txt
}
agree() { # COMMAND...
	# Machines are busy with other things, too: one of three comparisons must do.
	compare "$@" || compare "$@" || compare "$@" || fail "not as perf: $*"
}
agree "$PROG/hot_spots" 500
agree ./words
agree perl -e 'my %h; for my $i (1 .. 600000) { $h{($i * 7919) % 1009} .= chr(65 + $i % 26) } my $n = 0; $n += length for values %h; print "$n\n"'
agree "$CHOP" marks --all "$(ldd /bin/ls | awk '/libc\.so/ { print $3 }')"
seq 1 400000 >numbers
agree sort -n -r numbers
exit 0
exit 0
