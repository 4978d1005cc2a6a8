#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop trace with tracepoints as begin and end: where the region then begins and ends, that its
# replay is the original, how often the point was reached, and that the program does not notice.
. "$(dirname "$0")/../lib.sh"
program=$PROG/trace_points

refuse() { # STATUS REGEX WORDS...
	local status=$1 regex=$2
	shift 2
	expect_status "$status" chop trace "$@" -- "$program"
	expect_one_error "$regex"
	[ ! -e trace_data ] || fail "a directory was made"
}

# -- what cannot be ------------------------------------------------------------------------------
refuse 2 'no tracepoint syscalls:sys_enter_wirte; did you mean sys_enter_write\?' \
	-begin-probe t:syscalls:sys_enter_wirte -end-probe t:syscalls:sys_exit_write
refuse 2 'they are called sys_enter_CALL and sys_exit_CALL' -begin-probe t:syscalls:nonsense -active 1ms
refuse 2 'of raw_syscalls there are sys_enter and sys_exit' -begin-probe t:raw_syscalls:enter -active 1ms
refuse 2 'expected t:CATEGORY:NAME' -begin-probe t:sched_switch -active 1ms
refuse 2 'needs an -end' -begin-probe t:syscalls:sys_enter_write
refuse 2 'needs a -begin' -end-probe t:syscalls:sys_enter_write
refuse 2 'nothing is shown of arguments here' -begin-probe 't:syscalls:sys_enter_write(fd)' -active 1ms
refuse 2 'a function of the kernel: take a tracepoint' -begin-probe k:vfs_read -active 1ms
refuse 2 '-interpose is for regions that begin in the program' -interpose \
	-begin-probe t:syscalls:sys_enter_write -end-probe t:syscalls:sys_exit_write
need_facility ptrace

# -- how often: exactly as often as the program passes it, in all of its threads ---------------
count() { # REGEX WORDS...
	local regex=$1
	shift
	same_as_untraced chop trace -no-trace "$@" -- "$program"
	expect_error_match "$regex"
}
count 'reached 4 times' -begin-probe t:syscalls:sys_enter_getppid -end-probe t:syscalls:sys_enter_write
count 'reached 4 times' -begin-probe t:syscalls:sys_exit_getppid -active 1ms
# 9 writes: 4 to each descriptor, and the last line.
count 'reached 9 times' -begin-probe 't:syscalls:sys_e?ter_write' -active 1ms

# Without root: calls are seen all the same; for the rest it is said what to grant.
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	cp "$CHOP" tool && cp "$program" program && chmod 755 tool program .
	other() { setpriv --reuid=65534 --regid=65534 --clear-groups ./tool trace -no-trace "$@" -- ./program; }
	expect_status 0 other -begin-probe t:syscalls:sys_enter_getppid -active 1ms
	expect_error_match 'reached 4 times'
	expect_status 5 other -begin-probe t:sched:sched_switch -active 1ms
	expect_one_error 'run as root'
	expect_status 5 other -begin-probe 't:syscalls:sys_enter_write if fd == 1' -active 1ms
	expect_one_error 'run as root'
	rm tool program
fi

need_facility userfaultfd
need gdb

# The instruction at (or, BEHIND bytes earlier, before) the place where capture 0 begins.
instruction() { # DIRECTORY [BEHIND]
	gdb -nx -batch -ex "x/i \$rip - ${2:-0}" "$program" "$1/0.core" 2>/dev/null | tail -n 1
}

capture() { # DIRECTORY WORDS...
	local directory=$1
	shift
	same_as_untraced chop trace -trace-dir "$TEST_TMP/cwd/$directory" "$@" -- "$program"
	expect_status 0 chop verify "$directory"
	expect_match equal
}

# -- system calls: before the call, behind it ---------------------------------------------------
capture entry -indices 1-2 -begin-probe t:syscalls:sys_enter_getppid -end-probe t:syscalls:sys_enter_tgkill
instruction entry | grep -q 'syscall' || fail "not at the call: $(instruction entry)"
expect_status 0 chop syscalls --from entry/0.sys
expect_error_match '^getppid\(\) += [0-9]+$'
expect_error_match '^tgkill.* = [?]$'

capture exit -max-traces 2 -begin-probe t:syscalls:sys_exit_getppid -end-probe t:syscalls:sys_exit_tgkill
instruction exit 2 | grep -q 'syscall' || fail "not behind the call: $(instruction exit 2)"
expect_status 0 chop syscalls --from exit/0.sys
grep -q getppid "$ERR" && fail "the call before the begin is in the region"

# From one call to the next of the same kind.
capture round -max-traces 1 -begin-probe t:syscalls:sys_enter_getppid -end-probe t:syscalls:sys_enter_getppid
capture short -max-traces 2 -begin-probe t:syscalls:sys_exit_getppid -active 100us

# With a test of a field, and an address as the end: mixed.
need_facility tracefs
refuse 2 "has no field 'fdd'|no field fdd|fdd" -begin-probe 't:syscalls:sys_enter_write if fdd == 2' -active 1ms
count 'reached 4 times' -begin-probe 't:syscalls:sys_enter_write if fd == 2' -active 1ms
count 'reached 4 times' -begin-probe 't:raw_syscalls:sys_enter if id == 110' -active 1ms
begin=$(nm "$program" | awk '$3 == "work" { print $1 }')
capture mixed -max-traces 2 -begin-probe 't:syscalls:sys_exit_write if ret == 8' -end "$begin"
capture mixed2 -indices 1 -begin "$begin" -end-probe 't:syscalls:sys_enter_write if fd == 2'

# -- others: a BPF program stops the thread before it executes anything more -------------------
refuse 2 'no tracepoint sched:sched_swich; did you mean sched:sched_switch' \
	-begin-probe t:sched:sched_swich -active 1ms
refuse 2 'not of texts' -begin-probe 't:sched:sched_switch if prev_comm == "x"' -active 1ms
need_facility bpf
count 'reached 4 times' -begin-probe 't:signal:signal_generate if sig == 10' -active 1ms
# The thread that waits, and four more.
count 'reached 5 times' -begin-probe t:task:task_newtask -active 1ms

# The signal is delivered first: the region begins with its handler.
capture handler -max-traces 2 -begin-probe 't:signal:signal_generate if sig == 10' -end-probe t:syscalls:sys_enter_clone3
instruction handler | grep -q '<on_signal' || fail "not in the handler: $(instruction handler)"
capture tillsignal -max-traces 2 -begin-probe t:syscalls:sys_exit_getppid -end-probe 't:signal:signal_deliver if sig == 10'
capture tillthread -indices 2 -begin-probe t:syscalls:sys_enter_getppid -end-probe t:task:task_newtask
# Interrupted at any moment: no stop of ours is left behind.
for round in 0 1 2; do
	chop trace -no-trace -begin-probe 't:sched:*' -active 1ms -- "$program" >said 2>errors &
	watcher=$!
	for ((i = 0; i < 6000; i++)); do
		grep -q "round $round" said errors && break
		sleep 0.01
	done
	kill -TERM $watcher 2>/dev/null
	wait $watcher
	# The program goes on alone; it has written its last line when it ends.
	for ((i = 0; i < 600; i++)); do
		grep -q signals said && break
		sleep 0.1
	done
	[ $i -lt 600 ] || fail "it stopped: $(cat said errors)"
done

# Sleeps are slept once, and whoever waits sees no stop.
capture asleep -max-traces 3 -begin-probe 't:sched:sched_switch if prev_state == 1' -active 20us
exit 0
