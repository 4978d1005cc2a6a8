#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A kernel without UFFDIO_MOVE: a Debian kernel before 6.8 is started in an emulated machine. chop
# pages says that it copies; the trace is the one that is recorded here; programs run as they do alone, forks, shared memory, slices, attaching, a killed chop.
. "$(dirname "$0")/../lib.sh"
. "$TESTS/kernel.sh"
kernel_get
kernel_root "$PROG"/pages_{walk,hard,mappings,shared}
version=$(basename "$KERNEL")
[[ $version =~ vmlinuz-(5\.|6\.[0-7]\.) ]] || skip "$version can move pages"
need_facility ptrace userfaultfd
expect_status 7 chop pages -q --fifo -w 64 -f vpn -o found -- "$PROG/pages_walk"
# The last part of the program uses the stack to its end, and that depends on the environment.
sed 's/^7ff.*/stack/' found | head -n 2000 >root/here

cat >root/init <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs none /tmp
export PATH=/bin
cd /tmp
echo
echo "<fifo>"
chop pages --fifo -w 64 -f vpn -o found -- pages_walk
sed 's/^7ff.*/stack/' found | head -n 2000 | cmp /here - && echo same
echo "</>"
echo "<cases>"
run() { chop pages -q -w 48 "$@" && chop mrc t.pages >/dev/null || echo "failed: $*"; }
for name in protecting advising; do run -o t.pages -- pages_mappings $name; done
run -o t.pages -- pages_hard signals
for name in with_child changing; do run -o t.pages -- pages_shared $name; done
run --interval 20ms -o t.pages -- pages_shared with_child
chop mrc t.pages | tail -n 1
echo "</>"
echo "<attach>"
pages_hard lasting >out &
program=$!
sleep 1
chop pages -w 64 -o t.pages -p $program 2>told &
chop=$!
while [ $(wc -c <t.pages || echo 0) -lt 20000 ]; do sleep 0.2; done 2>/dev/null
kill -KILL $chop
chop pages -w 64 -o u.pages -p $program 2>told &
chop=$!
while [ $(wc -c <u.pages || echo 0) -lt 20000 ]; do sleep 0.2; done 2>/dev/null
kill -TERM $chop
wait $chop
cat told
touch stop
wait $program
tail -n 1 out
echo "</>"
echo "<end>"
poweroff -f
INIT
kernel_run 120
part() { awk -v name="<$1>" '$0 == name { on = 1; next } $0 == "</>" { on = 0 } on' text; }

part fifo | grep -q 'this kernel cannot move pages (Linux 6.8 can): pages are copied instead' ||
	fail "$(part fifo)"
part fifo | grep -qx same || fail "$(part fifo)"
part cases | grep -q failed && fail "$(part cases)"
[ "$(part cases | grep -c ' ok$')" = 6 ] || fail "$(part cases)"
part cases | grep -q '^[0-9]* slices of 0.02 s: on average [1-9]' || fail "$(part cases)"
part attach | grep -q 'let go; the program goes on' || fail "$(part attach)"
part attach | grep -qx 'lasting ok' || fail "$(part attach)"
exit 0
