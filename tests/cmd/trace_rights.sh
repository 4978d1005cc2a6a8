#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Programs that are somebody else, become somebody else, or live somewhere else: setuid programs,
# changed credentials, processes of other users, chroot, namespaces of processes, tight limits.
. "$(dirname "$0")/../lib.sh"
[ "$(id -u)" -eq 0 ] || skip "needs root: it becomes other users"
need setpriv unshare mkfifo
program=$PROG/trace_rights

captures() { # NUMBER DIRECTORY...: as many in each, and they replay
	local wanted=$1 found
	shift
	for directory in "$@"; do
		found=$(ls "$directory"/[0-9]*.core 2>/dev/null | grep -vc end)
		[ "$found" -eq "$wanted" ] || { show_output; fail "$directory: $found captures, not $wanted"; }
		expect_status 0 "$CHOP" verify "$directory"
	done
}
same() { # OPTIONS... -- COMMAND...: traced and untraced, two captures
	local options=()
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	rm -rf t t.*
	"$@" >alone
	expect_status 0 timeout 60 "$CHOP" trace -backend uffd -function region -trace-dir t "${options[@]}" -- "$@"
	cmp alone "$OUT" || { show_output; fail "$*: another output"; }
}

# Credentials that change between regions, inside one, in all threads; dumpable cleared.
for case in drops threads hides inside; do
	same -- "$program" $case
	captures 2 t
done

# A setuid program, traced as root: it has the rights of its file's owner.
cp "$program" setuid && chown nobody setuid && chmod 4755 setuid
same -- ./setuid none
captures 2 t
# Traced by an ordinary user it would not have them: refused, and nothing ran.
chown root setuid && chmod 4755 setuid
mkdir theirs && chmod 777 theirs
cd theirs || exit 1
expect_status 5 setpriv --reuid=65534 --regid=65534 --clear-groups \
	"$CHOP" trace -function region -trace-dir t -- ../setuid none
expect_one_error 'setuid has rights of its own .*run chop as root'
expect_output ''
cd .. || exit 1

# A running process of another user, and one in a namespace of its own, where it is number 1.
attach() { # COMMAND...: it runs "waits", and has printed two lines
	rm -rf t said pipe
	mkfifo pipe
	"$@" <pipe >said &
	exec 9>pipe
	for _ in $(seq 600); do
		[ "$(wc -l <said)" -eq 2 ] && break
		sleep 0.05
	done
	pid=$(pgrep -f "^$program waits\$" | head -n 1)
	[ -n "$pid" ] || fail "$*: does not run"
	"$CHOP" trace -backend uffd -p "$pid" -function region -max-traces 2 -trace-dir t >"$OUT" 2>"$ERR" &
	chop=$!
	until ! kill -0 $chop 2>/dev/null; do # calls of region() until there were enough
		echo >&9
		sleep 0.01
	done
	wait $chop || { show_output; fail "$*: chop trace -p"; }
	exec 9>&-
	wait
	captures 2 t
}
program=$TEST_TMP/rights-$$ # no other process has this name
cp "$PROG/trace_rights" "$program"
attach setpriv --reuid=65534 --regid=65534 --clear-groups "$program" waits
if unshare --pid --fork --mount-proc true 2>/dev/null; then
	attach unshare --pid --fork --mount-proc "$program" waits
	same -f -module "$program" -- unshare --pid --fork --mount-proc "$program" none
	captures 2 t.*
else
	echo "namespaces of processes: not allowed here"
fi

# Its own root directory, with its own libraries.
mkdir -p jail/lib64 "jail$(dirname "$(ldd "$program" | awk '/libc.so/ { print $3 }')")"
cp /lib64/ld-linux-x86-64.so.2 jail/lib64/
cp "$(ldd "$program" | awk '/libc.so/ { print $3 }')" \
	"jail$(dirname "$(ldd "$program" | awk '/libc.so/ { print $3 }')")"
cp "$program" jail/program
same -module program -- chroot jail /program none
captures 2 t

# Few open files, as long as the program itself may raise its limit; then plainly refused.
cat >few.sh <<'END'
ulimit -S -n 4
exec "$0" none
END
same -module "$program" -- sh -c "$(cat few.sh)" "$program"
captures 2 t
if ! sh -c 'ulimit -n 4; ulimit -n 64' 2>/dev/null; then # not even root may raise it
	expect_status 5 "$CHOP" trace -backend uffd -function region -module "$program" -trace-dir none -- \
		sh -c 'ulimit -n 4; exec "$0" none' "$program"
	expect_one_error 'limit on open files .*leaves no room'
fi

# The trace directory's files may not be as large: what is whole is kept, the rest is said.
"$PROG/trace_program" many >alone
expect_status 2 bash -c "ulimit -f 50; exec '$CHOP' trace -function region -trace-dir large -- \
	'$PROG/trace_program' many"
expect_one_error 'cannot write large/0.core: File too large'
cmp alone "$OUT" || fail "the output differs under a limit on file sizes"
exit 0
