#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is no input for a command is refused in one line with the documented status: devices,
# foreign files, names that cannot be run, numbers out of range.
. "$(dirname "$0")/../lib.sh"

# refuse STATUS REGEX COMMAND...
refuse() {
	local status=$1 regex=$2
	shift 2
	expect_status "$status" timeout 60 "$@"
	expect_one_error "$regex"
	expect_output ''
}

# A device has no end.
refuse 2 'cannot read /dev/zero: it is a device' chop syscalls --from /dev/zero
refuse 2 'cannot read /dev/zero: it is a device' chop mrc /dev/zero
refuse 2 'cannot read /dev/zero: it is a device' chop detrace /dev/zero
refuse 2 'cannot read /dev/zero: it is a device or a pipe' chop convert /dev/zero --to lackey
refuse 2 'true is no trace.bin, or damaged: word 0, [0-9a-f]*, is no page' chop detrace \
	"$(type -P true)"

# A pipe is read from its first byte on.
seq 1 2000 >numbers
expect_status 0 bash -c 'chop mrc <(cat numbers)'
expect_match '^/dev/fd/.*: page numbers, 2000 references to 2000 pages'

# Names.
mkdir here
cp "$(type -P true)" here/chop-test-here
(cd here && refuse 127 'cannot run chop-test-here: .* PATH; the file here is ./chop-test-here$' \
	chop trace -function main -- chop-test-here) || exit 1
refuse 127 "cannot run '': the name is empty" chop hot -- ''
refuse 126 'cannot run ./here: Is a directory' chop trace -function main -- ./here
printf '#!/nowhere/interpreter\n' >script
chmod +x script
for command in 'trace -function main' 'mem --live' 'syscalls -o lines' hot invok; do
	# shellcheck disable=SC2086 # words
	refuse 127 'cannot run ./script: the interpreter it names does not exist' \
		chop $command -- ./script
done

# Numbers and combinations.
refuse 2 'option -p: -1 is too small' chop maps -p -1
refuse 2 'option -p: 99999999999999999999 is too large' chop maps -p 99999999999999999999
refuse 2 '-prob 0 would capture nothing' chop trace -function main -prob 0 -- true
refuse 2 '--loop is missing' chop marks --line 5 xz lzma_code
refuse 2 'got 1 word;' chop marks xz
refuse 2 'has no functions with names' chop marks --all "$(type -P true)"
refuse 2 'there is no module nowhere' chop maps -m nowhere -p $$
refuse 2 "if it is the command's, put -- before the command" chop cut f true -c

refuse 2 'the binary format goes to a file' chop pages -o - -- true
[ ! -e ./- ] || fail "a file of the name -"
refuse 2 'it cannot be measured as well' chop invok -function malloc -allocations -- true
refuse 2 'chop cannot watch itself' sh -c 'exec chop syscalls -p $$'
refuse 2 'chop cannot watch itself' sh -c 'exec chop probe u:libc:malloc -p $$'

# What cannot be written is told before a program runs in vain.
refuse 2 'cannot create nowhere/x' chop bbv --live -o nowhere/x -- echo ran
refuse 2 'cannot create nowhere/x' chop memtrace -begin main -output nowhere/x -- echo ran

# An output that fails is told once.
libc=$(ldd "$(type -P true)" | awk '/libc\.so/ { print $3 }')
expect_status 2 bash -c 'chop marks "$1" malloc >&-' - "$libc"
expect_one_error 'cannot write to stdout: Bad file descriptor'
expect_status 2 bash -c 'chop help >/dev/full'
expect_one_error 'cannot write to stdout: No space left'
