#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Check (or with -i, apply) the formatting of .clang-format. Other versions of
# clang-format than the pinned one disagree in details: exit 77 (skipped) without it.
set -eu
cd "$(dirname "$0")/.."
for name in clang-format-14 clang-format; do
	version=$("$name" --version 2>/dev/null | sed -n 's/.*version \([0-9]*\)\..*/\1/p') || version=
	[ "$version" = 14 ] && break
done
if [ "$version" != 14 ]; then
	echo "clang-format 14 is not installed"
	exit 77
fi
files=$(find src runtime preload bpf include tests/unit tests/fuzz bench -name '*.[ch]' 2>/dev/null | sort)
if [ "${1:-}" = -i ]; then
	echo "$files" | xargs "$name" -i
	exit
fi
# shellcheck disable=SC2086
bad=$("$name" --dry-run $files 2>&1 | sed -n 's/^\([^: ]*\):[0-9]*:[0-9]*: warning: .*/\1/p' | sort -u)
[ -z "$bad" ] && exit 0
printf '%s: not formatted; run `make format`\n' $bad
exit 1
