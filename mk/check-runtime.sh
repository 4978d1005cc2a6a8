#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The runtime of snippets runs before anything else exists: it must not need a loader.
# Usage: mk/check-runtime.sh RUNTIME.elf
set -eu
runtime=$1
fail() {
	echo "$runtime: $1" >&2
	exit 1
}
undefined=$(nm -u "$runtime")
[ -z "$undefined" ] || fail "undefined symbols: $undefined"
readelf -rW "$runtime" | grep -q 'There are no relocations' || fail "has relocations"
segments=$(readelf -lW "$runtime")
echo "$segments" | grep -Eq 'INTERP|DYNAMIC|TLS' && fail "needs a dynamic linker or TLS"
[ "$(echo "$segments" | grep -c ' LOAD ')" -eq 2 ] || fail "must have two segments: text, rodata"
echo "$segments" | grep -Eq 'LOAD .* (RWE|RW |  W)' && fail "has a writable segment"
exit 0
