#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Somebody's uprobe in the C library that chop itself runs: the kernel then has a page in chop,
# too, where captured programs have their stack; and its breakpoint stands in the code of a
# live program. Neither changes anything. Beside it, how chop makes room for a capture.
. "$(dirname "$0")/../lib.sh"
need nm objdump ldd setarch
need_facility ptrace userfaultfd userfaultfd-async pagemap-scan

# Without randomisation chop is where the program was: it starts over elsewhere, for each.
expect_status 0 chop trace -q -function sorted -module mem_cases -trace-dir three \
	-- "$PROG/mem_cases" sorted
expect_status 0 setarch -R chop mem three -j 2 --count
[ "$(grep -c '^equal: sorted' "$OUT")" = 3 ] || fail "not three, once each: $(cat "$OUT")"
[ "$(wc -l <"$OUT")" = 3 ] || fail "more than three: $(cat "$OUT")"

need_facility uprobe tracefs
for events in /sys/kernel/tracing /sys/kernel/debug/tracing; do
	[ -w $events/uprobe_events ] && break
done
[ -w $events/uprobe_events ] || skip 'uprobe_events cannot be written'
library=$(ldd "$CHOP" | awk '$1 == "libc.so.6" { print $3 }')
mkdir own
cp "$library" own/libc.so.6
# An instruction that the kernel must execute in its page: no push, nop, jump.
start=0x$(nm -D own/libc.so.6 | awk '$3 ~ /^malloc@@/ { print $1 }')
offset=0x$(objdump -d --start-address=$start --stop-address=$((start + 64)) own/libc.so.6 |
	awk '$NF ~ /^%r[a-ds][a-z],%r[a-ds][a-z]$/ && /mov/ { sub(":", "", $1); print $1; exit }')
[ "$offset" != 0x ] || skip 'no instruction of malloc to set a uprobe at'
group=chop_test_$$
trap 'echo 0 >$events/events/$group/enable; echo "-:$group/here" >>$events/uprobe_events
	cd / && rm -rf "$TEST_TMP"' EXIT
echo "p:$group/here $PWD/own/libc.so.6:$offset" >>$events/uprobe_events ||
	skip 'a uprobe cannot be set'
echo 1 >$events/events/$group/enable
export LD_LIBRARY_PATH=$PWD/own
cat /proc/self/maps | grep -q '\[uprobes\]' || fail 'the uprobe is not hit'
expect_status 0 chop mem three --capture 1 --count
expect_match '^equal: sorted invocation 1,'
expect_status 0 chop mem --live -q -o live.mem -- "$(command -v bash)" -c 'echo one; (echo two) | cat'
expect_output 'one
two'
exit 0
