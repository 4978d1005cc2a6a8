#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A compiler's driver, its children and their files under chop pages; and two threads of xz.
. "$(dirname "$0")/../lib.sh"
. "$TESTS/cmd/pages_programs_lib.sh" || exit 1
need xz gcc
need_facility ptrace userfaultfd userfaultfd-move

seq 1 12000 >"$TEST_TMP/numbers"
cat >"$TEST_TMP/unit.c" <<'C'
int printf(const char *, ...);
struct point { int x, y; };
static int area(struct point p) { return p.x * p.y; }
int main(void) { struct point p = { 6, 7 }; printf("%d\n", area(p)); return area(p) != 42; }
C
check xz -0 -T2 --block-size=20KiB -c "$TEST_TMP/numbers"
check gcc -O1 -c -o unit.o "$TEST_TMP/unit.c"
cmp -s "$ALONE/unit.o" "$TRACED/unit.o" || fail "gcc: another object file"
exit 0
