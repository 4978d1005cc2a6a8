#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Memory traces of real programs against the processor: the first INSTRUCTIONS (100000) of one
# region of each program below, stepped through natively, record for record. Prints a line for
# each; exit 1 when one differs.
#
# Usage: tests/corpus/oracle.sh BUILD_DIR [NAME...]      (make oracle)
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd) || exit 2
shift
only=" $* "
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" && "$here/inputs.sh" || exit 1

# Regions of regions.txt: NAME FUNCTION INVOCATION.
regions="xz lzma_code 0
unxz lzma_code 9
bzip2 BZ2_bzCompress 0
bunzip2 BZ2_bzDecompress 0
pigz deflate 0
brotli BrotliEncoderCompressStream 0
python3 Py_BytesMain 0
perl Perl_runops_standard 1
lua lua_pcallk 0
tcl Tcl_FSEvalFileEx 0
jq jq_compile_args 0
xmllint xmlXPathEval 0
sox sox_flow_effects 0
lame lame_init_params 0
oggenc vorbis_analysis 0"

equal=0 other=0
while read -r name function invocation; do
	[ "$only" = "  " ] || [[ $only == *" $name "* ]] || continue
	IFS='|' read -r _ _ command _ module _ < <(grep -E "^$name \|.*\| $function \|[^|]*\| $invocation\$" "$here/regions.txt")
	module=$(xargs <<<"$module")
	rm -rf trace
	"$build/chop" trace -q -function "$function" -module "$module" -indices "$invocation" \
		-trace-dir trace -- sh -c "exec $command" >/dev/null 2>said </dev/null &&
		"$build/chop" mem trace --max-refs 2000000 >/dev/null 2>said
	result=$("$build/bench/mem_oracle" trace 0 "${INSTRUCTIONS:-100000}" 2>&1 </dev/null)
	printf '%-10s %-32s %s\n' "$name" "$function $invocation" "$(head -n 3 <<<"$result" | paste -sd' ')"
	if [[ $result == equal* ]]; then equal=$((equal + 1)); else other=$((other + 1)); fi
done <<<"$regions"
echo
echo "$equal equal, $other not"
[ $other -eq 0 ]
