#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every function of some libraries and programs: chop marks against objdump and readelf; and
# what is found without local symbols against what is found with them.
. "$(dirname "$0")/../lib.sh"
need objdump readelf python3 strip ldconfig

library() { # NAME
	ldconfig -p | awk -v name="$1" '$1 == name && /x86-64/ { print $NF; exit }'
}
for object in "$(library libc.so.6)" "$(library libstdc++.so.6)" "$(library libsqlite3.so.0)" \
	"$(readlink -f /usr/bin/python3)" "$CHOP"; do
	[ -e "$object" ] || continue
	"$CHOP" marks --all "$object" >marks || fail "$object"
	[ -s marks ] || fail "no functions in $object"
	echo "$object:"
	objdump -d --no-show-raw-insn "$object" |
		python3 "$TESTS/conform/marks.py" marks "$object" || fail "$object: differences"
done

# Without local symbols cold parts are known by their frame information alone.
cp "$CHOP" full && chmod u+w full && strip -x -o stripped full
"$CHOP" marks --all full | sort >with
"$CHOP" marks --all stripped | sort >without
comm -13 with without >different
[ "$(wc -l <without)" -gt 50 ] || fail "only $(wc -l <without) functions"
[ -s different ] && fail "stripped: $(wc -l <different) differ: $(head -n 5 different)"
exit 0
