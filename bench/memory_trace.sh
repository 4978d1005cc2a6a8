#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the memory-trace engine costs. Run by bench/run.sh.
echo "Memory traces: slowdown against the same code run natively, and million references a second"
echo
exec "$BENCH/mem_engine" "${BENCH_RUNS:-3}"
