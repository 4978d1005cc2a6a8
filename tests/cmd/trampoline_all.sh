#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Programs with every function of the C library patched to count its calls do what they do
# unpatched: output, errors and status.
. "$(dirname "$0")/../lib.sh"

tool=$BUILD/tests/unit/trampoline_live_test
[ -x "$tool" ] || skip "$tool is not built"

all() { # COMMAND...
	same_as_untraced "$tool" all libc.so.6 -- "$@"
	read -r _ _ patched _ calls < <(grep '^chop: patched' "$ERR")
	[ "$patched" -gt 1000 ] || fail "only $patched functions patched: $*"
	[ "$calls" -gt 100 ] || fail "only $calls calls counted: $*"
}

size=20000
. "$TESTS/cmd/libc_programs.sh"
exit 0
