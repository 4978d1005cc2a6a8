# SPDX-License-Identifier: Apache-2.0
# `cc -E -dM` of <asm/unistd.h> -> one string literal a line, by number; "" where there is
# no such call.
/^#define __NR_[a-z0-9_]+ [0-9]+$/ {
	name[$3 + 0] = substr($2, 6)
	if ($3 + 0 > last)
		last = $3 + 0
}
END {
	for (number = 0; number <= last; number++)
		printf "\"%s\\0\"\n", name[number]
}
