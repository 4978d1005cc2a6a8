#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Completion in bash: commands, options, the traced command.
. "$(dirname "$0")/../lib.sh"

. "$BUILD/completion/chop.bash"
complete_words() { # WORDS...: completes the last one
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
	_chop
	printf '%s\n' "${COMPREPLY[@]+"${COMPREPLY[@]}"}" | sort >"$OUT"
	: >"$ERR"
}

complete_words chop che
expect_output check
complete_words chop ''
expect_match '^--help$'
for name in $(awk -F'[ \t]*[|][ \t]*' '!/^#/ && NF >= 4 { print $1 }' "$TOP/commands.txt"); do
	expect_match "^$name\$"
done
complete_words chop check --js
expect_output --json
complete_words chop check --log-
expect_output <<'EOF'
--log-level
--log-path
EOF
touch a-file
complete_words chop check --log-path a-f
expect_output a-file
complete_words chop check -- a-f
expect_match '^a-file$'
# Every command has the options it tells of.
for name in $(awk -F'[ \t]*[|][ \t]*' '!/^#/ && NF >= 4 { print $1 }' "$TOP/commands.txt"); do
	chop "$name" --help | grep -oE -- '^  (-., |    )--[a-z0-9-]+' | grep -oE -- '--.*' |
		sort >told
	complete_words chop "$name" --
	cmp -s told "$OUT" || fail "$name: $(diff told "$OUT")"
done
