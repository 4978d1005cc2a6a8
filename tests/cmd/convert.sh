#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chop convert: every format says what the trace says, read by readers of our own making from
# the formats' descriptions (convert_check.py); what a format cannot hold is refused.
. "$(dirname "$0")/../lib.sh"
need_facility ptrace userfaultfd userfaultfd-async pagemap-scan
need python3 objdump
check() { # FORMAT FILE CSV
	python3 "$TESTS/cmd/convert_check.py" "$1" "$2" "$3" "$PROG/mem_cases" "$base" >"$OUT" 2>&1 ||
		fail "$(cat "$OUT")"
}

for name in sorted strings x87; do
	expect_status 0 chop trace -q -function $name -module mem_cases -indices 1 -trace-dir $name \
		-- "$PROG/mem_cases" $name
	expect_status 0 chop mem $name -o $name.mem
	base=$(awk '/mem_cases/ { split($1, a, "-"); print a[1]; exit }' $name/0.maps)
	expect_status 0 chop convert $name.mem --to csv -o $name.csv
	for format in lackey chopstix din xdin gem5 champsim drmemtrace oracle-general; do
		expect_status 0 chop convert $name.mem --to $format -o $name.$format
		check $format $name.$format $name.csv
	done
done

# Compressed, to stdout, without fetches, a part of it.
expect_status 0 chop convert sorted.mem --to champsim -o sorted.gz
check champsim sorted.gz sorted.csv
expect_status 0 chop convert sorted.mem --to gem5 -o sorted.zst
if command -v zstd >/dev/null; then
	zstd -qdc sorted.zst | cmp - sorted.gem5 || fail "zstd reads something else"
fi
expect_status 0 chop convert sorted.mem --to lackey
cmp -s "$OUT" sorted.lackey || fail "stdout differs from the file"
expect_status 0 chop convert sorted.mem --to din --no-ifetch
grep -v '^2 ' sorted.din | cmp -s - "$OUT" || fail "--no-ifetch leaves in or out something else"
expect_status 0 chop convert sorted.mem --to lackey --kinds i --from 100 --count 20
grep '^I' sorted.lackey | sed -n '101,120p' | cmp -s - "$OUT" || fail "--from or --count"
chop-detrace-mem sorted.mem | cmp -s - sorted.chopstix || fail "chop-detrace-mem"

# What cannot be.
expect_status 2 chop convert sorted.mem --to din-binary -o x
expect_one_error "Dinero's binary format has 32-bit addresses"
[ -e x ] && fail "something was left behind"
expect_status 2 chop convert sorted.mem --to champsim --no-ifetch -o x
expect_one_error 'cannot do without fetches'
expect_status 2 chop convert sorted.mem --to din --kinds p
expect_one_error 'din has no place'
expect_status 2 chop convert sorted.mem --to oracle-general
expect_one_error 'written out of order: -o FILE'
expect_status 2 chop convert sorted.mem --to oracle-general -o x.gz
expect_one_error 'cannot be compressed'
expect_status 2 chop convert sorted.mem --to pin
expect_one_error "no format 'pin': lackey, chopstix"
expect_status 2 chop convert sorted.mem
expect_one_error -- '--to is missing'
expect_status 2 chop convert /etc/passwd --to din
expect_one_error '/etc/passwd: not a memory trace of chop mem'
expect_status 2 chop convert sorted.mem --to din -o /nonexistent/x
expect_one_error 'cannot create'

# Damaged and cut off: refused, unless what is there is asked for.
size=$(stat -c %s sorted.mem)
head -c $((size - 5)) sorted.mem >short.mem
expect_status 2 chop convert short.mem --to din
expect_one_error 'short.mem: cut off: it has no end'
expect_status 0 chop convert short.mem --to din --partial
cmp -s "$OUT" sorted.din || fail "the chunks of a file without its end are not all there"
expect_error_match 'warning: this trace ends before its region does: the file is cut off'
cp sorted.mem flipped.mem
printf '\377' | dd of=flipped.mem bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
expect_status 2 chop convert flipped.mem --to din -o x
expect_one_error 'flipped.mem: damaged: wrong checksum'
[ -e x ] && fail "half a file was left behind"

# Interrupted, there is no file; or it is whole, when that came too late.
"$CHOP" mem --live -q -o long.mem -- perl -e '$h{$_ % 1000} .= $_ for 1..100000' || fail "chop mem --live"
"$CHOP" convert long.mem --to csv -o long.csv >"$OUT" 2>"$ERR" &
converter=$!
while kill -0 $converter 2>/dev/null && ! ls long.csv* >/dev/null 2>&1; do
	sleep 0.01
done
kill -TERM $converter 2>/dev/null
wait $converter
status=$?
if [ $status = 143 ]; then
	grep -q '^chop: convert: warning: interrupted after [0-9]* records: nothing is written$' "$ERR" || fail "$(cat "$ERR")"
	ls long.csv* >/dev/null 2>&1 && fail "left behind: $(ls long.csv*)"
elif [ $status != 0 ] || [ ! -s long.csv ]; then
	fail "status $status after SIGTERM: $(cat "$ERR")"
fi
rm -f long.*

# A full disk.
(
	ulimit -f 16
	trap '' XFSZ
	"$CHOP" convert sorted.mem --to csv -o full.csv 2>full.err
	echo $? >full.status
)
[ "$(cat full.status)" = 2 ] || fail "status $(cat full.status) with a full disk"
grep -q '^chop: convert: cannot write full.csv: File too large$' full.err || fail "$(cat full.err)"
[ -e full.csv ] && fail "a file that looks whole was left"
exit 0
