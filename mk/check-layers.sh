#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Check the #include lines of src/ against mk/layers.txt; runtime/ and bpf/ may include only
# <chop/...> and themselves, and of the system only what needs no C library. No architecture
# is named in the preprocessor outside the places for it. Prints each violation; exit 1 if
# there is one.
set -eu
cd "$(dirname "$0")/.."
find src runtime bpf -name '*.[chS]' 2>/dev/null | sort | xargs awk '
BEGIN {
	free = "^(std(arg|bool|def|int|align|atomic|noreturn)|limits|cpuid|immintrin|x86intrin)[.]h$"
	while ((getline line < "mk/layers.txt") > 0)
		if (line !~ /^#/) {
			rank++
			n = split(line, names, " ")
			for (i = 1; i <= n; i++) level[names[i]] = rank
		}
}
FNR == 1 {
	n = split(FILENAME, part, "/")
	top = part[1]
	module = (top == "src" && n > 2) ? part[2] : top
	if (top == "src" && n > 2 && !(module in level)) {
		print FILENAME ": module " module " is not in mk/layers.txt"
		bad = 1
	}
}
/^[ \t]*#[ \t]*include[ \t]*</ && top != "src" {
	split($0, quoted, /[<>]/)
	if (quoted[2] !~ /^(chop|linux|asm|bpf)\// && quoted[2] !~ free) {
		print FILENAME ":" FNR ": " top "/ must not include <" quoted[2] ">"
		bad = 1
	}
}
/^[ \t]*#.*__(x86_64|amd64|i386|aarch64|riscv)__/ && FILENAME !~ /\/arch\/|\/x86_64\/|^bpf\// {
	print FILENAME ":" FNR ": an architecture is named outside src/arch"
	bad = 1
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, quoted, "\"")
	if (split(quoted[2], path, "/") < 2) next
	target = path[1]
	if (target == module) next
	if (top == "src" && n == 2) next	# src/main.c sees everything
	ok = top == "src" && (target in level) && (module in level) && level[target] < level[module]
	if (!ok) {
		print FILENAME ":" FNR ": " module " must not include " quoted[2]
		bad = 1
	}
}
END { exit bad }'
