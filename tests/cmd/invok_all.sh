#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Programs of which every function of the C library is timed do what they do alone: output,
# errors and status.
. "$(dirname "$0")/../lib.sh"

all() { # COMMAND...
	same_as_untraced "$CHOP" invok -q -o "$TEST_TMP/all.json" -format json -all \
		-module libc.so.6 -- "$@"
	python3 - "$TEST_TMP/all.json" <<-'END' || fail "not what was expected of $*"
	import json, sys
	d = json.load(open(sys.argv[1]))
	called = [f for f in d['functions'] if f['count']]
	rows = len(d['invocations'])
	assert rows == sum(f['count'] for f in called), rows
	assert len(d['functions']) > 1000 and len(called) > 30 and rows > 100, (len(called), rows)
	assert sum('stops' in f for f in d['functions']) < len(d['functions']) / 10
	assert d['unmatched_exits'] == 0 and d['unfinished_events'] == 0, d['unmatched_exits']
	END
}
size=2000
. "$TESTS/cmd/libc_programs.sh"
exit 0
