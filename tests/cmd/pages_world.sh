#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is around a program: it waits for children of every kind and does not meet the pager,
# gives up being root, is process 1 of a namespace of its own, starts 32-bit programs,
# has more memory pinned by io_uring than the window holds; a program
# that cannot be traced is not run at all.
. "$(dirname "$0")/../lib.sh"
need_facility ptrace userfaultfd userfaultfd-move

for name in $("$PROG/pages_world"); do
	case $name in
	rights)
		[ -c /dev/userfaultfd ] || { echo 'rights: no /dev/userfaultfd' && continue; }
		;& # as root
	own_namespace)
		"$PROG/pages_world" "$name" >alone || { echo "$name: not allowed here" && continue; }
		;;
	esac
	for window in 1024 48; do
		expect_status 0 chop pages -q -w $window -o t.pages -- "$PROG/pages_world" "$name"
		expect_output "$name ok"
		expect_errors ''
		expect_status 0 chop mrc t.pages
		expect_errors ''
	done
	# Every process is in the trace, and its own threads made the references.
	expect_status 0 chop convert t.pages --to csv
	case $name in
	rights | own_namespace)
		[ "$(cut -d, -f3 "$OUT" | tail -n +2 | sort -u | wc -l)" -ge 3 ] ||
			fail "$name: not all processes are in the trace: $(head -n 3 "$OUT")"
		;;
	esac
done

# A limit of file sizes is not for the pager, as far as it may be raised.
expect_status 0 bash -c 'ulimit -S -f 10; exec chop pages -q -w 48 -f text -o /dev/null -- true'
expect_status 5 bash -c 'ulimit -f 10; prlimit --fsize=unlimited && exit 5
	exec chop pages -q -w 48 -f text -o /dev/null -- true' 2>/dev/null

# int $0x80 with exit(3): a program of another world, which needs no libraries of it.
base64 -d <<'END' >small
f0VMRgEBAQAAAAAAAAAAAAIAAwABAAAAVIAECDQAAAAAAAAAAAAAADQAIAABAAAAAAAAAAEAAAAA
AAAAAIAECACABAhgAAAAYAAAAAUAAAAAEAAAuAEAAAC7AwAAAM2A
END
chmod +x small
expect_status 2 chop pages -o t.pages -- ./small
expect_one_error 'is a 32-bit program; chop handles 64-bit'
if ./small || [ $? = 3 ]; then
	expect_status 3 chop pages -o t.pages -- sh -c './small'
	expect_error_match 'runs on untraced: process [0-9]* is a 32-bit program'
fi
exit 0
