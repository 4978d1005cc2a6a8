#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# All steps of the README, each command shown: run_example.sh [OUTPUT_DIR]
set -eu -o pipefail
cd "$(dirname "$0")"
OUTPUT_DIR=${1:-/tmp/trace_example}
BASE_NAME=ubench_daxpy

if [ -e "$OUTPUT_DIR" ]; then
	echo "$0: $OUTPUT_DIR exists; remove it or name another directory" >&2
	exit 2
fi
command -v chop >/dev/null || { echo "$0: chop is not in PATH" >&2; exit 2; }
mkdir -p "$OUTPUT_DIR"
set -x

# Build the program and try it
make daxpy
time ./daxpy
# Where the region of interest begins and ends
chop-marks daxpy daxpy
# Trace it: all ten invocations
# shellcheck disable=SC2046
chop trace $(chop-marks daxpy daxpy) -trace-dir "$OUTPUT_DIR/trace_data" ./daxpy
# Microprobe test files
chop-trace2mpt --trace-dir "$OUTPUT_DIR/trace_data" -o "$OUTPUT_DIR/$BASE_NAME"
# A self-running binary of the first invocation; it proves that it ends as the original did
chop snippet "$OUTPUT_DIR/trace_data" --capture 0 -o "$OUTPUT_DIR/$BASE_NAME#0.elf"
"$OUTPUT_DIR/$BASE_NAME#0.elf"
# A thousand times, registers and memory reset each time
timeout 100s "$OUTPUT_DIR/$BASE_NAME#0.elf" --iterations 1000
# Its memory accesses, and a test file that names them
chop-trace-mem -output "$OUTPUT_DIR/$BASE_NAME#0" -base-mpt "$OUTPUT_DIR/$BASE_NAME#0.mpt" -output-mpt "$OUTPUT_DIR/$BASE_NAME#0#memory.mpt" -- "$OUTPUT_DIR/$BASE_NAME#0.elf"

# The same with a function of a library as the distribution has it
{ set +x; } 2>/dev/null
XZ=$(command -v xz) || { echo "xz is not installed: the second half is left out" >&2; exit 0; }
BASE_NAME=ubench_lzma_code
set -x
seq 1 300 >"$OUTPUT_DIR/numbers"
chop-marks "$XZ" lzma_code
# shellcheck disable=SC2046
chop trace $(chop-marks "$XZ" lzma_code) -indices 0 -max-traces 1 -trace-dir "$OUTPUT_DIR/trace_lzma" "$XZ" -c -T1 "$OUTPUT_DIR/numbers" >"$OUTPUT_DIR/numbers.xz"
chop-trace2mpt --trace-dir "$OUTPUT_DIR/trace_lzma" -o "$OUTPUT_DIR/$BASE_NAME" --gzip
chop snippet "$OUTPUT_DIR/trace_lzma" --capture 0 -o "$OUTPUT_DIR/$BASE_NAME#0.elf"
"$OUTPUT_DIR/$BASE_NAME#0.elf"
chop-trace-mem -output "$OUTPUT_DIR/$BASE_NAME#0" -base-mpt "$OUTPUT_DIR/$BASE_NAME#0.mpt.gz" -output-mpt "$OUTPUT_DIR/$BASE_NAME#0#memory.mpt" -- "$OUTPUT_DIR/$BASE_NAME#0.elf"
