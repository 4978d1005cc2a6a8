#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The whole way: cut one invocation of lzma_code out of xz, a program nobody here wrote, run
# what was cut, and see it end as the original did. Usage: examples/demo.sh [BUILD_DIR]
set -eu -o pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "${1:-$top/build}" && pwd)
export PATH=$build:$PATH LC_ALL=C
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

told=$(chop check userfaultfd) || { echo "$told"; exit 5; }
# Something worth compressing: the tree of chop itself.
tar -C "$top" -cf FILE src include docs tests
xz -c -T1 FILE >untraced.xz
echo "A file of $(stat -c %s FILE) bytes, and $(xz --version | head -n 1) of this system."

show() { # WORDS...: print a command and run it
	printf '\n$ %s\n' "$*"
	"$@"
}

printf '\n$ chop cut lzma_code --invocation 20 -o lzma -- xz -c -T1 FILE >FILE.xz\n'
chop cut lzma_code --invocation 20 -o lzma -- xz -c -T1 FILE >FILE.xz
show cmp FILE.xz untraced.xz
echo "(xz wrote the same as without chop)"
show ls -s --block-size=1K lzma
show ./lzma/lzma_code.20
