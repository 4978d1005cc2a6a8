#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# make install puts everything where it belongs, works from there, and uninstall takes it away.
. "$(dirname "$0")/../lib.sh"

san=
[[ $BUILD == */san ]] && san=SAN=1
install() { make -C "$TOP" -s $san "$1" DESTDIR="$PWD/root" PREFIX=/usr; }
expect_status 0 install install
chop=$PWD/root/usr/bin/chop
expect_status 0 "$chop" --version
awk -F'[ \t]*[|][ \t]*' '!/^#/ && NF >= 4 { print $1, $2 }' "$TOP/commands.txt" >commands
while read -r name aliases; do
	[ -s "root/usr/share/man/man1/chop-$name.1" ] || fail "no manual page of $name"
	for alias in ${aliases//,/ }; do
		[ "$alias" = - ] && continue
		expect_status 0 "$chop" "$alias" --help
		[[ $alias == chop-* || $alias == catcher ]] || continue
		[ "$(readlink "root/usr/bin/$alias")" = chop ] || fail "no link $alias"
		expect_status 0 "root/usr/bin/$alias" --help
		expect_match "^Usage: chop $name"
	done
done <commands
[ -s root/usr/share/man/man1/chop.1 ] || fail "no chop(1)"
bash -n root/usr/share/bash-completion/completions/chop || fail "bash completion"
[ -s root/usr/share/zsh/site-functions/_chop ] || fail "no zsh completion"

[ -s root/usr/lib/chop/libchop-interpose.so ] || fail "no libchop-interpose.so"
chop_needs=$("$chop" trace -interpose -function x -trace-dir t -- /bin/true 2>&1)
[[ $chop_needs == *"no function 'x'"* ]] || fail "-interpose: $chop_needs"

# Each header can be used alone.
for header in root/usr/include/chop/*.h; do
	echo "#include <chop/${header##*/}>" >use.c
	expect_status 0 cc -std=c17 -Wall -Werror -fsyntax-only -Iroot/usr/include use.c
done

expect_status 0 install uninstall
left=$(find root -type f -o -type l)
[ -z "$left" ] || fail "left behind: $left"
