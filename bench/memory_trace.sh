#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What memory traces cost: the engine on code of its own, then whole commands on regions of
# real programs beside valgrind's lackey on the same programs. Run by bench/run.sh.
set -u -o pipefail
runs=${BENCH_RUNS:-3}
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

echo "Memory traces: slowdown against the same code run natively, and million references a second"
echo
"$BENCH/mem_engine" "$runs" || exit 1
echo

# References a second of the run that prints its text to nowhere.
lackey() { # COMMAND...
	local count start i
	count=$(valgrind --tool=lackey --trace-mem=yes --log-fd=9 "$@" 9>&1 >/dev/null 2>&1 | grep -ac '^ [LSM]')
	for ((i = 0; i < runs; i++)); do
		start=$(date +%s%N)
		valgrind --tool=lackey --trace-mem=yes --log-fd=9 "$@" 9>/dev/null >/dev/null 2>&1
		echo $((($(date +%s%N) - start) / 1000000))
	done | median | awk -v count="$count" '{ print count / 1000 / $1 }'
}

# "REFERENCES SECONDS" of chop mem; what starting it costs is part of it.
chop_mem() { # OPTIONS...
	for ((i = 0; i < runs; i++)); do
		chop mem t "$@" | sed -n 's/.*, \([0-9]*\) references in \([0-9.]*\) s.*/\2 \1/p'
	done | sort -n | awk '{ s[NR] = $1; n = $2 } END { print n, s[int((NR + 1) / 2)] }'
}

# The region of one command, and lackey on a smaller run of the same program: its rate does
# not depend on the size.
region() { # NAME INDEX SMALL_COMMAND... -- COMMAND...
	local name=$1 index=$2 small=() native references counted file slow
	shift 2
	while [ "$1" != -- ]; do
		small+=("$1")
		shift
	done
	shift
	rm -rf t
	chop trace -q -function "$name" -max-traces $((index + 1)) -trace-dir t -- "$@" \
		>/dev/null 2>&1 </dev/null || return
	chop snippet -q t --capture "$index" -o s
	native=$(for ((i = 0; i < runs; i++)); do
		./s --iterations 20 | sed -n 's/^warm minimum.*(\([0-9.]*\) ms)/\1/p'
	done | median)
	read -r references counted < <(chop_mem --capture "$index" --count)
	read -r references file < <(chop_mem --capture "$index" -o f)
	slow=$(lackey "${small[@]}")
	awk -v name="$name" -v n="$references" -v native="${native:-0}" -v count="$counted" \
		-v file="$file" -v lackey="$slow" -v bytes="$(stat -c %s f)" 'BEGIN {
		printf "%-20s %5.1f Mref, native %6.1f ms | count %4.0f Mref/s | file %4.0f Mref/s %5.2f bit/ref | lackey %4.2f Mref/s | file/lackey %4.0fx\n",
			name, n / 1e6, native, n / 1e6 / count, n / 1e6 / file, bytes * 8 / n,
			lackey, n / 1e6 / file / lackey
	}'
}

if ! command -v valgrind >/dev/null; then
	echo "valgrind is not installed: nothing to compare chop mem with"
	exit 0
fi
echo "Regions of real programs, start and verification included; lackey: its text to /dev/null"
echo
seq 1 300000 >in.txt
seq 1 300 >small.txt
region lzma_code 20 xz -c small.txt -- xz -c in.txt
query() { # ROWS
	echo "create table t(a,b); insert into t select value, value*7%1000 from generate_series(1,$1);" \
		"select sum(a*b), count(distinct b) from t;"
}
region sqlite3_step 3 sqlite3 :memory: "$(query 200)" -- sqlite3 :memory: "$(query 20000)"
words() { # COUNT
	echo "my %h; for (1..$1) { \$h{\$_ % 100} .= \"x\$_\" } print scalar keys %h"
}
region Perl_runops_standard 0 perl -e "$(words 200)" -- perl -e "$(words 20000)"
