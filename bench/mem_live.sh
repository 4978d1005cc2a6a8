#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Whole programs without a capture: basic-block vectors beside valgrind's exp-bbv, and every
# access beside lackey, on the same commands in the same run. Medians; "x" is times the program
# alone, by wall-clock time and, in brackets, by CPU time of all processes. Run by bench/run.sh.
. "$TOP/bench/lib.sh"
need valgrind gzip xz sqlite3 perl
runs=$(runs_or 3) rows=$(full_or_quick 600000 60000)

# "WALL CPU" of a command, medians in milliseconds.
cost() {
	local i
	for ((i = 0; i < runs; i++)); do
		TIMEFORMAT='%R %U %S'
		{ time "$@" >/dev/null 2>&1 </dev/null; } 2>&1 | tail -n 1
	done | awk '{ w[NR] = $1 * 1000; c[NR] = ($2 + $3) * 1000 }
		END { n = asort_(w); m = asort_(c); print w[int((NR + 1) / 2)], c[int((NR + 1) / 2)] }
		function asort_(a, i, j, t) {
			for (i = 2; i <= NR; i++)
				for (j = i; j > 1 && a[j] < a[j - 1]; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
			return NR
		}'
}

line() { # NAME SMALL... -- COMMAND...
	local name=$1 small=() native ours theirs trace lackey insns references
	shift
	while [ "$1" != -- ]; do
		small+=("$1")
		shift
	done
	shift
	native=$(cost "$@")
	ours=$(cost chop bbv --live -q -o o.bb -m o.markers -- "$@")
	theirs=$(cost valgrind -q --tool=exp-bbv --interval-size=10000000 --bb-out-file=v.bb "$@")
	trace=$(cost chop mem --live -q -o o.mem -- "$@")
	insns=$(tail -n 1 o.markers | cut -d' ' -f4)
	references=$(chop mem --live --count -- "$@" 2>&1 >/dev/null </dev/null |
		sed -n 's/.* \([0-9]*\) references.*/\1/p')
	# lackey's time grows with the references: a small run of the same program tells its rate
	small_references=$(chop mem --live --count -- "${small[@]}" 2>&1 >/dev/null </dev/null |
		sed -n 's/.* \([0-9]*\) references.*/\1/p')
	lackey=$(cost valgrind --tool=lackey --trace-mem=yes --log-fd=9 "${small[@]}" 9>/dev/null)
	awk -v name="$name" -v native="$native" -v ours="$ours" -v theirs="$theirs" -v trace="$trace" \
		-v insns="$insns" -v refs="$references" -v lackey="$lackey" -v small="$small_references" '
	BEGIN {
		split(native, n, " "); split(ours, o, " "); split(theirs, v, " ")
		split(trace, t, " "); split(lackey, l, " ")
		printf "%-8s %6.0f M instructions, %5.0f ms alone | chop bbv %4.1fx (%.1fx), exp-bbv %5.1fx (%.1fx): %.1f (%.1f) times less | every access to a file %5.1fx, %4.0f Mref/s; lackey %.2f Mref/s: %4.0f times\n",
			name, insns / 1e6, n[1], o[1] / n[1], o[2] / n[2], v[1] / n[1], v[2] / n[2],
			v[1] / o[1], v[2] / o[2], t[1] / n[1], refs / t[1] / 1e3, small / l[1] / 1e3,
			(refs / t[1]) / (small / l[1])
	}'
}

echo "Whole programs, in translation and under valgrind"
echo
seq 1 "$rows" >in.txt
seq 1 200 >small.txt
line gzip gzip -c small.txt -- gzip -c in.txt
[ -z "${BENCH_QUICK:-}" ] || exit 0 # the others say nothing more about the bench
head -c 1500000 in.txt >xz.txt
line xz xz -0 -T1 -c small.txt -- xz -T1 -c xz.txt
query() { # ROWS
	echo "create table t(a,b); insert into t select value, value*7%1000 from generate_series(1,$1);" \
		"select sum(a*b), count(distinct b) from t;"
}
line sqlite3 sqlite3 :memory: "$(query 200)" -- sqlite3 :memory: "$(query $((rows / 2)))"
line perl perl -e 1 -- perl -e 'my %h; for (1..'"$rows"') { $h{$_ % 1000} .= "x" } print scalar keys %h'
