#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What memory traces cost, on five regions cut out of running programs: native, the raw stream,
# a file, reading it back, and beside it valgrind's lackey on the very same snippet. The region
# alone is measured; starting, mapping and comparing are not. Run by bench/run.sh.
. "$TOP/bench/lib.sh"
[ -n "${BENCH_QUICK:-}" ] || need zstd sqlite3
need_trace
runs=$(runs_or 5)
lackey_seconds=${BENCH_LACKEY:-$(full_or_quick 10 1)}
kernels=$(full_or_quick "" 30000) # their own size, or this

# valgrind 3.19 knows no AVX-512: the C library must not choose it in what is cut out.
off=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX,-BMI2,-ERMS,-FSRM,-RTM,-SSSE3,-SSE4_1,-SSE4_2
off=$off,-Fast_Unaligned_Copy,-Prefer_No_VZEROUPPER,-AVX_Fast_Unaligned_Load
export GLIBC_TUNABLES=glibc.cpu.hwcaps=$off LD_BIND_NOW=1

# Milliseconds of the region, the best of 20 iterations in one process.
native() { # SNIPPET
	"$1" --iterations "$(full_or_quick 20 3)" | awk '/^warm minimum/ { gsub(/[()]/, "")
		scale["ns"] = 1e-6; scale["us"] = 1e-3; scale["ms"] = 1; scale["s"] = 1e3
		print $(NF - 1) * scale[$NF] }'
}

# Million references a second of its user time: what the text costs the kernel is left out.
# After some seconds it is stopped; it takes minutes for what takes us a second.
lackey() { # SNIPPET
	command -v valgrind >/dev/null || { echo 0; return; }
	{
		TIMEFORMAT=%U
		time timeout "$lackey_seconds" valgrind --tool=lackey --trace-mem=yes --log-fd=9 \
			"$1" --friendly --timeout 0 9>&1 >/dev/null 2>&1 |
			tee >(grep -ac '^ M' >both) | grep -ac '^ [LSM]' >lines
	} 2>&1 | tail -n 1 >seconds
	sleep 0.2 # for the other grep
	cat lines both seconds | tr '\n' ' ' | awk '{ printf "%.3f\n", $3 ? ($1 + $2) / 1e6 / $3 : 0 }'
}

printf '%-13s %6s %17s | %15s | %24s | %13s | %15s | %s\n' region Mref 'native ms  Mref/s' \
	'raw      Mref/s' 'file (CPU)  Mref/s  b/ref' 'read data all' 'lackey  file is' 'drmemtrace'
row() { # NAME INVOCATION COMMAND...
	local name=$1 index=$2
	shift 2
	rm -rf t s
	chop trace -q -function "$name" -indices "$index" -trace-dir t -- "$@" >/dev/null 2>&1 </dev/null &&
		chop snippet -q t -o s || { echo "$name: not captured"; return 1; }
	"$BENCH/mem_region" ./s "$runs" >costs || return 1
	awk -v name="$name" -v native="$(native ./s)" -v lackey="$(lackey ./s)" '{
		n = $1 / 1e6; ms = 1000; file = $3 * ms / native
		printf "%-13s %6.1f %9.2f %7.0f | %6.2fx %7.0f | %5.1fx (%4.1fx) %5.0f %5.2f | %6.0f %6.0f | %5.2f %8.0fx | 50x: %.1f times\n",
			name, n, native, n / native * ms, $2 * ms / native, n / $2, file, $4 * ms / native,
			n / $3, $5 * 8 / $1, $6 / 1e6, $7 / 1e6, lackey,
			lackey ? n / $3 / lackey : 0, 50 / file
	}' costs
}

status=0
row daxpy 0 "$BENCH/kernels" daxpy $kernels || status=1
if [ -z "${BENCH_QUICK:-}" ]; then # the others take seconds, and say nothing more about the bench
	row chase 0 "$BENCH/kernels" chase $kernels || status=1
	row hashsort 0 "$BENCH/kernels" hashsort $kernels || status=1
	head -c 3000000 "$BUILD/chop" >input
	row lzma_code 5 zstd -q --format=xz -3 -c input || status=1
	row sqlite3_step 4 sqlite3 :memory: "create table t(a,b);
		insert into t select value, value*7%1000 from generate_series(1,200000);
		select sum(a*b), count(distinct b) from t;" || status=1
fi
cat <<'END'

x: times native. raw: CPU time of the traced code, its stream handed over and dropped. file: from
the region's begin until the file is finished, by a second process, whose CPU time is in brackets.
read: million records a second from the file in one thread, loads and stores, and with instruction
fetches. lackey: million references a second of its user time. A region that waits for memory
(chase) makes few references natively: no tracer gets more. drmemtrace: not in Debian; its manual
(multi_trace_window.dox) says "50x overhead while tracing": how many times less the file costs.
END
exit $status
