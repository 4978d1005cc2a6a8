#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Choose the corpus' regions and print them: for each program of programs.txt the two named
# functions in which a sampling run (perf, software clock) spends most of its time, each in
# its first, tenth and last invocation; the last is that of the shortest of three runs, since some
# programs call a function once more now and then. The result is committed as regions.txt.
#
# Usage: tests/corpus/choose.sh CHOP [NAME...] >tests/corpus/regions.txt
set -u
chop=$1
shift
only=" $* "
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" && "$here/inputs.sh" || exit 1

# By inclusive time: in stripped libraries the code itself has no name, its callers do.
hottest() { # COMMAND: lines "SYMBOL MODULE"
	perf record -q -e cpu-clock:u -F 300 --call-graph dwarf,16384 -o perf.data -- \
		sh -c "exec $1" >/dev/null 2>&1 </dev/null
	perf report -i perf.data --no-demangle --children --sort symbol,dso --stdio -g none 2>/dev/null |
		awk '/^#/ || $3 != "[.]" || $4 ~ /^0x/ || $5 ~ /^(ld-linux|\[)/ || $4 ~ /[@(<]/ { next }
		     $5 == "(inlined)" || $4 ~ /^(_dl_|__strcmp_|__strlen_|__mem|_int_|_IO_default)|_internal$/ { next }
		     $4 ~ /^(main|_start|__libc_start.*|start_thread|clone3?|exec|sh)$/ { next }
		     { print $4, $5 }' | head -n 2
}

echo "# NAME | PACKAGE | COMMAND | FUNCTION | MODULE | INVOCATION; made by tests/corpus/choose.sh"
grep -v '^#' "$here/programs.txt" | while IFS='|' read -r name package command; do
	name=$(xargs <<<"$name") package=$(xargs <<<"$package")
	command=${command# }
	[ "$only" = "  " ] || [[ $only == *" $name "* ]] || continue
	hottest "$command" >hot
	while read -r function module; do
		count=
		for _ in 1 2 3; do
			said=$(timeout 60 sh -c "exec '$chop' trace -q -function '$function' \
				-module '$module' -indices 4000000000 -trace-dir never \
				-- $command" 2>&1 >/dev/null </dev/null)
			grep -q 'no function' <<<"$said" && continue 2
			times=$(grep -oE 'reached [0-9]+ time' <<<"$said" | grep -oE '[0-9]+')
			[ -z "$count" ] || [ "${times:-0}" -lt "$count" ] && count=${times:-0}
		done
		for invocation in 0 9 $((${count:-0} - 1)); do
			[ "$invocation" -ge 0 ] && [ "$invocation" -lt "${count:-10}" ] &&
				echo "$name | $package | $command | $function | $module | $invocation"
		done | sort -u -t'|' -k6n
	done <hot
done
