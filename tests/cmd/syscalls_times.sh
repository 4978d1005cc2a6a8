#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop syscalls: lines are in the order of their times, on all processors; -r is the difference of
# two lines, never negative; a call that is shown as a whole bears the time when it began.
. "$(dirname "$0")/../lib.sh"
need python3

sources=ptrace
chop check bpf >/dev/null && sources="bpf ptrace"

# Children end while their parent is in calls: SIGCHLD, ignored, comes with the call's end.
cat >family <<'END'
for round in 1 2 3 4 5; do
	for child in 1 2 3 4; do /bin/true & done
	/bin/true
	wait
done
END

# Each line's time and what has passed since the line before.
differences() { # FILE
	python3 - "$1" <<-'END'
		import re, sys
		before = None
		for line in open(sys.argv[1]):
		    now, passed = re.match(r'(?:[0-9]+ +)?([0-9]+\.[0-9]{6}) \(\+ +([0-9]+\.[0-9]{6})\) ', line).groups()
		    now, passed = round(float(now) * 1e6), round(float(passed) * 1e6)
		    if before is not None and abs(now - before - passed) > 1:
		        sys.exit(f'{before} and {passed} and: {line}')
		    before = now
	END
}

for source in $sources; do
	syscalls="chop syscalls --source $source"
	expect_status 0 $syscalls -f -ttt -r -o text sh family
	grep -q -e '--- SIGCHLD' text || fail "$source: no SIGCHLD"
	differences text || fail "$source: not in order"

	# Shown as a whole: when it began, and what had passed since another began.
	expect_status 0 $syscalls -z -ttt -r -e trace=nanosleep,clock_nanosleep,close -o text sleep 0.1
	grep -q sleep text || fail "$source: $(cat text)"
	differences text || fail "$source: as a whole"
	expect_status 0 $syscalls -f -z -ttt -T -e trace=wait4 -o text sh -c 'sleep 0.1; true'
	awk '/wait4/ { sub(/.*</, "", $NF); ended = $2 + $NF } END { exit !(ended && ended <= $2 + .00001) }' \
		text || fail "$source: $(cat text)"
done
exit 0
