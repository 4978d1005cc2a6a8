#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Shared memory is in the window like private memory: anonymous, memfd, tmpfs. What is shared of
# a file on a disk is not, and that is said, with how many pages. (That programs run as they
# would alone with all of that: pages_hard.sh.)
. "$(dirname "$0")/../lib.sh"
need_facility ptrace userfaultfd userfaultfd-move

expect_status 0 chop pages --fifo -w 250 -f text -o text -- "$PROG/pages_shared" sweeping
expect_error_match '^chop: pages: [0-9]+ references in text(; [0-9]+ pages of shared mappings of files not counted)?$'
map=$(grep ' map .*/dev/zero' text)
[[ $map == *shared* && $map != *unwatched* ]] || fail "the mapping: $map"
# Three sweeps through twice the window: each page is missed each time.
[ "$(grep -c ' in zero (deleted)+' text)" = 1500 ] ||
	fail "$(grep -c ' in zero (deleted)+' text) references to 500 pages, three times"
[ "$(grep -c ' new in zero (deleted)+' text)" = 500 ] || fail 'they were new once'

[ "$(stat -f -c %T .)" = tmpfs ] && exit 0
pages() { sed -n 's/.*; \([0-9]*\) pages of shared mappings of files not counted$/\1/p' "$ERR"; }
other=$(pages)
expect_status 0 chop pages -w 256 -f text -o text -- "$PROG/pages_shared" on_disk
[ "$(($(pages) - ${other:-0}))" = 100 ] || fail "$(cat "$ERR"), and without the file ${other:-none}"
grep -q ' map .*shared.*unwatched.*pages_shared' text || fail "$(grep ' map ' text)"
exit 0
