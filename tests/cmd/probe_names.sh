#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop probe: C++ functions in namespaces, members, templates and overloads, by name and pattern,
# with their variables; built by gcc, and by clang, which describes them inside of namespaces.
. "$(dirname "$0")/../lib.sh"
need_facility bpf uprobe
own probe_names
probe() { chop probe -q -o result "$@"; }

check() { # PROGRAM
	local program=$1 name
	name=$(basename "$program")
	# Begins with an inlined function whose argument is called like one of its own.
	expect_status 0 probe 'u::shop::total(count, list)' -- "$program"
	[ "$(grep -o '(count=[0-9]*, list=0x' result | tr -cd '0-9\n')" = "00
10
20" ] || fail "$name: $(cat result)"
	expect_status 0 probe 'u::shop::Order::price(this->count, this->customer, each)' -- "$program"
	[ "$(grep -c '(this->count=3, this->customer="anna", each=[012])$' result)" = 3 ] ||
		fail "$name: $(cat result)"
	expect_status 0 probe 'u::work*(*)' -- "$program"
	[ "$(grep -c '(n=[012])$' result) $(grep -c '(text="a")$' result)" = "3 3" ] ||
		fail "$name: $(cat result)"
	# A pattern of the name, without the type that templates return.
	expect_status 0 probe -c 'u::shop::twice*' -- "$program"
	[ "$(awk '{ sum += $1 } END { print NR, sum }' result)" = "3 6" ] || fail "$name: $(cat result)"
	expect_status 0 probe -c 'u::shop::*' -- "$program"
	[ "$(awk '{ sum += $1 } END { print NR, sum }' result)" = "5 12" ] || fail "$name: $(cat result)"
	# The list tells what can be asked for.
	expect_status 0 chop probe -l "u:$program:shop::*"
	[ "$(wc -l <"$OUT") $(grep -c '(list, count)$\|(this, each)$\|(value)$' "$OUT")" = "4 4" ] ||
		{ show_output; fail "$name: -l"; }
	expect_status 2 probe 'u::shop::twice' -- "$program"
	expect_error_match "has 2 functions shop::twice; write one in full"
	expect_status 0 probe -c 'u::shop::twice<long>' -- "$program"
	[ "$(awk '{ sum += $1 } END { print sum }' result)" = 3 ] || fail "$name: $(cat result)"
}

check "$OWN"
if command -v clang++ >/dev/null && clang++ -O1 -g -o names_clang "$TESTS/prog/probe_names.cc"; then
	check "$PWD/names_clang"
fi
exit 0
