#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A tracer that does not get on, so that the ring of records is full again and again: the program
# waits and goes on, and nothing is lost.
. "$(dirname "$0")/../lib.sh"
need_facility ptrace userfaultfd

chop pages -q --fifo -w 64 -f vpn -o found -- "$PROG/pages_ring" >out 2>err &
chop=$!
while kill -STOP $chop; do
	sleep 0.25
	kill -CONT $chop
	sleep 0.03
done 2>/dev/null
wait $chop || fail "status $?: $(cat err)"
[ "$(cat out)" = "$("$PROG/pages_ring")" ] || fail "other output: $(cat out)"
# Each of the thousand pages, a hundred times.
[ "$(wc -l <found)" -ge 100000 ] || fail "only $(wc -l <found) references"
