#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The corpus: capture every region of regions.txt in its real program, build a snippet, verify
# it three times, and compare the program's output and status with an untraced run. Prints a
# line for each region and a summary, and compares the outcomes with results.txt.
#
# Usage: tests/corpus/run.sh BUILD_DIR [NAME...]      (make corpus)
# SET=large: programs of another size (make large), from large_inputs.sh, large_regions.txt, to
# large_results.txt.
# UPDATE=1 writes results.txt. MEM=1 also runs each verified region in translation (chop mem) and
# compares its end; outcomes and counts go to results_mem.txt with UPDATE=1. Exit 1 when an outcome is worse than the committed one.
set -u
here=$(cd "$(dirname "$0")" && pwd)
chop=$(cd "$1" && pwd)/chop || exit 2
shift
only=" $* "
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
set=$here/${SET:+${SET}_}
cd "$work" && "${set}inputs.sh" || exit 1

# Outcome and details of one region into $outcome, $details.
one() { # COMMAND FUNCTION MODULE INVOCATION
	local command=$1 status alone
	rm -rf trace snippet
	sh -c "exec $command" >alone.out 2>alone.err </dev/null
	alone=$?
	timeout 120 sh -c "exec '$chop' trace -function '$2' -module '$3' -indices $4 -trace-dir trace \
		-- $command" >traced.out 2>traced.err </dev/null
	status=$?
	details=$(grep -vE '^chop: trace: (warning|invocation [0-9]+: )' traced.err | grep '^chop: trace' | head -n 1)
	if [ $status -ge 124 ]; then
		outcome=failed details="chop trace ended with status $status"
		return
	elif ! cmp -s alone.out traced.out; then
		outcome=failed details="the program's output changed"
		return
	elif [ $status -ne 0 ]; then
		case $details in
		*"never reached"* | *"never came"*) outcome=unreached ;;
		*) outcome=refused ;;
		esac
		return
	fi
	[ "$alone" -eq 0 ] || details="the program exits with $alone"
	details=$(python3 -c "import json
c = json.load(open('trace/trace.json'))['captures'][0]
print(c['pages'], 'pages,', c['written'], 'written,', c.get('system_calls', 0), 'calls,',
      '%.3f ms' % (c['duration_ns'] / 1e6))")
	outcome=verified
	if ! "$chop" snippet -q trace -o snippet 2>said; then
		outcome=refused details=$(head -n 1 said)
		return
	fi
	for _ in 1 2 3; do
		timeout 120 ./snippet >said 2>&1 || {
			outcome=failed details=$(head -n 1 said)
			return
		}
	done
	[ -z "${MEM:-}" ] || translated
}

# The same region under chop mem: its verdict, or what it says, into $verdict.
translated() {
	timeout 600 "$chop" mem trace --count >said 2>&1
	verdict=$(sed -n 's/^\([a-z]*\): .* \([0-9]* instructions, [0-9]* references\) in.*/\1, \2/p' said)
	[ -n "$verdict" ] || verdict=$(head -n 1 said)
	[[ $verdict == equal,* ]] || verdict="$verdict; $(sed -n 2p said)"
	details="$details; $verdict"
}

declare -A count=([verified]=0 [refused]=0 [failed]=0 [unreached]=0)
worse=0
: >results
: >results_mem
equal=0 other=0
while IFS='|' read -r name _ command function module invocation; do
	name=$(xargs <<<"$name") function=$(xargs <<<"$function")
	module=$(xargs <<<"$module") invocation=$(xargs <<<"$invocation")
	[ "$only" = "  " ] || [[ $only == *" $name "* ]] || continue
	verdict=
	one "${command# }" "$function" "$module" "$invocation"
	count[$outcome]=$((count[$outcome] + 1))
	region="$name $function $invocation"
	printf '%-9s %-44s %s\n' "$outcome" "$region" "$details"
	echo "$region: $outcome" >>results
	if [ -n "$verdict" ]; then
		echo "$region: $verdict" >>results_mem
		if [[ $verdict == equal,* ]]; then equal=$((equal + 1)); else other=$((other + 1)); fi
		grep -q "^$region: equal," "${set}results_mem.txt" 2>/dev/null &&
			[[ $verdict != equal,* ]] && worse=$((worse + 1))
	fi
	before=$(sed -n "s/^$region: //p" "${set}results.txt" 2>/dev/null)
	[ "$before" = verified ] && [ $outcome != verified ] && worse=$((worse + 1))
done < <(grep -v '^#' "${set}regions.txt")

reached=$((count[verified] + count[refused] + count[failed]))
echo
echo "${count[verified]} verified, ${count[refused]} refused, ${count[failed]} failed," \
	"${count[unreached]} never reached; $((100 * count[verified] / (reached ? reached : 1))) % of the reached verify"
[ -n "${MEM:-}" ] && echo "in translation: $equal ended as recorded, $other did not"
if [ -n "${UPDATE:-}" ]; then
	cp results "${set}results.txt"
	[ -z "${MEM:-}" ] || cp results_mem "${set}results_mem.txt"
fi
if [ $worse -gt 0 ]; then
	echo "$worse regions that used to verify do not any more"
	exit 1
fi
