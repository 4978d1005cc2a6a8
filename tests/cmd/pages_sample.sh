#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sampling while a program is traced: a part of the pages, or a number of them. The curve of a
# sample is that of the whole trace within its error bars, scaled up; the number is kept.
. "$(dirname "$0")/../lib.sh"
need_facility ptrace userfaultfd userfaultfd-move
program=$PROG/pages_skewed

curve() { # NAME
	expect_status 0 chop mrc $1.pages --points 4 --csv $1.csv
}
expect_status 0 chop pages -q --no-ips --fifo -w 64 -o whole.pages -- "$program"
curve whole
# Within four standard errors, and two percent for what a window of 64 pages leaves out.
agrees() { # NAME
	awk -F, 'FNR == 1 { next }
		NR == FNR { exact[$2] = $4; next }
		$7 == 1 && $2 in exact {
			compared++
			off = $4 - exact[$2]
			if ((off < 0 ? -off : off) > 4 * $6 + 0.02 * exact[$2]) {
				print "at " $2 " pages " $4 " +- " $6 ", not " exact[$2]
				bad = 1
			}
			if (!($6 > 0)) { print "no error bar at " $2; bad = 1 }
		}
		END { exit bad || compared < 5 }' whole.csv $1.csv || fail "$1: $(cat $1.csv)"
}
for part in 0.5 0.2; do
	expect_status 0 chop pages -q --no-ips --fifo -w 64 --sample $part -o part.pages -- "$program"
	curve part
	agrees part
done
for most in 3000 1000; do
	expect_status 0 chop pages -q --no-ips --fifo -w 64 --sample-pages $most -o fixed.pages -- "$program"
	curve fixed
	agrees fixed
	expect_status 0 chop mrc fixed.pages
	pages=$(sed -nE '1s/.* references to ([0-9]+) pages.*/\1/p' "$OUT")
	[ "$pages" -le $most ] && [ "$pages" -ge $((most * 9 / 10)) ] || fail "$pages pages, not $most"
	expect_match '^a sample of [1-9][0-9.]* % of the pages; misses are scaled up$'
done
# Two processes, each with its own pages, in one sample.
expect_status 0 chop pages -q --no-ips -w 64 --sample-pages 500 -o t.pages -- "$PROG/pages_hard" forking
expect_status 0 chop mrc t.pages
expect_match ' references to (4[5-9][0-9]|500) pages'

expect_status 2 chop pages --sample-pages 500 -f text -o t -- "$program"
expect_one_error 'only with a window, and in the binary format'
expect_status 2 chop pages --sample-pages 5 -- "$program"
expect_status 2 chop mrc part.pages --block 64K
expect_one_error 'a sample of pages of 4096 bytes tells nothing of larger blocks'
exit 0
