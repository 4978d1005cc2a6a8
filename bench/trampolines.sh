#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a patched function entry costs, and how many functions can be patched. Run by bench/run.sh.
echo "A call of a small function, patched: ns, and what the patch adds"
echo
"$BENCH/trampoline_stub" || exit 1
echo
echo "Functions that can be patched"
echo
libc=$(ldd /bin/ls | awk '/libc\.so/ { print $3 }')
lzma=$(ldd "$(command -v xz)" | awk '/liblzma/ { print $3 }')
exec "$BENCH/trampoline_survey" "$libc" $lzma
