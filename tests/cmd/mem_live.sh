#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop mem --live: whole programs in translation behave as if nobody watched; what cannot be
# followed ends the trace, not the program.
. "$(dirname "$0")/../lib.sh"

# live STATUS COMMAND...: output and status as alone, but for what chop itself says. The status
# of chop is the program's, unless the trace is incomplete.
live() {
	local want=$1 alone status
	shift
	("$@" >"$TEST_TMP/alone.out" 2>"$TEST_TMP/alone.err" </dev/null) 2>/dev/null
	alone=$?
	"$CHOP" mem --live -o live.mem -- "$@" >"$OUT" 2>"$ERR" </dev/null
	status=$?
	[ "$want" = same ] && want=$alone
	[ $status = "$want" ] || fail "status $status, $alone alone: $*: $(cat "$ERR")"
	cmp -s "$OUT" "$TEST_TMP/alone.out" ||
		fail "$*: $(diff -a "$TEST_TMP/alone.out" "$OUT" | head -n 5)"
	grep -av '^chop: ' "$ERR" | cmp -s - "$TEST_TMP/alone.err" || fail "$*: stderr: $(cat "$ERR")"
	[ -s live.mem ] || fail "$*: no trace"
}
said() {
	grep -Eq "$1" "$ERR" || fail "not said: $1: $(cat "$ERR")"
}

for name in timer queue interrupt suspend children memory deep generate rewrite; do
	live same "$PROG/mem_live" $name
	said '^chop: mem: complete: mem_live, [0-9]+ instructions, [0-9]+ references'
done
for name in die stop; do
	live same "$PROG/mem_live" $name
	said '^chop: mem: complete: mem_live'
done
live same "$PROG/mem_live" fault
said '^chop: mem: complete: mem_live, '
live same "$PROG/mem_live" execute
said '^chop: mem: complete: mem_live, '
live same "$PROG/mem_live" threads
said '^chop: mem: complete: mem_live, '
live 3 "$PROG/mem_live" own
said 'incomplete: the code at 0x[0-9a-f]+ writes to the page that it is in'

# Programs people use, static and not, scripts as well.
seq 1 3000 >in.txt
for command in "gzip -c in.txt" "xz -0 -c in.txt" "$PROG/regions_static" "$PROG/regions_nopie"; do
	live same $command
	said '^chop: mem: complete'
done
live same perl -e 'my %h; $h{$_ % 100} .= "x$_" for 1..3000; print "$^X $0\n", map { "$_ $h{$_}\n" } sort keys %h; exit 5'
if command -v sqlite3 >/dev/null; then
	live same sqlite3 :memory: "create table t(a,b); insert into t select value, value*7%1000 from
		generate_series(1,2000); select sum(a*b), count(distinct b) from t;"
fi
printf '#!/usr/bin/perl -w\nprint "$0 @ARGV\\n";\n' >script
chmod +x script
live same ./script one two

# A program that replaces itself by another: descriptors, signals, names, scripts.
cat >chain <<'SH'
#!/bin/sh
trap '' INT
[ "$1" = 0 ] || exec nice -n 0 "$0" $(($1 - 1)) 3</dev/null
kill -INT $$
cat /proc/$$/comm
tr '\000' ' ' </proc/$$/cmdline
[ -e /proc/$$/fd/3 ] && echo descriptor 3
exec ./plain "$0"
SH
echo 'echo plain $0 $1; exit 9' >plain
chmod +x chain plain
live same ./chain 10
said '^chop: mem: complete: chain, '
live same env ONE=1 perl -e 'print "$ENV{ONE} $^X\n"; exec "sh", "-c", "exit 7"'
said '^chop: mem: complete: env, '
# One without a dynamic linker is the kernel's business.
live 3 nice "$PROG/regions_static"
said 'incomplete: the program replaced itself'
live same sh -c 'cat in.txt | wc -l; exit 3'
live same sh -c 'kill -TERM $$'

# What is in the trace: the counts that chop convert reads are those that were told.
live same gzip -c in.txt
told=$(sed -n 's/.*, \([0-9]*\) references.*/\1/p' "$ERR")
[ "$("$CHOP" convert live.mem --to din --no-ifetch 2>/dev/null | wc -l)" = "$told" ] ||
	fail "not $told references"

# A limit ends the trace, the program goes on.
live same gzip -c in.txt
"$CHOP" mem --live --max-refs 1000 -o live.mem -- gzip -c in.txt >limited.gz 2>"$ERR"
[ $? = 0 ] || fail "--max-refs"
gzip -c in.txt | cmp - limited.gz || fail "other output with --max-refs"
said 'stopped: gzip, '

# Interrupted, we keep what there is; the program is let go, and we with it the second time.
"$CHOP" mem --live -o endless.mem -- "$PROG/mem_live" endless >"$OUT" 2>"$ERR" &
tracer=$!
for ((i = 0; i < 600; i++)); do
	grep -q running "$OUT" && break
	sleep 0.1
done
program=$(pgrep -P $tracer)
kill -INT $tracer
for ((i = 0; i < 600; i++)); do
	"$CHOP" convert endless.mem --to csv --count 1 >/dev/null 2>&1 && break
	sleep 0.1
done
kill -0 "$program" || fail "the program was killed"
kill -INT $tracer
wait $tracer
status=$?
kill -KILL "$program"
[ $status = 130 ] || fail "status $status after SIGINT"
said 'incomplete: mem_live, '
said 'mem_live runs on, untraced'

# A full disk.
(
	ulimit -f 8
	"$CHOP" mem --live -o full.mem -- gzip -c in.txt >/dev/null 2>full.err
	echo $? >full.status
)
[ "$(cat full.status)" = 2 ] || fail "status $(cat full.status) with a full disk: $(cat full.err)"
grep -q 'cannot write full.mem: File too large$' full.err || fail "$(cat full.err)"

# Bad input.
expect_status 127 chop mem --live -- no-such-command
expect_one_error 'no such command'
expect_status 2 chop mem --live
expect_one_error 'no command to run'
expect_status 126 chop mem --live -- ./in.txt
expect_one_error 'in.txt'
printf '\177ELF garbage' >garbage
chmod +x garbage
expect_status 126 chop mem --live -- ./garbage
expect_one_error 'cannot run .*garbage: not'
[ ! -e garbage.mem ] || fail "a trace of nothing"
exit 0
