# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# For pages_programs*.sh: a program under chop pages has the same output, errors and exit
# status as alone, with small, middling and large windows, and chop says one line.
check() { # WORDS...
	local window
	for window in 64 1024 65536; do
		same_as_untraced "$CHOP" pages -w $window -o "$TEST_TMP/t.pages" -- "$@"
		[ "$(wc -l <"$ERR")" -eq "$(($(wc -l <"$TEST_TMP/.stderr1") + 1))" ] ||
			fail "window $window, $*: $(grep -a '^chop' "$ERR")"
	done
}
