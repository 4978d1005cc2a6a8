# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Helpers for shell tests. A test starts
#
#	#!/bin/bash
#	. "$(dirname "$0")/../lib.sh"
#
# and then is in an empty directory of its own, removed at the end, with $CHOP (the
# tool), $BUILD, $PROG (built tests/prog programs), $TOP (the tree) and $TESTS set; the
# build directory is first in PATH. It works alone (tests/cmd/marks.sh, BUILD=... for
# another build directory) and under tests/run.sh. Exit 77 means skipped.
#
# expect_* stop the test at the first surprise and show it.

set -u
TOP=${TOP:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}
TESTS=$TOP/tests
BUILD=${BUILD:-$TOP/build}
CHOP=$BUILD/chop
PROG=$BUILD/tests/prog
PATH=$BUILD:$PATH
export TOP TESTS BUILD CHOP PROG PATH LC_ALL=C

TEST_TMP=$(mktemp -d "${TMPDIR:-/tmp}/chop-test.XXXXXX") || exit 1
trap 'cd / && rm -rf "$TEST_TMP"' EXIT
# Output of the last expect_status, of the program alone and of the program under chop.
OUT=$TEST_TMP/.stdout ERR=$TEST_TMP/.stderr
# For tests that become another user.
chmod 755 "$TEST_TMP"
mkdir "$TEST_TMP/cwd" && cd "$TEST_TMP/cwd" || exit 1

fail() { # MESSAGE...
	echo "$(caller 0 | awk '{ print "line " $1 }'): $*"
	exit 1
}

skip() { # REASON...
	echo "$*"
	exit 77
}

# This test's own copy of a test program, into $OWN: breakpoints that a uprobe sets in a file
# are in every process that maps the file, those of the tests that run at the same time too.
own() { # NAME
	OWN=$TEST_TMP/$1
	cp "$PROG/$1" "$OWN" || fail "cannot copy $1"
}

# Keep this test and what it starts on one processor: a tracer and its program take turns there,
# where else they would wait for another processor at each stop.
pin() { # first | last
	local cpus
	cpus=$(taskset -cp $$)
	cpus=${cpus##*: }
	[ "$1" = first ] && cpus=${cpus%%[,-]*}
	taskset -cp "${cpus##*[,-]}" $$ >/dev/null
}

# Wait until a command succeeds, a minute at most.
wait_for() { # COMMAND...
	local i
	for ((i = 0; i < 1200; i++)); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.05
	done
	fail "waited in vain for: $*"
}

# The back ends but uffd that this machine allows, into $backends; what the others miss is told.
find_backends() {
	local backend
	backends=
	for backend in clone mprotect; do
		if chop trace -backend $backend -function region -trace-dir try -- \
			"$PROG/backends_hard" own >/dev/null 2>"$ERR"; then
			backends+=" $backend"
		else
			echo "$backend: $(cat "$ERR")"
		fi
		rm -rf try
	done
}

# Skip unless each program is there.
need() { # PROGRAM...
	local program
	for program in "$@"; do
		command -v "$program" >/dev/null 2>&1 || skip "$program is not installed"
	done
}

# Skip unless this machine allows it (names of `chop check --json`).
need_facility() { # NAME...
	local name told
	for name in "$@"; do
		told=$(chop check "$name") || skip "$(echo "$told" | tr -s ' \n' ' ')"
	done
}

show_output() {
	echo "--- stdout"
	head -c 4000 "$OUT"
	echo "--- stderr"
	head -c 4000 "$ERR"
	echo "---"
}

# Run a command, its output into $OUT and $ERR, and compare its exit status.
expect_status() { # STATUS COMMAND...
	local wanted=$1 status
	shift
	"$@" >"$OUT" 2>"$ERR" </dev/null
	status=$?
	[ "$status" -eq "$wanted" ] && return 0
	echo "line ${BASH_LINENO[0]}: exit status $status, not $wanted: $*"
	show_output
	exit 1
}

# The last command's stdout (or, expect_errors, stderr) is exactly this text. Without an
# argument the text is read from stdin.
expect_output() { expect_text "$OUT" stdout "$@"; }
expect_errors() { expect_text "$ERR" stderr "$@"; }

expect_text() { # FILE NAME [TEXT]
	local file=$1 name=$2
	if [ $# -gt 2 ]; then
		printf '%s' "$3${3:+
}" >"$TEST_TMP/.expected"
	else
		cat >"$TEST_TMP/.expected"
	fi
	cmp -s "$TEST_TMP/.expected" "$file" && return 0
	echo "line ${BASH_LINENO[1]}: $name is not what was expected:"
	diff -u "$TEST_TMP/.expected" "$file" | head -n 60
	exit 1
}

# A line of the last command's stdout (stderr) matches an extended regular expression.
expect_match() { expect_grep "$OUT" stdout "$1"; }
expect_error_match() { expect_grep "$ERR" stderr "$1"; }

expect_grep() { # FILE NAME REGEX
	grep -Eq -- "$3" "$1" && return 0
	echo "line ${BASH_LINENO[1]}: no line of $2 matches: $3"
	show_output
	exit 1
}

# The last command's stderr is one line, "chop: ...", that matches.
expect_one_error() { # REGEX
	if [ "$(wc -l <"$ERR")" -eq 1 ] && grep -q '^chop: ' "$ERR" && grep -Eq -- "$1" "$ERR"; then
		return 0
	fi
	echo "line ${BASH_LINENO[0]}: stderr is not one line 'chop: ...' that matches: $1"
	show_output
	exit 1
}

# Run a command alone and under chop; stdout, stderr and status must be the same (chop's
# own lines "chop: ..." are left out of the comparison). Both run in fresh directories,
# ALONE and TRACED name them afterwards; chop's own output is left in $ERR.
#
#	same_as_untraced "$CHOP" trace -function f -trace-dir ../t -- ./prog ARGS
same_as_untraced() { # CHOP WORDS... -- COMMAND...
	local words=() alone traced
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		words+=("$1")
		shift
	done
	shift
	ALONE=$(mktemp -d "$TEST_TMP/alone.XXXX") TRACED=$(mktemp -d "$TEST_TMP/traced.XXXX")
	(cd "$ALONE" && "$@" >"$TEST_TMP/.stdout1" 2>"$TEST_TMP/.stderr1" </dev/null)
	alone=$?
	(cd "$TRACED" && "${words[@]}" -- "$@" >"$OUT" 2>"$ERR" </dev/null)
	traced=$?
	grep -av '^chop: ' "$ERR" >"$TEST_TMP/.stderr2"
	if [ "$alone" -ne "$traced" ] || ! cmp -s "$TEST_TMP/.stdout1" "$OUT" ||
	   ! cmp -s "$TEST_TMP/.stderr1" "$TEST_TMP/.stderr2"; then
		echo "line ${BASH_LINENO[0]}: not the same under chop (status $alone alone, $traced traced): $*"
		diff -au "$TEST_TMP/.stdout1" "$OUT" | head -n 20
		diff -au "$TEST_TMP/.stderr1" "$TEST_TMP/.stderr2" | head -n 20
		show_output
		exit 1
	fi
}
