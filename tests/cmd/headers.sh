#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The public headers compile alone, all together in either order, in C and in C++.
. "$(dirname "$0")/../lib.sh"
need gcc g++
headers=$(cd "$TOP/include" && echo chop/*.h)

check() { # WHAT HEADER...
	local what=$1
	shift
	printf '#include <%s>\n' "$@" >all.c
	gcc -std=c11 -Wall -Wextra -Werror -I "$TOP/include" -fsyntax-only all.c >messages 2>&1 ||
		fail "$what, C: $(head -5 messages)"
	g++ -std=c++17 -x c++ -Wall -Wextra -Werror -I "$TOP/include" -fsyntax-only all.c >messages 2>&1 ||
		fail "$what, C++: $(head -5 messages)"
}

for header in $headers; do
	check "$header" "$header"
done
# shellcheck disable=SC2086 # they are words
check "all" $headers
# shellcheck disable=SC2046
check "all, last first" $(echo "$headers" | tr ' ' '\n' | tac)
exit 0
