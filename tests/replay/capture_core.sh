#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A program dies inside the region: its core dump has all its memory, wherever that was.
. "$(dirname "$0")/../lib.sh"
program=$PROG/capture_world
. "$TESTS/replay/capture_lib.sh"

pattern=$(cat /proc/sys/kernel/core_pattern)
[[ $pattern != [/\|]* ]] || skip "core dumps do not come into the working directory: core_pattern is $pattern"

for backend in $backends; do
	rm -rf t core*
	timeout 60 "$CHOP" trace -backend $backend -function region -indices 0 -trace-dir t -- \
		"$program" dies >"$OUT" 2>"$ERR"
	[ $? -eq 1 ] || { show_output; fail "$backend: dies: not status 1"; }
	expect_one_error 'got SIGSEGV at dies_in.*which ends the program'
	expect_match '^dies intact$'
	core=$(echo core*)
	[ -e "$core" ] || fail "no core dump"
	python3 - "$core" "$(tail -n 1 "$OUT")" >missing <<'END' || fail "$backend: $(cat missing)"
import struct, sys
data, array = open(sys.argv[1], "rb").read(), int(sys.argv[2], 16)
start, count = struct.unpack_from("<Q", data, 32)[0], struct.unpack_from("<H", data, 56)[0]
found = {}
for i in range(count):
    kind, _, at, address, _, size = struct.unpack_from("<IIQQQQ", data, start + i * 56)
    for page in range(array, array + 64 * 4096, 4096):
        if kind == 1 and address <= page < address + size:
            found[page] = struct.unpack_from("<Q", data, at + page - address)[0]
wrong = [hex(p) for p in range(array, array + 64 * 4096, 4096) if found.get(p) != p ^ 0x5a5a5a]
print("not in the core dump:", *wrong)
sys.exit(bool(wrong))
END
done
exit 0
