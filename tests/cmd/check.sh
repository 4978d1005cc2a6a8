#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop check: the table, names, JSON, and what somebody who is not root is told.
. "$(dirname "$0")/../lib.sh"

chop check >"$OUT" 2>"$ERR"
status=$?
[ $status -eq 0 ] || [ $status -eq 5 ] || fail "exit status $status"
expect_errors ''
expect_match '^Needed by trace, snippet and verify$'
expect_match '^  ptrace +yes +starting and stopping programs$'
expect_match '^  vm.max_map_count +[0-9]+ '
[ $status -eq 0 ] && expect_match '^trace, snippet and verify have what they need\.$'

expect_status 0 chop check ptrace
[ "$(wc -l <"$OUT")" -eq 1 ] || fail "one facility, one line"
expect_status 2 chop check ptrac
expect_one_error "^chop: check: no facility 'ptrac'; did you mean 'ptrace'\?$"
expect_status 2 chop check ptrace nonsense
expect_one_error "no facility 'nonsense'; .chop check --json. names them"

need python3
chop check --json >json 2>"$ERR"
[ $? -eq $status ] || fail "--json has another exit status"
cat >look.py <<'PY'
import json, sys
all = json.load(open("json"))
assert list(all) == ["version", "enough", "facilities", "settings", "limits"], list(all)
assert all["enough"] == (sys.argv[1] == "0")
for f in all["facilities"]:
    assert list(f) == ["name", "title", "needed", "answer", "used_for", "detail", "remedy"], f
    assert f["answer"] in ("yes", "limited", "no"), f
    if f["answer"] == "yes":
        assert f["remedy"] is None, f
names = [f["name"] for f in all["facilities"]]
assert len(set(names)) == len(names) and "userfaultfd" in names
settings = all["settings"]
assert settings["vm.max_map_count"] == int(open("/proc/sys/vm/max_map_count").read())
PY
expect_status 0 python3 look.py $status

# What the processor has is not ours to say.
for pair in avx512:avx512f amx:amx_tile; do
	chop check ${pair%:*} >/dev/null
	ours=$?
	grep -qw ${pair#*:} /proc/cpuinfo && theirs=0 || theirs=5
	[ $ours -eq $theirs ] || fail "${pair%:*}: exit status $ours, /proc/cpuinfo says $theirs"
done

# The clone back end is there when its facility is.
chop check page-tables >"$OUT" 2>&1
tables=$?
"$CHOP" trace -q --backend clone -function fib_region -max-traces 1 -trace-dir t -- \
	"$PROG/regions" >/dev/null 2>"$ERR"
[ $? -eq $tables ] || fail "check says $tables: $(cat "$OUT" "$ERR")"

# Without privilege: one line says what to do, and what works is still found to work.
[ "$(id -u)" -eq 0 ] || skip "not root, so cannot become somebody else"
need setpriv
place=$(mktemp -d /tmp/chop-check.XXXXXX)
trap 'rm -rf "$place"; cd / && rm -rf "$TEST_TMP"' EXIT
cp "$CHOP" "$place/chop"
chmod 755 "$place"
nobody() { (cd "$place" && setpriv --reuid 65534 --regid 65534 --clear-groups "$@"); }
expect_status 0 nobody ./chop check ptrace memory
if [ "$(cat /proc/sys/vm/unprivileged_userfaultfd)" = 0 ] &&
   ! nobody test -w /dev/userfaultfd; then
	expect_status 5 nobody ./chop check userfaultfd
	expect_match 'not permitted: run as root, or sysctl -w vm.unprivileged_userfaultfd=1'
	expect_status 5 nobody ./chop check
	expect_match 'lack something'
fi
