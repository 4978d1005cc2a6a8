# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# For tests that start a Debian kernel in an emulated machine; sourced after lib.sh.
#
#	kernel_get		$KERNEL, from Debian's package; skips when it cannot be had
#	kernel_root PROGRAM...	root/ with these programs, chop, busybox and their libraries in /bin
#	kernel_run SECONDS	starts it with root/init as its first process; its output is in `text`

# The kernel's package is unpacked, not installed: nothing here is to boot it.
kernel_get() {
	local kernels=$BUILD/tests/kernel package
	need qemu-system-x86_64 busybox gzip ldd timeout flock
	exec 8>"$kernels.lock"
	flock 8
	if ! ls "$kernels"/boot/vmlinuz-* >/dev/null 2>&1; then
		need apt-get apt-cache dpkg-deb
		package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null |
			awk '/Depends: linux-image/ { print $2; exit }')
		[ -n "$package" ] || skip "apt knows no package linux-image-cloud-amd64"
		timeout 60 apt-get download -q "$package" >download 2>&1 ||
			skip "cannot download $package: $(tail -n 1 download)"
		mkdir -p "$kernels.part" && dpkg-deb -x ./*.deb "$kernels.part" || skip "cannot unpack $package"
		rm -rf "${kernels:?}" && mv "$kernels.part" "$kernels"
		rm -rf "$kernels/lib"
	fi
	exec 8>&-
	KERNEL=$(ls "$kernels"/boot/vmlinuz-* | head -n 1)
}

kernel_root() { # PROGRAM...
	local library
	mkdir -p root/{bin,proc,sys,dev,tmp}
	cp "$CHOP" "$(command -v busybox)" "$@" root/bin/
	ldd "$CHOP" "$@" 2>/dev/null | grep -o '/[^ :]*' | sort -u | while read -r library; do
		[[ $library == *.so* ]] || continue
		mkdir -p "root$(dirname "$library")" && cp -L "$library" "root$library"
	done
}

kernel_run() { # SECONDS
	chmod 755 root/init
	(cd root && find . | busybox cpio -o -H newc 2>/dev/null) | gzip -1 >initrd.gz
	timeout "$1" qemu-system-x86_64 -accel tcg -m 512 -smp 1 -nographic -no-reboot -nodefaults -serial stdio \
		-kernel "$KERNEL" -initrd initrd.gz -append 'console=ttyS0 quiet panic=-1 mitigations=off' \
		</dev/null >console 2>&1
	tr -d '\r' <console >text
	grep -q '^<end>$' text && return
	grep -qE 'panic|Oops|BUG' text && fail "$(tail -n 40 text)"
	skip "the emulated machine was not done in $1 s: $(grep '^<' text | tail -n 1)"
}
