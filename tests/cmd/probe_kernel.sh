#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Functions of the kernel: a Debian kernel, which has kprobes, is started in an emulated machine
# with chop and its target program as all there is, and both sources tell the same.
. "$(dirname "$0")/../lib.sh"
. "$TESTS/kernel.sh"
kernel_get
kernel_root "$PROG/probe_points"

cat >root/init <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t tracefs none /sys/kernel/tracing
export PATH=/bin
echo
show() { # NAME OPTIONS...
	echo "<$1>"
	shift
	chop probe -q -o /tmp/out "$@" >/dev/null 
	cat /tmp/out
	rm -f /tmp/out
	echo "</>"
}
for source in bpf ftrace; do
	show $source.hits --source $source 'k:do_sys_openat2(dfd=%di:s32, arg1:str) if arg1 == /init' \
		'kr:do_sys_openat2(ret:int) if ret == 3' -- cat /init
	show $source.counts --source $source -c k:vfs_write kr:vfs_write k:__x64_sys_getpid \
		'k:vfs_writ?' u::work 'usdt::shop:*' -- probe_points calls 10
	show $source.times --source $source -Lc --format json k:vfs_write -- probe_points calls 2
done
show stack -K k:vfs_write -- probe_points calls 2
show calls -c k:$(chop probe -l call:execve | sed 's/.*k://') -f -- sh -c '/bin/true; /bin/true; /bin/true'
echo "<end>"
echo "</>"
poweroff -f
INIT
kernel_run 100
part() { awk -v name="<$1>" '$0 == name { on = 1; next } $0 == "</>" { on = 0 } on' text; }
for source in bpf ftrace; do
	part $source.hits | sed -E 's/^ *[0-9.]+ +[0-9]+ //' >hits
	printf '%s\n' 'do_sys_openat2(dfd=-100, arg1="/init")' 'do_sys_openat2%return(ret=3)' |
		diff - hits || fail "$source: $(part $source.hits)"
	part $source.times | grep -Eq '^\{"probe":"vfs_write","count":1,"total_ns":[1-9][0-9]*\}$' ||
		fail "$source: $(part $source.times)"
	part $source.counts | awk 'NR > 1 { print $2, $1 }' | sort >counts
	[ "$(awk '$1 == "vfs_write" { n++ } $1 == "probe_points:work" && $2 == 10 { n++ }
		$1 == "probe_points:shop:twice" && $2 == 15 { n++ } END { print n }' counts)" = 4 ] ||
		fail "$source: $(part $source.counts)"
	cp counts counts.$source
done
diff counts.bpf counts.ftrace || fail "the sources do not tell the same"
part stack | grep -q '^	ksys_write+0x' || fail "$(part stack)"
[ "$(part calls | awk 'NR == 2 { print $2, $1 }')" = "__x64_sys_execve 3" ] || fail "$(part calls)"
exit 0
