#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every command of commands.txt has --help, and a manual page that names each of its options;
# chop(1) lists them all; man renders without complaint. What the manuals name of the tree is there.
. "$(dirname "$0")/../lib.sh"

commands=$(awk -F'[ \t]*[|][ \t]*' '!/^#/ && NF >= 4 { print $1 }' "$TOP/commands.txt")
[ -n "$commands" ] || fail "no commands"
sed 's/\\f[BIR]//g; s/\\-/-/g' "$BUILD/man/chop.1" >chop.1 # without its fonts
for name in $commands; do
	page=$TOP/docs/chop-$name.1.scd
	[ -e "$page" ] || fail "$name has no manual page docs/chop-$name.1.scd"
	expect_status 0 chop "$name" --help
	expect_match "^Usage: chop $name"
	expect_errors ''
	# The options of every command are in chop(1).
	sed '/^Everywhere:/,/^$/d' "$OUT" |
		grep -oE -- '^  (-.,|   ) --[a-z0-9-]+' | grep -oE -- '--[a-z0-9-]+' |
		while read -r option; do
			# scdoc wants a backslash before some characters.
			tr -d '\\' <"$page" | grep -qE -- "[*_]-{1,2}${option#--}[*_= ]" ||
				echo "docs/chop-$name.1.scd does not tell of $option"
		done >undocumented
	[ -s undocumented ] && fail "$(cat undocumented)"
	grep -q "^chop-$name(1)" chop.1 || fail "$name is not in chop(1)"
	# The summary is the one everywhere.
	grep -q "^chop-$name - " "$page" || fail "docs/chop-$name.1.scd has no NAME line"
done

need scdoc
for page in "$TOP"/docs/*.scd; do
	scdoc <"$page" >page 2>errors || fail "$page: $(cat errors)"
done

# Words like src/base/buf.c, and tests as cmd/docs; not patterns, and not NAMEs to be filled in.
cd "$TOP" || exit 1
named() { # TOPS
	grep -ohE "(^|[^[:alnum:]/_.-])($1)/[[:alnum:]_./*{}<>,-]+" README.md CONTRIBUTING.md docs/*.scd docs/design/*.md |
		sed -E 's/^[^[:alnum:]]//; s/[.,:/]+$//' | grep -v '[*{<]\|[A-Z]\{3\}' | sort -u
}
for name in $(named 'src|tests|bench|mk|docs|include|runtime|bpf|data|preload|examples'); do
	for file in "$name"{,.c,.h,.S,.sh}; do
		[ -e "$file" ] && continue 2
	done
	fail "the manuals name $name; there is no such file"
done
for name in $(named 'cmd|replay|conform|unit'); do
	for file in tests/"$name"{,.sh,.py,.c,_test.c}; do
		[ -e "$file" ] && continue 2
	done
	fail "the manuals name the test $name; there is no tests/$name.sh"
done
