# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the benches share; each begins with
#
#	. "$TOP/bench/lib.sh"
#
# and then is in an empty directory, with chop in PATH and $BENCH (built bench programs), $BUILD
# and $TOP set by bench/run.sh. BENCH_QUICK=1 has each do everything once and with little: that
# shows that it works (tests/run.sh does so), its figures mean nothing then.
set -u -o pipefail

# The first where figures are wanted, the second to see that the bench works.
full_or_quick() { # FULL QUICK
	if [ -n "${BENCH_QUICK:-}" ]; then echo "$2"; else echo "$1"; fi
}

# How often a measurement is repeated: BENCH_RUNS, or this.
runs_or() { # DEFAULT
	echo "${BENCH_RUNS:-$(full_or_quick "$1" 1)}"
}

# Of the numbers on stdin, one a line.
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

cannot() { # REASON...
	echo "$*"
	exit 77
}

# Leave out what this machine cannot measure: a program is missing, or (names of `chop check`)
# the kernel does not allow it.
need() { # PROGRAM...
	local program
	for program in "$@"; do
		command -v "$program" >/dev/null || cannot "$program is not installed"
	done
}
need_facility() { # NAME...
	local name told
	for name in "$@"; do
		told=$(chop check "$name") || cannot "$(echo "$told" | tr -s ' \n' ' ')"
	done
}
# What `chop trace` needs for its first back end.
need_trace() { need_facility ptrace userfaultfd userfaultfd-async pagemap-scan; }

# On one CPU, the first we may use: a wake-up on another one costs more than what is measured.
one_cpu() { taskset -c "$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')" "$@"; }
