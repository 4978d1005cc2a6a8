#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# House rules a compiler does not know: an SPDX line in each file, files under 600 lines,
# functions of at most 60 lines, each .c includes its own header first; tests are executable.
# No binary is kept in git but seeds of fuzz targets: what a test left behind is soon committed.
# Prints each violation; exit 1 if there is one.
set -eu
cd "$(dirname "$0")/.."
# A test that cannot be executed is not run, and nobody notices.
for file in tests/cmd/*.sh tests/replay/*.sh tests/conform/*.sh; do
	if [ ! -x "$file" ] && [ "$(head -c 2 "$file")" = '#!' ]; then
		echo "$file: a test, but not executable"
		exit 1
	fi
done
if git rev-parse --git-dir >/dev/null 2>&1; then
	binaries=$(git ls-files -- . ':!tests/fuzz/corpus' | xargs -r grep -LIs '' -- || true)
	if [ -n "$binaries" ]; then
		printf '%s: a binary, or empty, in git\n' $binaries
		exit 1
	fi
fi
{
	find src runtime preload bpf include tests bench mk examples .ci completions -type f \
		\( -name '*.[chS]' -o -name '*.cc' -o -name '*.sh' -o -name '*.mk' -o -name '*.awk' \
		   -o -name run \) 2>/dev/null
	echo Makefile
} | sort | xargs awk '
function report(line, text) {
	print FILENAME ":" line ": " text
	bad = 1
}
function finish() {
	if (file == "") return
	if (!spdx) { print file ":1: no SPDX-License-Identifier in the first lines"; bad = 1 }
	if (limited && lines > 600) { print file ": " lines " lines; 600 is the limit"; bad = 1 }
}
FNR == 1 {
	finish()
	file = FILENAME
	spdx = included = start = 0
	limited = file ~ /\.[chS]$/ && file !~ /^tests\/prog\//
	own = ""
	if (file ~ /^src\/[^\/]*\/.*\.c$/) {
		own = substr(file, 5)
		sub(/\.c$/, ".h", own)
		if ((getline line < ("src/" own)) < 0) own = ""
		close("src/" own)
	}
}
FNR <= 6 && /SPDX-License-Identifier/ { spdx = 1 }
{ lines = FNR }
!limited { next }
own != "" && !included && /^#include/ {
	included = 1
	if ($0 != "#include \"" own "\"") report(FNR, "the first include must be \"" own "\"")
}
# Kernel style: a function body opens and closes in column one; a table closes with "};".
/^\{/ { start = FNR }
/^\}/ {
	if (start && /^\}[ \t]*$/ && FNR - start - 1 > 60)
		report(start, "function of " FNR - start - 1 " lines; 60 is the limit")
	start = 0
}
END { finish(); exit bad }'
