#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Probe what the build needs and print it as make variables.
# Usage: mk/config.sh "PKG-CONFIG NAMES" CC CLANG BPFTOOL
set -eu
packages=$1 cc=$2 clang=$3 bpftool=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
	echo "chop: $1; run \`make deps\` (or see mk/packages.txt)" >&2
	exit 1
}

command -v pkg-config >/dev/null 2>&1 || fail "pkg-config is missing"
cflags=''
libs=''
for package in $packages; do
	case $package in
	zydis)	# Debian's package has no .pc file
		echo '#include <Zydis/Zydis.h>
int main(void) { return ZydisGetVersion() == 0; }' >"$work/z.c"
		$cc "$work/z.c" -o "$work/z" -lZydis 2>/dev/null || fail "libzydis is missing"
		libs="$libs -lZydis" ;;
	*)
		pkg-config --exists "$package" || fail "$package is missing"
		cflags="$cflags $(pkg-config --cflags "$package")"
		libs="$libs $(pkg-config --libs "$package")" ;;
	esac
done
# BPF objects are optional: without clang or bpftool those sources fall back.
have_bpf=
echo 'int x(void *c) { return 0; }' >"$work/b.c"
if "$clang" -target bpf -O2 -c "$work/b.c" -o "$work/b.o" 2>/dev/null &&
   "$bpftool" version >/dev/null 2>&1; then
	have_bpf=1
fi
# libFuzzer comes with clang's runtime, which is a package of its own.
have_fuzzer=
echo 'int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n);
int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { return d && n && 0; }' >"$work/f.c"
if "$clang" -fsanitize=fuzzer,address,undefined "$work/f.c" -o "$work/f" 2>/dev/null; then
	have_fuzzer=1
fi
echo "LIB_CFLAGS :=$cflags"
echo "LIB_LIBS :=$libs"
echo "HAVE_BPF := $have_bpf"
echo "HAVE_FUZZER := $have_fuzzer"
