#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop probe: each mistake has one line that says what, where and what to do; lists.
. "$(dirname "$0")/../lib.sh"
own probe_points
points=$OWN
wrong() { # REGEX WORDS...
	local pattern=$1
	shift
	expect_status 2 timeout 60 chop probe "$@"
	expect_one_error "$pattern"
}

wrong 'no function naap in .*did you mean nap\?' u::naap -- "$points"
wrong "no function of .* matches 'x\*y'" 'u::x*y' -- "$points"
wrong 'no static probe point shop:takn; there are shop:taken' usdt::shop:takn -- "$points"
wrong "work has no variable 'nubmer'; its arguments are number, text" 'u::work(nubmer)' -- "$points"
wrong "no member 'name' .*there are id, count" 'u::take(order->name)' -- "$points"
wrong 'no such register' 'u::work(%xyz)' -- "$points"
wrong "no type 'u7'; there are s8" 'u::work(number:u7)' -- "$points"
wrong "'much' is no number" 'u::work(number) if number > much' -- "$points"
wrong 'the point has fewer arguments' 'usdt::shop:taken(arg7)' -- "$points"
wrong "no program or library 'libnowhere'" u:libnowhere:f -- "$points"
wrong 'cannot read ./nowhere' u:./nowhere:f -- "$points"
wrong 'a probe point begins with u:' x::work -- "$points"
wrong 'whom to watch' u::work
wrong 'no probe point' -- "$points"
wrong 'no process 99999999' u::work -p 99999999
wrong 'which is no|-p wants' u::work -p me
wrong 'first argument of .* is a text' -H 'u::work(text)' -- "$points"
wrong 'has no argument' -H u::work -- "$points"
wrong 'the time of a call is taken of functions' -L usdt::shop:taken -- "$points"
wrong '[-]-linear .* is not 1 to' -H --linear 0:1:0 'u::work(number)' -- "$points"
expect_status 127 chop probe u::main -- ./nowhere
expect_one_error nowhere

# Within an instruction the program would go wrong.
address=$(chop marks "$points" work | sed -n 's/^-begin //p')
for offset in 1 2 3 4 5 6 7 8; do
	chop probe -c "u::0x$(printf %x $((0x$address + offset)))" -- "$points" calls 1 >"$OUT" 2>"$ERR"
	case $? in
	3) ;; # an instruction begins there
	2 | 5) grep -Eq 'no instruction of [a-z]+ begins at|nothing in .* tells|cannot load BPF' "$ERR" || fail "$(cat "$ERR")" ;;
	*) fail "at $offset: $(cat "$ERR")" ;;
	esac
done

# A program that looks like one of Go.
printf '\t.section .go.buildinfo,"aw"\n\t.quad 1\n' | gcc -x assembler -c - -o go.o || skip "no assembler"
echo 'int f(int n) { return n + 1; } int main(int c, char **v) { (void)v; return f(c); }' |
	gcc -O0 -x c -c - -o main.o && gcc main.o go.o -o go || fail "gcc"
wrong 'is written in Go.*--force' ur::f -- ./go
wrong 'is written in Go.*--force' -L u::f -- ./go

# Lists.
expect_status 0 chop probe -l "$points"
expect_match "^u:$points:work\(number, text\)\$"
expect_match "^usdt:$points:shop:twice\(\) 2 sites\$"
expect_match "^usdt:$points:shop:asked\(arg0 u64\) semaphore\$"
expect_status 0 chop probe -l "u:$points:na*"
expect_output "u:$points:nap(microseconds)"
expect_status 2 chop probe -l ./nowhere
expect_one_error nowhere
expect_status 2 chop probe -l
if [ -r /proc/kallsyms ]; then
	expect_status 0 chop probe -l call:execve
	expect_output 'execve k:__x64_sys_execve'
	wrong 'the kernel has no function do_sys_openat3' k:do_sys_openat3 -- true
	expect_status 2 chop probe -l call:exceve
	[ -e /sys/bus/event_source/devices/kprobe ] || {
		expect_status 5 chop probe k:do_sys_openat2 -- true
		expect_one_error 'no kprobes: .*CONFIG_KPROBES'
	}
fi
chop probe -l t:sched >list 2>errors || {
	[ "$(wc -l <errors)" -eq 1 ] || fail "$(cat errors)"
	skip "no tracepoints here: $(cat errors)"
}
grep -q '^t:sched:sched_switch$' list && grep -q '^    pid_t prev_pid$' list || fail "$(head list)"
wrong 'no tracepoint sched:sched_swich; did you mean sched:sched_switch\?' t:sched:sched_swich -- true
wrong "no field 'pid'; there are prev_comm" 't:sched:sched_switch(pid)' -- true

# Somebody else may not; what to grant is said.
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	cp "$points" program && chmod 755 program . && cp "$CHOP" tool && chmod 755 tool
	expect_status 5 setpriv --reuid=65534 --regid=65534 --clear-groups ./tool probe u::work -- ./program
	expect_one_error 'root|CAP_'
fi
exit 0
