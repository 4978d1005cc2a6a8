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
mode='--dry-run -Werror'
[ "${1:-}" = -i ] && mode=-i
# shellcheck disable=SC2086
find src runtime bpf include tests/unit tests/fuzz bench -name '*.[ch]' 2>/dev/null |
	sort | xargs "$name" $mode
