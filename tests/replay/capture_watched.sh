#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Others read the memory of a program whenever they like, while it is on its way elsewhere as well:
# ps and top have the kernel read the arguments on its stack, profilers and debuggers read all of it
# (process_vm_readv, /proc/PID/mem).
. "$(dirname "$0")/../lib.sh"
need_facility ptrace userfaultfd
need python3
own trace_modes
"$OWN" count 60 >alone

find_backends
for back_end in uffd $backends; do
	python3 - "$OWN" <<'PY' &
import glob, os, sys
name = os.path.basename(sys.argv[1])
while os.path.exists("alone"):
    for comm in glob.glob("/proc/[0-9]*/comm"):
        arguments = comm[:-4] + "cmdline"
        try:
            if open(comm).read().strip() != name:
                continue
            for i in range(3000):
                os.close(os.open(arguments, os.O_RDONLY)) if i % 2 else open(arguments, "rb", 0).read()
        except OSError:
            pass
PY
	reader=$!
	for i in 1 2 3 4 5 6 7 8; do
		rm -rf t
		expect_status 0 chop trace -q -backend $back_end -function step -module trace_modes \
			-indices 0-29 -trace-dir t -- "$OWN" count 60
		cmp -s alone "$OUT" || { kill $reader; show_output; fail "$back_end: the output differs"; }
	done
	kill $reader
	wait $reader 2>/dev/null
	expect_status 0 chop verify t -c 0
done

watched() { # BACKEND TIMES [writes]
	for ((i = 0; i < $2; i++)); do
		rm -rf t
		expect_status 0 chop trace -q -backend "$1" -function step -indices 0-29 \
			-trace-dir t -- "$PROG/capture_watched" 60 ${3:-}
		expect_output '60 rounds intact'
		[ -n "${3:-}" ] || expect_status 0 chop verify t -c 0
	done
}
watched uffd 4
watched uffd 2 writes
for back_end in $backends; do
	watched "$back_end" 1
done
exit 0
