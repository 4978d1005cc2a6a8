#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Small programs under chop pages.
. "$(dirname "$0")/../lib.sh"
. "$TESTS/cmd/pages_programs_lib.sh" || exit 1
need awk gzip sqlite3
need_facility ptrace userfaultfd userfaultfd-move

seq 1 500 | awk '{ print ($1 * 7919) % 499, "line", $1 }' >"$TEST_TMP/words"
seq 1 12000 >"$TEST_TMP/numbers"
cat >"$TEST_TMP/script.sql" <<'SQL'
create table t (a integer primary key, b text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 200)
insert into t select i, 'text ' || (i * 31 % 1009) from n;
create index u on t (b);
select b, count(*) from t group by b order by 2 desc, 1 limit 5;
SQL

check ls -la --time-style=+%s /usr/lib
check cat "$TEST_TMP/words"
check sort "$TEST_TMP/words"
check awk '{ s[$1 % 100] += NF } END { for (i = 0; i < 100; i++) print i, s[i]; exit 5 }' \
	"$TEST_TMP/words"
check gzip -c "$TEST_TMP/numbers"
check sqlite3 -batch :memory: ".read $TEST_TMP/script.sql"
check "$PROG/pages_hard" threads
check "$PROG/pages_hard" forking
check "$PROG/regions_static"
exit 0
