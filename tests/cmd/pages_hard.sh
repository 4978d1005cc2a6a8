#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Programs that use memory in ways that could upset a pager, each checking itself: mappings
# that move, shrink, change and vanish, code that is written, kernel accesses, threads,
# forks, signals, locked memory; a sparse mapping of 16 GB, 1000 threads, 200 children and
# 100 000 mappings, with bounded memory. Without arguments the programs list their cases.
. "$(dirname "$0")/../lib.sh"
need_facility ptrace userfaultfd userfaultfd-move

for window in 32 1024; do
	for program in hard mappings shared; do
		for name in $("$PROG/pages_$program"); do
			case $name in
			lasting* | crash) continue ;; # pages_attach.sh
			mapping_pairs) continue ;; # below
			sparse | many_threads) [ $window = 32 ] && continue ;;
			esac
			expect_status 0 chop pages -q -w $window -o t.pages -- "$PROG/pages_$program" "$name"
			expect_output "$name ok"
			expect_errors ''
			# Complete, whatever happened: mrc says when it is not.
			expect_status 0 chop mrc t.pages
			expect_errors ''
		done
	done
done

# What ends by a signal ends by it here.
{ same_as_untraced "$CHOP" pages -w 64 -o t.pages -- "$PROG/pages_hard" crash; } 2>/dev/null

# Memory: what chop needed, and what is in the trace. Neither depends on how long it took.
need python3
cat >run.py <<'PY'
import os, resource, sys
status = os.spawnv(os.P_WAIT, sys.argv[1], sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10)
sys.exit(status if status >= 0 else 128 - status)
PY
for name in sparse many_threads many_forks mapping_pairs; do
	program=$PROG/pages_mappings
	[[ $name == many_* ]] && program=$PROG/pages_hard
	expect_status 0 python3 run.py "$CHOP" pages -q -w 256 -o t.pages -- "$program" $name
	megabytes=$(tail -n 1 "$OUT")
	[ "$megabytes" -lt 400 ] || fail "$name: $megabytes MB"
	expect_status 0 chop convert t.pages --to text
	grep -c ' exit ' "$OUT" >exits
	case $name in
	many_forks) [ "$(cat exits)" = 201 ] || fail "$(cat exits) ends of processes" ;;
	mapping_pairs) [ "$(grep -c ' unmap ' "$OUT")" -ge 100000 ] || fail "unmappings are missing" ;;
	many_threads) [ "$(grep -c ' thread ' "$OUT")" -ge 1000 ] || fail "threads are missing" ;;
	esac
done
exit 0
