#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The command line before any command: help, version, unknown words, a full disk.
. "$(dirname "$0")/../lib.sh"

expect_status 0 chop --version
expect_output "chop $(cat "$TOP/mk/version.txt")"
expect_status 0 chop --help
expect_match '^Usage: chop COMMAND'
expect_match '^  check '
expect_status 2 chop
expect_output ''
expect_error_match '^Usage: chop COMMAND'
expect_status 2 chop nonsense
expect_one_error "no command 'nonsense'; .chop --help. lists them"
expect_status 2 chop -v check
expect_one_error 'unknown option -v before the command'
expect_status 0 chop help check
expect_match '^Usage: chop check'
expect_status 2 chop help chek
expect_one_error 'did you mean'
expect_status 2 chop chek
expect_one_error "no command 'chek'; did you mean 'check'"
expect_status 2 chop check --jsno
expect_one_error '^chop: check: unknown option --jsno'

[ -w /dev/full ] || skip "no /dev/full"
chop --help >/dev/full 2>"$ERR"
[ $? -eq 2 ] || fail "a full disk behind stdout must not look like success"
expect_one_error 'cannot write to stdout: No space left on device'
