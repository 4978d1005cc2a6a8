#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The benches and their programs belong together; tests/run.sh runs each of them once (bench/NAME).
. "$(dirname "$0")/../lib.sh"
cd "$TOP" || exit 1

# What is named exists, so that another program of the same name is noticed, and what exists is run.
for script in bench/*.sh; do
	bash -n "$script" || fail "$script is no script"
	[ "$script" = bench/lib.sh ] || grep -q 'bench/lib.sh\|^# .*bench/run.sh BUILD_DIR' "$script" ||
		fail "$script does not use bench/lib.sh"
	for name in $(grep -o '\$BENCH/[a-z_]*' "$script" | sed 's/.*\///' | sort -u); do
		[ -e "bench/$name.c" ] || fail "$script runs $name; there is no bench/$name.c"
	done
	for name in $(grep -o '\$BUILD/tests/prog/[a-z_]*' "$script" | sed 's/.*\///' | sort -u); do
		[ -e "tests/prog/$name.c" ] || fail "$script runs $name; there is no tests/prog/$name.c"
	done
done
for program in bench/*.c; do
	name=$(basename "$program" .c)
	grep -Eq "(\\\$BENCH|bench)/$name\\b" bench/*.sh tests/corpus/*.sh || fail "nothing runs $program"
done
# Benches that are quoted: `make bench ONLY=NAME`, bench/NAME.sh.
for name in $(grep -oh 'bench/[a-z_]*\.sh\|make bench ONLY="\?[a-z_]*' README.md NEWS.md docs/*.scd \
	docs/design/*.md CONTRIBUTING.md | sed 's/.*[/="]//; s/\.sh$//' | sort -u); do
	[ -e "bench/$name.sh" ] || fail "the manuals name the bench $name; there is no bench/$name.sh"
done
# A bench that cannot run, and one that fails, are told apart.
mkdir "$TEST_TMP/bench" && cp bench/run.sh bench/lib.sh "$TEST_TMP/bench"
cd "$TEST_TMP" || exit 1
echo '. "$TOP/bench/lib.sh"; need no-such-program; echo measured' >bench/one.sh
expect_status 77 bash bench/run.sh "$BUILD"
expect_output "no-such-program is not installed"
echo 'exit 3' >bench/two.sh
expect_status 1 bash bench/run.sh "$BUILD"
expect_match '^two: failed$'
echo '. "$TOP/bench/lib.sh"; full_or_quick 5 6; seq 9 -2 1 | median' >bench/two.sh
BENCH_QUICK=1 expect_status 0 bash bench/run.sh "$BUILD" two
expect_output <<E
6
5

E
