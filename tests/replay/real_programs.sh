#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Real programs that read files, wait and write: one region of each with its calls inside. The
# snippets are equal when run by an unprivileged user, from another directory, with an empty
# environment, after the input files are gone.
. "$(dirname "$0")/../lib.sh"
need_facility ptrace userfaultfd userfaultfd-async pagemap-scan seccomp
need python3 sqlite3 perl xmllint openssl gzip rg objdump readelf

made=()
# Capture one invocation, see that it makes calls, and build its snippet.
region() { # NAME INVOCATION OPTIONS... -- COMMAND...
	local name=$1 invocation=$2 calls
	shift 2
	timeout 120 chop trace -q -indices "$invocation" -trace-dir "$name" "$@" \
		>traced.out 2>"$ERR" </dev/null || { show_output; fail "$name: status $?"; }
	while [ "$1" != -- ]; do shift; done
	shift
	"$@" >alone.out 2>/dev/null </dev/null
	cmp -s alone.out traced.out || fail "$name: the program's output is not the same"
	calls=$(python3 -c "import json, sys
print(json.load(open(sys.argv[1]))['captures'][0]['system_calls'])" "$name/trace.json")
	[ "$calls" -gt 0 ] || fail "$name: no system calls in the region"
	expect_status 0 chop snippet -q "$name" -o "$name.snippet"
	made+=("$name")
}

# -begin and -end at each place where a program without symbols calls a function: one turn of
# the loop that calls it.
turns() { # PROGRAM FUNCTION
	local slot
	slot=$(readelf -rW "$1" | awk -v f="$2" '$3 ~ /GLOB_DAT/ && $5 ~ "^" f "@" {
		sub(/^0+/, "", $1); print $1 }' | head -n 1)
	objdump -d "$1" | awk -v plt="<$2@plt>" -v slot="# ${slot:-none} " '
		/call/ && (index($0, plt) || index($0 " ", slot)) {
			sub(/:.*/, ""); sub(/^ +/, ""); printf "-begin %s -end %s ", $0, $0 }'
}

mkdir inputs
seq 30000 | awk '{ print "name" $1 % 7, $1 / 3 }' >inputs/text
{
	echo '<list>'
	seq 300 | sed 's|.*|<item n="&">text &amp; more</item>|'
	echo '</list>'
} >inputs/data.xml
sqlite3 inputs/data.db 'create table t (a integer, b text);
	with recursive n(x) as (select 1 union all select x + 1 from n where x < 5000)
	insert into t select x, x || " text" from n;' || fail "sqlite3 makes no database"
cat >inputs/program.pl <<'END'
open(my $in, "<", "inputs/text") or die; my %sum;
while (<$in>) { my ($name, $value) = split; $sum{$name} += $value }
printf "%s %.2f\n", $_, $sum{$_} for sort keys %sum;
END
cat >inputs/function.py <<'END'
def lines():
    with open("inputs/text") as file:
        return sum(len(line) for line in file)
print(lines())
END

region sqlite3 2 -function sqlite3_step -- sqlite3 inputs/data.db 'select sum(a), max(b) from t'
region python3 0 -function PyRun_SimpleStringFlags -- \
	/usr/bin/python3 -I -S -B -c "$(cat inputs/function.py)"
region perl 1 -function Perl_runops_standard -- perl inputs/program.pl
region xmllint 0 -function xmlParseDocument -- xmllint --noout inputs/data.xml
region openssl 1 -function BIO_read -- openssl dgst -sha256 inputs/text
# shellcheck disable=SC2046
region gzip 1 $(turns /usr/bin/gzip read) -- gzip -c inputs/text
region streams 1 -function streams -- "$PROG/iostreams" inputs/text
# shellcheck disable=SC2046
region rust 3 $(turns "$(command -v rg)" read) -- rg -c --no-config --no-mmap -j1 '7.5' inputs/text

rm -rf inputs
chmod 755 "$TEST_TMP" "$TEST_TMP/cwd"
as_nobody=()
[ "$(id -u)" = 0 ] && command -v setpriv >/dev/null &&
	as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
for name in "${made[@]}"; do
	for run in 1 2 3; do
		(cd / && "${as_nobody[@]}" env -i "$TEST_TMP/cwd/$name.snippet") >"$OUT" 2>&1 ||
			fail "$name, run $run: $(cat "$OUT")"
	done
	expect_match '^equal: '
done
exit 0
