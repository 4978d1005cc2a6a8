#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Somebody else's uprobe in a program's code: the breakpoint must not kill the program in a
# copy of the page where the kernel does not know it.
. "$(dirname "$0")/../lib.sh"
need nm
need_facility ptrace userfaultfd userfaultfd-move uprobe tracefs
for events in /sys/kernel/tracing /sys/kernel/debug/tracing; do
	[ -w $events/uprobe_events ] && break
done
[ -w $events/uprobe_events ] || skip 'uprobe_events cannot be written'

cp "$PROG/pages_hard" program
group=chop_test_$$
trap 'echo 0 >$events/events/$group/enable; for name in count_all many_forks; do
	echo "-:$group/$name" >>$events/uprobe_events; done; cd / && rm -rf "$TEST_TMP"' EXIT
for name in count_all many_forks; do
	offset=$(nm program | awk -v name=$name '$3 == name { sub("^0*", "", $1); print $1 }')
	echo "p:$group/$name $PWD/program:0x$offset" >>$events/uprobe_events ||
		skip 'a uprobe cannot be set'
done
echo 1 >$events/events/$group/enable
for name in threads many_forks threads_and_forks; do
	expect_status 0 chop pages -q -w 64 -o t.pages -- ./program $name
	expect_output "$name ok"
done
# It worked for those who set it: a program of its own fires it.
expect_status 0 ./program threads
awk -v name=count_all '$2 == name && $3 >= 8 { found = 1 } END { exit !found }' \
	$events/uprobe_profile || fail "the uprobe was never there: $(cat $events/uprobe_profile)"
exit 0
