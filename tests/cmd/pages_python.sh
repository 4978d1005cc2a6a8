#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An interpreter under chop pages: half a million records with a window of 64 pages.
. "$(dirname "$0")/../lib.sh"
. "$TESTS/cmd/pages_programs_lib.sh" || exit 1
need python3
need_facility ptrace userfaultfd userfaultfd-move

cat >"$TEST_TMP/script.py" <<'PY'
words = sorted({str(i * i % 997): i for i in range(300)}.items())
print(len(words), words[::50])
raise SystemExit(9)
PY
check python3 -I -S "$TEST_TMP/script.py"
exit 0
