#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Each reference came from where the program made it: an instruction is not taken for the system
# call that follows it, nor the other way round, however fast the thread goes on; with several
# threads, and in another pid namespace, too.
. "$(dirname "$0")/../lib.sh"
need_facility ptrace userfaultfd
[ "$(id -u)" = 0 ] || skip "instruction pointers are exact only for root (BPF)"

# The offset in the page and what did it, of the references to the arrays, counted.
origins() { # FILE
	sed -En 's/^[^ ]+ [^ ]+ [a-z]+ [0-9a-f]+(005|009) .*in anonymous[^ ]* (by|at) (the kernel|[a-z_]+).*/\1 \2 \3/p' "$1" |
		sort | uniq -c | sed 's/^ *//'
}
check() { # CHOP'S WORDS...
	expect_status 0 chop pages -q --fifo -w 64 -f text -o trace "$@"
	[ "$(origins trace)" = "1024 005 at touch
1024 009 by write" ] || fail "chop $*: $(origins trace)"
}
check -- "$PROG/pages_origin" 0
check --no-pin -- "$PROG/pages_origin" 0

# A page may be closed again before its thread has run: then there are more.
expect_status 0 chop pages -q --fifo -w 64 -f text -o trace -- "$PROG/pages_origin" 4
[ "$(origins trace | cut -d' ' -f2-)" = "005 at touch
009 by write" ] || fail "with threads: $(origins trace)"

# Threads have other numbers there.
if unshare --fork --pid true 2>/dev/null; then
	check -- unshare --fork --pid "$PROG/pages_origin" 0
fi
