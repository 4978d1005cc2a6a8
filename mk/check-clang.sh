#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compile everything a second time with clang, without warnings. Usage: check-clang.sh BUILD_DIR
set -eu
cd "$(dirname "$0")/.."
if ! command -v clang >/dev/null 2>&1; then
	echo "clang is not installed"
	exit 77
fi
make --no-print-directory -s clang-check
