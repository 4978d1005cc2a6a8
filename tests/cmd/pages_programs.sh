#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Programs under chop pages: the same output, errors and exit status as alone, with small,
# middling and large windows.
. "$(dirname "$0")/../lib.sh"
need awk gzip xz python3 sqlite3 gcc
need_facility ptrace userfaultfd userfaultfd-move

seq 1 3000 | awk '{ print ($1 * 7919) % 3011, "line", $1 }' >"$TEST_TMP/words"
seq 1 12000 >"$TEST_TMP/numbers"
cat >"$TEST_TMP/unit.c" <<'C'
#include <stdio.h>
struct point { int x, y; };
static int area(struct point p) { return p.x * p.y; }
int main(void) { struct point p = { 6, 7 }; printf("%d\n", area(p)); return area(p) != 42; }
C
cat >"$TEST_TMP/script.py" <<'PY'
words = sorted({str(i * i % 997): i for i in range(300)}.items())
print(len(words), words[::50])
raise SystemExit(9)
PY
cat >"$TEST_TMP/script.sql" <<'SQL'
create table t (a integer primary key, b text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 400)
insert into t select i, 'text ' || (i * 31 % 1009) from n;
create index u on t (b);
select b, count(*) from t group by b order by 2 desc, 1 limit 5;
SQL

check() { # WORDS...
	local window
	for window in 64 1024 65536; do
		same_as_untraced "$CHOP" pages -w $window -o "$TEST_TMP/t.pages" -- "$@"
		[ "$(wc -l <"$ERR")" -eq "$(($(wc -l <"$TEST_TMP/.stderr1") + 1))" ] ||
			fail "window $window, $*: $(grep -a '^chop' "$ERR")"
	done
}

check ls -la --time-style=+%s /usr/lib
check cat "$TEST_TMP/words"
check sort "$TEST_TMP/words"
check awk '{ s[$1 % 100] += NF } END { for (i = 0; i < 100; i++) print i, s[i]; exit 5 }' \
	"$TEST_TMP/words"
check python3 -I -S "$TEST_TMP/script.py"
check gzip -c "$TEST_TMP/numbers"
check xz -0 -T2 --block-size=20KiB -c "$TEST_TMP/numbers"
check sqlite3 -batch :memory: ".read $TEST_TMP/script.sql"
check gcc -O1 -c -o unit.o "$TEST_TMP/unit.c"
cmp -s "$ALONE/unit.o" "$TRACED/unit.o" || fail "gcc: another object file"
check "$PROG/pages_hard" threads
check "$PROG/pages_hard" forking
check "$PROG/regions_static"
exit 0
