#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop maps against what a program started without randomisation finds itself.
. "$(dirname "$0")/../lib.sh"
need setarch gcc
source_file=$TESTS/prog/maps_print.c

# Every address the program prints about itself is what chop maps says.
compare() { # PROGRAM SYMBOL...
	local program=$1 symbol
	shift
	LD_BIND_NOW=1 setarch -R "$program" >real || fail "$program does not run"
	for symbol in "$@"; do
		expect_status 0 env MAPS_TELL=1 "$CHOP" maps "$program" "$symbol"
		expect_errors ""
		[ "$(cat "$OUT")" = "$(awk -v name="$symbol" '$1 == name { print $2 }' real)" ] ||
			fail "$program $symbol: $(cat "$OUT"), but $(cat real)"
	done
}

build() { # NAME FLAGS...
	local name=$1
	shift
	gcc -rdynamic "$@" "$source_file" -o "$name" || fail "gcc $*"
}

build pie
build aligned -Wl,-z,max-page-size=0x200000
build nopie -no-pie
build static -static
build static-pie -static-pie
compare "$PWD/pie" maps_function maps_data environ
compare "$PWD/aligned" maps_function maps_data
compare "$PWD/nopie" maps_function maps_data
compare "$PWD/static" maps_function maps_data
# What needs a start: libraries, and static programs that go anywhere.
if chop check ptrace >/dev/null; then
	compare "$PWD/pie" qsort memcpy
	compare "$PWD/aligned" qsort memcpy
	compare "$PWD/nopie" qsort
	compare "$PWD/static-pie" maps_function maps_data
	expect_status 0 env MAPS_TELL=1 "$CHOP" maps ./pie
	expect_match '^0x555555554000 0x[0-9a-f]+ r-- 0x555555554000 .*/pie$'
	expect_match ' r-x 0x7fff[0-9a-f]+ .*/libc\.so\.6$'
	expect_errors ""
fi

# The old name: the address on stdout, segments on stderr; 0 for a static program.
expect_status 0 chop-marks-dyn-addr "$PWD/pie" maps_function
compare_with=$(setarch -R ./pie | awk '$1 == "maps_function" { print $2 }')
expect_output "$compare_with"
expect_error_match '^chop-marks-dyn-addr: name: "" \(4 segments\)$'
expect_error_match '1: \[0x555555555000 \(base: 0x555555554000\); memsz: .*\] flags: 0x5; PT_LOAD'
expect_status 0 chop-marks-dyn-addr ./static maps_function
expect_output 0

# A running process, randomised as it is; it goes on.
mkfifo hold
./pie wait <hold >running &
pid=$!
exec 3>hold
while ! grep -q environ running; do sleep 0.05; done
for symbol in maps_function maps_data qsort memcpy; do
	expect_status 0 "$CHOP" maps -p $pid $symbol
	expect_output "$(awk -v name=$symbol '$1 == name { print $2 }' running)"
done
expect_status 0 "$CHOP" maps -p $pid -module libc.so.6 qsort
expect_output "$(awk '$1 == "qsort" { print $2 }' running)"
expect_status 0 "$CHOP" maps -p $pid
while read -r start end flags bias path; do
	[ "$flags" = r-x ] || continue
	awk -v path="$path" -v start="$start" '$6 == path { split($1, ends, "-")
		if ("0x" ends[1] == start) found = 1 } END { exit !found }' /proc/$pid/maps ||
		fail "$start $end $bias $path is not in maps"
done <"$OUT"
exec 3>&-
wait $pid || fail "the program did not end well"

refuse() { # REGEX ARGS...
	local regex=$1
	shift
	expect_status 2 "$CHOP" maps "$@"
	expect_output ""
	expect_one_error "$regex"
}
refuse 'no symbol nothing_here in .*pie and its libraries' ./pie nothing_here
refuse 'there is no module libnone.so' -m libnone.so ./pie qsort
refuse 'is a library: where it will be depends' "$(ldd ./pie | awk '$1 == "libc.so.6" { print $3 }')"
refuse 'there is no process 4000000' -p 4000000
refuse 'cannot open ./nowhere' ./nowhere
refuse 'expected PROGRAM \[SYMBOL\], got 0 words'
refuse 'is not an ELF file' /etc/passwd main
