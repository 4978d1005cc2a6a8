#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Run the tests: tests/run.sh BUILD_DIR [WORD...]
#
# With words, only tests whose name (unit/buf, cmd/marks, check/layers, ...) contains one
# of them. Says what failed, lists what was skipped and why; the last line is exactly
# "N passed, N failed, N skipped", counting cmocka's tests and shell tests one by one.
# Exit status 1 when a test failed. TEST_TIMEOUT seconds (120) for each, TEST_JOBS (2)
# at a time, TEST_VERBOSE=1 for a line per test file. TEST_AGAIN=N: up to N tests that
# failed run once more, alone; what then passes counts as passed and is listed as unsteady,
# with what it said when it failed.
set -u
shopt -s nullglob

[ $# -ge 1 ] || { echo "usage: tests/run.sh BUILD_DIR [WORD...]" >&2; exit 2; }
TOP=$(cd "$(dirname "$0")/.." && pwd)
BUILD=$(cd "$1" && pwd) || exit 2
shift
words=("$@")
jobs=${TEST_JOBS:-2}
limit=${TEST_TIMEOUT:-120}
verbose=${TEST_VERBOSE:-}
again=${TEST_AGAIN:-0}
export TOP BUILD
export CHOP=$BUILD/chop PROG=$BUILD/tests/prog TESTS=$TOP/tests LC_ALL=C
unset MAKEFLAGS MAKELEVEL MFLAGS DEBUGINFOD_URLS
work=$(mktemp -d "${TMPDIR:-/tmp}/chop-tests.XXXXXX") || exit 2
chmod 755 "$work" # for tests that become another user
trap 'rm -rf "$work"' EXIT
trap 'stop_all; exit 130' INT TERM

wanted() { # NAME
	local word
	[ ${#words[@]} -eq 0 ] && return 0
	for word in "${words[@]}"; do
		[[ $1 == *"$word"* ]] && return 0
	done
	return 1
}

# Every test as "NAME COMMAND"; the part of the name before the slash is its kind.
list_tests() {
	local file name
	if [[ $BUILD != */san ]]; then # the tree is the same
		echo "check/layers $TOP/mk/check-layers.sh"
		echo "check/style $TOP/mk/check-style.sh"
		echo "check/format $TOP/mk/check-format.sh"
		echo "check/clang $TOP/mk/check-clang.sh"
	fi
	for file in "$TOP"/tests/unit/*_test.c; do
		name=$(basename "$file" .c)
		echo "unit/${name%_test} $BUILD/tests/unit/$name"
	done
	for file in "$TOP"/tests/fuzz/*_fuzz.c; do
		[[ $BUILD == */san ]] && break # they have sanitizers of their own
		name=$(basename "$file" .c)
		echo "fuzz/${name%_fuzz} $TOP/tests/fuzz/run.sh $BUILD ${name%_fuzz}"
	done
	for file in "$TOP"/bench/*.sh; do
		[[ $BUILD == */san ]] && break # built to be fast
		name=$(basename "$file" .sh)
		[[ $name == run || $name == lib ]] ||
			echo "bench/$name env BENCH_QUICK=1 $TOP/bench/run.sh $BUILD $name"
	done
	for file in "$TOP"/tests/{cmd,replay,conform}/*.sh; do
		name=${file#"$TOP"/tests/}
		[ -x "$file" ] && echo "${name%.sh} $file"
	done
}

# One test in its own directory, with its own process group; results go to files.
run_one() { # NAME COMMAND...
	local out=$work/${1//\//.} status start=$SECONDS
	mkdir -p "$out.dir"
	cd "$out.dir" || exit 2
	shift
	CMOCKA_MESSAGE_OUTPUT=TAP TMPDIR=$out.dir TEST_DIR=$out.dir \
		timeout -k 5 "$limit" "$@" >"$out.log" 2>&1 </dev/null
	status=$?
	cd / && rm -rf "$out.dir"
	echo "$status $((SECONDS - start))" >"$out.status"
}

stop_all() {
	local pid
	for pid in $(jobs -p); do
		kill -TERM "$pid" 2>/dev/null
		pkill -TERM -P "$pid" 2>/dev/null
	done
}

# cmocka's TAP -> a count per outcome. A binary that died leaves tests of its plan unrun.
count_unit() { # LOG STATUS NAME
	awk -v status="$2" -v name="$3" '
	/^1\.\.[0-9]+$/ { plan += substr($0, 4); next }
	/^(not )?ok [0-9]+ # SKIP/ {
		skipped++
		test = $0
		sub(/.*# SKIP */, "", test)
		print "skip " name ": " test ": " (reason == "" ? "no reason given" : reason)
		reason = ""
		next
	}
	/^ok / { passed++; reason = ""; next }
	/^not ok / { failed++; reason = ""; next }
	{ reason = $0 }
	END {
		lost = plan - passed - failed - skipped
		if (lost > 0) failed += lost
		if (status != 0 && !failed) failed = 1
		if (status == 0 && !plan) failed = 1
		print "count", passed + 0, failed + 0, skipped + 0
	}' "$1"
}

count_shell() { # LOG STATUS NAME
	case $2 in
	0) echo "count 1 0 0" ;;
	77) echo "skip $3: $(tail -n 1 "$1")"; echo "count 0 0 1" ;;
	*) echo "count 0 1 0" ;;
	esac
}

passed=0 failed=0 skipped=0 done_files=0
show() { # TEXT: a line that stays
	[ -t 1 ] && printf '\r\033[K'
	printf '%s\n' "$1"
}

collect() { # NAME: add up one finished test
	local out=$work/${1//\//.} status seconds line kind=count_shell counts
	read -r status seconds <"$out.status"
	[[ $1 == unit/* ]] && kind=count_unit
	while read -r line; do
		case $line in
		"count "*) read -r _ p f s <<<"$line" ;;
		"skip "*) echo "${line#skip }" >>"$work/skips" ;;
		esac
	done < <($kind "$out.log" "$status" "$1")
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	done_files=$((done_files + 1))
	counts="$p passed, $f failed, $s skipped"
	if [ "$f" -gt 0 ]; then
		[ "$status" = 124 ] && counts="$counts (timed out after $limit s)"
		show "FAILED $1: $counts, exit status $status, $seconds s"
		sed 's/^/    /' "$out.log" | tail -n 200
		echo "$1" >>"$work/failures"
		echo "$p $f $s" >"$work/${1//\//.}.failed"
	elif [ -n "$verbose" ]; then
		show "ok     $1: $counts, $seconds s"
	fi
	rm -f "$out.log" "$out.status"
}

collect_finished() {
	local name rest=()
	for name in "${running[@]}"; do
		if [ -e "$work/${name//\//.}.status" ]; then
			collect "$name"
		else
			rest+=("$name")
		fi
	done
	running=("${rest[@]+"${rest[@]}"}")
	if [ -t 1 ] && [ ${#running[@]} -gt 0 ]; then
		printf '\r\033[K[%d/%d] %s' "$done_files" "$total" "${running[*]}"
	fi
}

names=() commands=() running=()
while read -r name command; do
	wanted "$name" || continue
	names+=("$name")
	commands+=("$command")
done < <(list_tests)
total=${#names[@]}

: >"$work/skips"
for ((i = 0; i < total; i++)); do
	# shellcheck disable=SC2086
	run_one "${names[i]}" ${commands[i]} 2>/dev/null &
	running+=("${names[i]}")
	while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
		wait -n
	done
	collect_finished
done
wait
collect_finished

# Tests that other tests can trip are still tests to mend; they do not hide the rest.
run_again() { # NAMES
	local name i p f s
	rm "$work/failures"
	for name in $1; do
		for ((i = 0; i < total; i++)); do
			[ "${names[i]}" = "$name" ] && break
		done
		read -r p f s <"$work/${name//\//.}.failed"
		passed=$((passed - p)) failed=$((failed - f)) skipped=$((skipped - s))
		echo "once more, alone: $name"
		# shellcheck disable=SC2086
		run_one "$name" ${commands[i]} 2>/dev/null
		running=("$name")
		collect_finished
		grep -qsx "$name" "$work/failures" || echo "$name" >>"$work/unsteady"
	done
}
if [ -s "$work/failures" ] && [ "$(wc -l <"$work/failures")" -le "$again" ]; then
	run_again "$(cat "$work/failures")"
fi

[ -t 1 ] && printf '\r\033[K'
if [ -s "$work/skips" ]; then
	echo "skipped:"
	sort -u "$work/skips" | sed 's/^/    /'
fi
if [ -s "$work/unsteady" ]; then
	echo "unsteady (failed, then passed alone):" $(sort "$work/unsteady")
fi
if [ -s "$work/failures" ]; then
	echo "failed:" $(sort "$work/failures")
fi
if [ "$total" -eq 0 ]; then
	echo "no test has one of these words in its name: ${words[*]}"
	failed=1
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
