#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Paths of descriptors begin at the root directory of whoever watches, as strace's do: inside a
# chroot, and outside of one that the program enters (a static program, there).
. "$(dirname "$0")/../lib.sh"
need strace chroot unshare
[ "$(id -u)" -eq 0 ] || skip "not root: no chroot"
unshare -m true 2>/dev/null || skip "no mount namespaces here"

export sources=ptrace
chop check bpf >/dev/null && sources="bpf ptrace"
export calls='trace=openat,read,getcwd,chdir'
mkdir small root
cp "$PROG/syscalls_static" small/program
echo text >small/file

# "root" shows the whole tree once more: our directory is where it was, in there too.
unshare -m bash -c '
	mount --rbind / root || exit 1
	watch() { # NAME COMMAND...
		local name=$1
		shift
		eval "$TRACER -f -y -e signal=none -e $calls -o $PWD/$name \"\$@\" >/dev/null"
	}
	run() { # NAME
		watch inside.$1 sh -c "cd /etc; cat passwd; cd \"$PWD/small\"; cat file" || return
	}
	export -f run watch
	for name in strace $sources; do
		[ $name = strace ] && export TRACER=strace || export TRACER="$CHOP syscalls --source $name"
		chroot root bash -c "cd \"$PWD\" && run $name" || exit 1
		watch outside.$name chroot small /program file || exit 1
	done' || fail "status $?"

grep -q '</etc/passwd>' inside.strace && grep -q "<$PWD/small/file>" inside.strace ||
	fail "strace: $(cat inside.strace)"
grep -q "<$PWD/small" outside.strace || fail "strace: $(cat outside.strace)"
for name in inside outside; do
	for source in $sources; do
		# Each process in the order it began, without its number.
		for one in strace $source; do
			awk '!($1 in n) { n[$1] = ++k } { $1 = n[$1]; print | "sort -s -n -k 1,1" }' \
				$name.$one >$one.text
		done
		diff strace.text $source.text >differences || fail "$name, $source: $(cat differences)"
	done
done
exit 0
